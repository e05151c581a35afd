"""A comparison that goes on: with what is there, and only where it is the same one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gerank.compare.cells import Cell, CellKind, cells_of
from gerank.compare.compare import compare
from gerank.compare.config import ComparatorConfig
from gerank.compare.identity import identity, known_then
from gerank.compare.workspace import CompareError, Workspace
from gerank.nn.channels import Channel
from tests.cli.command import start
from tests.compare.conftest import Compared, row, table


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, "seed was 0 and is 5 now; choose another --out"),
        ({"normalise": False}, "normalise was true and is false now"),
        (
            {"comparators": {"trees": ComparatorConfig("lambdamart", grid={"trees": [30]})}},
            "comparators.trees was .* and is .*; choose another --out, or another name",
        ),
    ],
)
def test_another_comparison_is_refused_in_the_same_folder(
    changes: dict[str, Any], message: str, compared: Compared
) -> None:
    config = dataclasses.replace(compared.config, **changes)
    with pytest.raises(CompareError, match=message):
        compare(config, compared.folder / "test", compared.out, resume=True)


def test_a_setting_that_is_newer_than_the_comparison_was_at_its_default(
    compared: Compared, tmp_path: Path
) -> None:
    shutil.copytree(compared.out, tmp_path / "out")
    path = tmp_path / "out" / "compare.json"
    document = json.loads(path.read_text())
    del document["evaluator"]["channels"], document["train"]  # a newer key, and a newer table
    path.write_text(json.dumps(document))
    found = compare(compared.config, compared.folder / "test", tmp_path / "out", resume=True)
    assert found.to_json() == compared.found.to_json()
    assert "channels" in json.loads(path.read_text())["evaluator"]
    path.write_text(json.dumps(document))
    evaluator = dataclasses.replace(compared.config.evaluator, channels=(Channel.POOLING,))
    config = dataclasses.replace(compared.config, evaluator=evaluator)
    with pytest.raises(CompareError, match=r"evaluator was .* and is .*channels"):
        compare(config, compared.folder / "test", tmp_path / "out", resume=True)


def test_a_setting_of_a_row_that_is_newer_was_at_its_default_too(compared: Compared) -> None:
    rows = {"gerank": ComparatorConfig()}
    config = dataclasses.replace(compared.config, comparators=rows, reference="gerank")
    space = Workspace.read(config, compared.folder / "test", compared.out)
    now = identity(config, space.log, space.test)
    before = json.loads(json.dumps(now))
    for tried in before["rows"]["gerank"]["tried"]:
        del tried["generator.local_context"]
    assert known_then(now, before) == before != now
    now["rows"]["gerank"]["tried"][0]["generator.local_context"] = False
    assert known_then(now, before) != before


def test_a_folder_that_holds_a_comparison_needs_resume(compared: Compared) -> None:
    with pytest.raises(CompareError, match="holds a comparison already: pass --resume"):
        compare(compared.config, compared.folder / "test", compared.out)


def test_killed_and_resumed_it_gives_the_same_tables(compared: Compared, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("compare", compared.folder / "compare.toml", "--data", compared.folder / "test")
    killed = start(*words, "--out", out)
    while len(list(out.glob("cells/*/*.npz"))) < 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    workers = children_of(killed.pid)
    assert workers
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    while any(Path(f"/proc/{pid}").exists() and state(pid) != "Z" for pid in workers):
        time.sleep(0.05)  # the limit of a test's time says when this is too long
    assert len(list(out.glob("cells/*/*.npz"))) < len(list(cells_of(compared.config)))
    begun: list[Cell] = []
    found = compare(
        compared.config,
        compared.folder / "test",
        out,
        resume=True,
        watch=lambda cell, is_done: None if is_done else begun.append(cell),
    )
    assert 0 < len(begun) < len(list(cells_of(compared.config)))
    assert found.to_json()["tables"] == compared.found.to_json()["tables"]


def children_of(parent: int) -> list[int]:
    """Processes whose parent is `parent`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(file.parent.name))
    return found


def state(pid: int) -> str:
    """One letter, Z of a zombie; also of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_rows_and_seeds_may_be_added_to_what_is_there(compared: Compared, tmp_path: Path) -> None:
    shutil.copytree(compared.out, tmp_path / "out")
    rows = compared.config.comparators | {"clicks": ComparatorConfig("click_rate")}
    config = dataclasses.replace(compared.config, comparators=rows, seeds=(0, 1, 2))
    begun: list[Cell] = []
    found = compare(
        config,
        compared.folder / "test",
        tmp_path / "out",
        resume=True,
        watch=lambda cell, is_done: None if is_done else begun.append(cell),
    )
    old = {cell for cell in begun if cell.name != "clicks"}
    assert old == {Cell(CellKind.SEED, "trees", 2), Cell(CellKind.JUDGED, "trees", 2)}
    again = Compared(compared.folder, found, [])
    assert row(table(again, "true clicks"), "logged")[1].estimate == pytest.approx(
        row(table(compared, "true clicks"), "logged")[1].estimate
    )
