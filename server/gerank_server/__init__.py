"""The gRPC fronts of gerank: the native one, and the one in Python for places with pip alone."""

from gerank_server.fronts import Front, RerankServer, best_front, listen, serve
from gerank_server.options import AddressError, ModelRefusedError, OptionError, ServerOptions

__all__ = [
    "AddressError",
    "Front",
    "ModelRefusedError",
    "OptionError",
    "RerankServer",
    "ServerOptions",
    "best_front",
    "listen",
    "serve",
]
