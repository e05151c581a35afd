"""Another file of a version that is published already: where it may take the place of the first."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gerank.admin import Arm
from gerank.server_error import ServerError
from tests.native.admin_server import AdminServer, administered, ask
from tests.native.test_gerank_server import PROGRAM
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("new"), "new")


@pytest.fixture
def server(old: StandIn) -> Iterator[AdminServer]:
    with administered({"feed": old.path}) as running:
        yield running


@pytest.fixture
def twin(old: StandIn, tmp_path: Path) -> Path:
    """Another file of the version of `old`."""
    return Path(shutil.copy(old.path, tmp_path / "twin.gerank"))


def _paths(server: AdminServer) -> dict[str, str]:
    return {each.version: each.path for each in server.client.models().models}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_version_that_is_relied_on_is_not_exchanged(
    dry_run: bool, server: AdminServer, old: StandIn, new: StandIn, twin: Path
) -> None:
    def refuse(words: str, keep_old: bool = False) -> None:
        message = f"FAILED_PRECONDITION: 'old-1' of 'feed' is published already, from .*{words}"
        with pytest.raises(ServerError, match=message) as caught:
            server.client.load("feed", twin, dry_run=dry_run, keep_old=keep_old)
        assert str(old.path) in str(caught.value) and str(twin) in str(caught.value)
        assert _paths(server)["old-1"] == str(old.path)

    refuse("cannot be kept beside a file of the same version", keep_old=True)
    server.client.split("feed", (Arm("a", "old-1", 1),))
    refuse("is in the split")
    server.client.split("feed", ())
    server.client.load("feed", new.path, keep_old=True)
    refuse("is kept beside the current version")
    assert ask(server.channel) == "new-1"


def test_the_current_version_may_be_exchanged_and_the_file_itself_be_loaded_again(
    server: AdminServer, old: StandIn, new: StandIn, twin: Path
) -> None:
    assert server.client.load("feed", twin).current
    assert _paths(server) == {"old-1": str(twin)}
    server.client.load("feed", new.path, keep_old=True)
    server.client.split("feed", (Arm("a", "old-1", 1), Arm("b", "new-1", 1)))
    assert server.client.load("feed", twin).current
    assert _paths(server) == {"new-1": str(new.path), "old-1": str(twin)}
    server.client.load("search", old.path)
    assert ask(server.channel, "search") == "old-1", "each name has versions of its own"


def test_no_split_comes_to_name_a_version_whose_file_is_being_exchanged(
    server: AdminServer, old: StandIn, twin: Path
) -> None:
    old.reset()  # the twin maps the same board
    server.client.load("feed", twin, dry_run=True)
    before_the_warm_up = old.forwards
    old.reset()
    loading = threading.Thread(target=server.client.load, args=("feed", twin))
    loading.start()
    try:
        old.await_forwards(before_the_warm_up + 1)
        old.hold()
        with pytest.raises(ServerError, match="another file of 'old-1' of 'feed' is being loaded"):
            server.client.split("feed", (Arm("a", "old-1", 1),))
    finally:
        old.release()
        loading.join()
    assert server.client.split("feed", (Arm("a", "old-1", 1),)) == 1
