"""Every front over the stand-in model, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from gerank.client import RerankClient
from gerank_server import Front, RerankServer, serve
from gerank_server.native import is_built
from tests.server.stand_in import StandIn


@pytest.fixture(params=list(Front), ids=lambda front: front.value)
def front(request: pytest.FixtureRequest) -> Front:
    """Each in turn: what a test promises, both keep."""
    chosen: Front = request.param
    if chosen is Front.NATIVE and not is_built():
        pytest.skip("the native front is not built: nghttp2 or libuv is missing")
    return chosen


@pytest.fixture(scope="session")
def built_model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """The same model with a board of its own: what this process thinks of a request."""
    return StandIn(tmp_path_factory.mktemp("expected"))


@pytest.fixture
def model(built_model: StandIn) -> StandIn:
    """What the server serves, at its beginning."""
    built_model.release()
    built_model.fail(False)
    built_model.answer_wrongly(0)
    return built_model


@pytest.fixture
def server(front: Front, model: StandIn) -> Iterator[RerankServer]:
    running = serve(model.path, "127.0.0.1:0", front=front)
    model.reset()
    yield running
    model.release()
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


@pytest.fixture
def damaged(model: StandIn, tmp_path: Path) -> Path:
    """The artifact, cut in half."""
    path = tmp_path / "damaged.gerank"
    content = model.path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
