"""One gerank-server per file of tests, and connections to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.front.bystander import Bystander
from tests.front.call_bytes import page
from tests.front.raw_connection import RawConnection
from tests.front.server_process import PROGRAM, ServerProcess
from tests.server.stand_in import StandIn


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips all where there is no native front."""
    if not PROGRAM.exists():
        for item in items:
            if item.path.parent.name == "front":
                item.add_marker(pytest.mark.skip(reason="the native front is not built"))


@pytest.fixture(scope="session")
def built_model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture
def model(built_model: StandIn) -> Iterator[StandIn]:
    """What the server serves; a test may hold it."""
    yield built_model
    built_model.release()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, built_model: StandIn) -> Iterator[ServerProcess]:
    """The server of the file, with the options that the file names as SERVER_OPTIONS."""
    built_model.release()
    options = getattr(request.module, "SERVER_OPTIONS", ())
    with ServerProcess(built_model.path, options) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(server: ServerProcess) -> Iterator[Bystander]:
    """Another caller of the file's server."""
    with Bystander(server) as caller:
        yield caller


@pytest.fixture
def connection(server: ServerProcess) -> Iterator[RawConnection]:
    with RawConnection(server.port) as opened:
        yield opened


@pytest.fixture(autouse=True)
def still_serving(request: pytest.FixtureRequest) -> Iterator[None]:
    """The server of a file lives after each of its tests, and answers the next caller."""
    yield
    if "server" in request.fixturenames:
        running: ServerProcess = request.getfixturevalue("server")
        if "built_model" in request.fixturenames:
            request.getfixturevalue("built_model").release()
        assert running.process.poll() is None, "the server died"
        with RawConnection(running.port) as opened:
            assert opened.call(page()).status == 0
