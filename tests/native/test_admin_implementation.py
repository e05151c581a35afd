"""An administrator is told what computes the slates of an artifact, and in which precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.export.artifact import write_artifact
from gerank.ranker import Ranker
from tests.cli.command import done
from tests.data.request_cases import CONTRACT
from tests.native.admin_server import administered
from tests.native.test_gerank_server import PROGRAM
from tests.nn.batches import random_generator
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("scripted"), "scripted")


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stock generator, which asks for bfloat16."""
    path = tmp_path_factory.mktemp("stock") / "model.gerank"
    generator = random_generator(0)
    write_artifact(generator, CONTRACT, path, name="stock", training={}, precision="bfloat16")
    return path


def test_a_load_and_the_list_tell_what_runs(scripted: StandIn, stock: Path) -> None:
    asked = {"auto": Ranker.load(stock).precision, "float32": "float32"}
    for precision, runs in asked.items():
        with administered({"feed": scripted.path}, "--precision", precision) as server:
            for dry_run in (True, False):
                loaded = server.client.load("feed", stock, keep_old=not dry_run, dry_run=dry_run)
                assert (loaded.implementation, loaded.precision) == ("native", runs)
            listed = {
                each.version: (each.implementation, each.precision)
                for each in server.client.models().models
            }
        assert listed == {
            scripted.model_version: ("torchscript", "float32"),
            loaded.version: ("native", runs),
        }


def test_where_torchscript_is_asked_for_it_is_what_is_told(scripted: StandIn, stock: Path) -> None:
    options = ("--implementation", "torchscript")
    with administered({"feed": scripted.path}, *options) as server:
        loaded = server.client.load("feed", stock)
    assert (loaded.implementation, loaded.precision) == ("torchscript", "float32")


def test_the_command_says_it(scripted: StandIn, stock: Path) -> None:
    with administered({"feed": scripted.path}, "--precision", "float32") as server:
        at = ("--address", server.address)
        for option in ("--dry-run", "--keep-old"):
            said = done("admin", "load", "feed", stock, option, *at).splitlines()
            assert said[1].endswith(" runs: native, float32"), said
        rows = done("admin", "list", *at).splitlines()
    for version, runs in (("scripted-1", "torchscript, float32"), ("stock-", "native, float32")):
        (row,) = (row for row in rows if version in row and "│" in row)
        assert runs in row
