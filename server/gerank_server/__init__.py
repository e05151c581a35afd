"""The gRPC fronts of gerank: here the one in Python, for places with pip alone."""

from gerank_server.server import AddressError, RerankServer, ServerOptions, serve

__all__ = ["AddressError", "RerankServer", "ServerOptions", "serve"]
