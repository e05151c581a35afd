"""A server over the stand-in model, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from gerank.client import RerankClient
from gerank_server import RerankServer, serve
from tests.server.stand_in import StandIn


@pytest.fixture
def model() -> StandIn:
    return StandIn()


@pytest.fixture
def server(model: StandIn) -> Iterator[RerankServer]:
    running = serve(model, "127.0.0.1:0")
    yield running
    model.gate.set()
    running.stop(grace_s=5)


@pytest.fixture
def address(server: RerankServer) -> str:
    return f"127.0.0.1:{server.port}"


@pytest.fixture
def client(address: str) -> Iterator[RerankClient]:
    with RerankClient(address, timeout_s=20) as connected:
        yield connected


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as opened:
        yield opened
