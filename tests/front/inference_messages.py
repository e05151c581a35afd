"""The messages of inference.GRPCInferenceService, in a pool of their own.

tritonclient brings messages of the same names, of which one pool holds one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

PROTOS = Path(__file__).parents[2] / "protos"
PROTO = "inference/grpc_service.proto"
SERVICE = "inference.GRPCInferenceService"


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "set.bin"
        assert protoc.main(["", f"-I{PROTOS}", f"--descriptor_set_out={path}", PROTO]) == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def message(name: str) -> Any:
    """The class of a message of package inference."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


def call(channel: grpc.Channel, method: str, **fields: object) -> Any:
    """The answer of a method to a request with these fields."""
    return ask(channel, method)(message(f"{method}Request")(**fields), timeout=20)


def ask(channel: grpc.Channel, method: str) -> Any:
    """A method as a callable of grpcio."""
    return channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=message(f"{method}Response").FromString,
    )
