"""`gerank studio` where it cannot start."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.cli.command import gerank
from tests.studio.conftest import Feed


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    result = gerank("studio", "--model", tmp_path / "none.gerank")
    assert result.code == 1
    assert f"{tmp_path / 'none.gerank'}: no such file" in result.err


def test_a_missing_log_is_named(feed: Feed, tmp_path: Path) -> None:
    result = gerank("studio", "--model", feed.model, "--data", tmp_path)
    assert result.code == 1
    assert str(tmp_path) in result.err


def test_a_folder_that_is_no_run_is_named(feed: Feed, tmp_path: Path) -> None:
    result = gerank("studio", "--model", feed.model, "--run", tmp_path)
    assert result.code == 1
    assert f"{tmp_path} is not the folder of a training run" in result.err


def test_a_port_in_use_is_named(feed: Feed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = gerank("studio", "--model", feed.model, "--port", port)
    assert result.code == 1
    assert f"127.0.0.1:{port}" in result.err
    assert "in use" in result.err


def test_without_its_extra_it_says_what_to_install(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("gerank.studio")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    result = gerank("studio", "--model", feed.model)
    assert result.code == 1
    assert "pip install 'gerank[studio]'" in result.err
