"""Server reflection for the front in Python; see also `CallThreads`."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gerank_server.streams import StreamLimit

SERVICE = reflection.SERVICE_NAME


def reflection_handlers(services: Sequence[str], streams: StreamLimit) -> grpc.GenericRpcHandler:
    """The service for a grpc.Server.

    Args:
        services: Full names of the services to describe.
        streams: A stream beyond it is refused.
    """
    servicer = reflection.ReflectionServicer(services)
    method = grpc.stream_stream_rpc_method_handler(
        streams.held_by(servicer.ServerReflectionInfo),
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"ServerReflectionInfo": method})
