"""One feed and one session for all tests of the control page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("nicegui", reason="the extra `studio` is not installed")

from gerank.studio.application import open_session
from gerank.studio.session import Session
from tests.studio.feed import write_log, write_model


class Feed(NamedTuple):
    """An artifact, and the folder of a log."""

    model: Path
    data: Path


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    folder = tmp_path_factory.mktemp("feed")
    write_model(folder / "model.gerank", write_log(folder / "log", seed=3))
    return Feed(folder / "model.gerank", folder / "log")


@pytest.fixture(scope="session")
def session(feed: Feed) -> Iterator[Session]:
    with open_session(feed.model, feed.data) as opened:
        yield opened
