"""The gRPC fronts of gerank: the native one, and the one in Python for places with pip alone."""

from gerank_server.fronts import Front, RerankServer, best_front, listen, serve, serve_models
from gerank_server.options import AddressError, ModelRefusedError, OptionError, ServerOptions
from gerank_server.own_process import OtherProcessError

__all__ = [
    "AddressError",
    "Front",
    "ModelRefusedError",
    "OptionError",
    "OtherProcessError",
    "RerankServer",
    "ServerOptions",
    "best_front",
    "listen",
    "serve",
    "serve_models",
]
