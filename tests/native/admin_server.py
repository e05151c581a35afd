"""A gerank-server with an admin address, its callers, and small artifacts for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import grpc

from gerank.admin import AdminClient
from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.native.test_gerank_server import METHOD, running

Metadata = tuple[tuple[str, str], ...]


def plain() -> dict[str, Any]:
    """A document that every stand-in takes."""
    return valid_document() | {"pins": {}, "spacing": [], "quotas": [], "mode": "greedy"}


def payload(model: str = "", version: str = "") -> bytes:
    query = query_from_request(parse_request(plain(), CONTRACT))
    return pb.RerankRequest(queries=[query], model=model, version=version).SerializeToString()


def ask(channel: grpc.Channel, model: str = "", version: str = "") -> str:
    """The version that answers."""
    return answer(channel, payload(model, version))[0]


def answer(channel: grpc.Channel, message: bytes, metadata: Metadata = ()) -> tuple[str, str]:
    """The version that answers, and the arm that the answer's headers name, or ''."""
    call = channel.unary_unary(METHOD)
    response, state = call.with_call(message, timeout=30, metadata=metadata)
    headers = {name: str(value) for name, value in state.initial_metadata()}
    return str(pb.RerankResponse.FromString(response).slates[0].model_version), headers.get(
        "x-arm", ""
    )


def code_of(channel: grpc.Channel, model: str = "", version: str = "") -> str:
    """How a call ends."""
    try:
        ask(channel, model, version)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@dataclass
class AdminServer:
    """A running program.

    Attributes:
        process: The program.
        channel: To where callers are served.
        address: Where administrators are served.
        client: An administrator.
        metrics: Where metrics are served; '' = nowhere.
    """

    process: Popen[str]
    channel: grpc.Channel
    address: str
    client: AdminClient
    metrics: str


@contextmanager
def administered(
    models: Mapping[str, Path], *options: object, at: str = "127.0.0.1:0"
) -> Iterator[AdminServer]:
    """The program with these models, serving there; '' names a model without one."""
    words: list[object] = []
    for name, path in models.items():
        words += ["--model", f"{name}={path}" if name else path]
    ports = ("--address", at, "--admin-address", "127.0.0.1:0")
    with running(*words, *ports, *options) as (process, channel):
        assert process.stdout is not None
        metrics = ""
        while not (line := process.stdout.readline()).startswith("admin on "):
            assert line.startswith("metrics on "), "the program names no admin address"
            metrics = line.split()[-1]
        address = line.split()[-1]
        with AdminClient(address, 30) as client:
            yield AdminServer(process, channel, address, client, metrics)


@dataclass
class Callers:
    """Threads that ask again and again, until the block ends.

    Attributes:
        channel: Whom they ask.
        message: What they ask.
        versions: The versions that answered, in order.
        failures: What went wrong.
    """

    channel: grpc.Channel
    message: bytes
    versions: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                self.versions.append(answer(self.channel, self.message)[0])
            except Exception as error:
                self.failures.append(error)
                return
