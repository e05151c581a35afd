"""A comparison from logs to tables: what it trains, tunes, judges and keeps."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.lambdamart import LambdaMart
from gerank.compare.cells import Cell, CellError, CellKind, cells_of, read_cell
from gerank.compare.compare import compare
from gerank.compare.config import ComparatorConfig
from gerank.compare.work import shown_slates
from gerank.compare.workspace import CompareError, Workspace
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.metrics.intervals import Interval
from gerank.train.orders import score_slates
from gerank.train.report import Table
from tests.cli.command import start
from tests.compare.conftest import Compared, config_in
from tests.train.tiny import SLOTS

OWN = "tests.compare.own_comparator"


def table(compared: Compared, title: str) -> Table:
    [found] = [each for each in compared.found.tables if each.title.startswith(title)]
    return found


def row(found: Table, name: str) -> tuple[Any, ...]:
    [values] = [each for each in found.rows if each[0] == name]
    return values


def test_every_cell_is_done_once_after_what_it_needs(compared: Compared) -> None:
    done = [cell for cell, is_done in compared.told if is_done]
    assert sorted(map(str, done)) == sorted(map(str, cells_of(compared.config)))
    begun = [cell for cell, is_done in compared.told if not is_done]
    assert set(begun) == set(done) and len(begun) == len(done)
    order = {(cell, is_done): place for place, (cell, is_done) in enumerate(compared.told)}
    choice, trial = (Cell(kind, "trees", 0) for kind in (CellKind.CHOICE, CellKind.TRIAL))
    assert order[trial, True] < order[choice, False]
    assert order[choice, True] < order[Cell(CellKind.SEED, "trees", 1), False]


def test_true_clicks_are_those_of_the_slates(compared: Compared) -> None:
    test = ExposureLog.read(compared.folder / "test")
    truth = SimulatorTruth.read(compared.folder / "test")
    slates = score_slates(test, "ctr_score", SLOTS)
    wanted = truth.expected_clicks(np.arange(len(test)), slates).mean().item()
    mean = row(table(compared, "true clicks"), "upstream_score")[1]
    assert isinstance(mean, Interval) and mean.estimate == pytest.approx(wanted, rel=1e-5)


def test_a_comparator_is_judged_by_the_mean_of_its_seeds(compared: Compared) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    settings = read_cell(Cell(CellKind.CHOICE, "trees").file(compared.out))[0]
    chosen = settings["trials"][settings["chosen"]]["settings"]
    values = []
    for seed in (0, 1):
        trees = LambdaMart(chosen, seed=seed)
        trees.fit(space.pages)
        slates = trees.slates(space.test, space.test_rows, SLOTS)
        assert space.truth is not None
        values.append(space.truth.expected_clicks(space.test_rows, slates).mean().item())
    mean = row(table(compared, "true clicks"), "trees")[1]
    assert mean.estimate == pytest.approx(np.mean(values), rel=1e-5)


def test_the_reference_is_compared_with_every_other_one(compared: Compared) -> None:
    found = table(compared, "true clicks")
    reference = row(found, "trees")
    for name in ("logged", "upstream_score"):
        other = row(found, name)
        gain = other[2]
        assert gain.estimate == pytest.approx(reference[1].estimate - other[1].estimate)
        assert gain.low <= gain.estimate <= gain.high
        told = {True: "reference is higher", False: "reference is lower"}[gain.estimate > 0]
        assert other[4] == (told if other[3] < 0.05 else "not told apart")
        assert (gain.low > 0 or gain.high < 0) == (other[3] < 0.05)
    assert reference[2:] == (None, None, None)


def test_validation_pages_choose_the_trial_of_the_highest_score(compared: Compared) -> None:
    choice = read_cell(Cell(CellKind.CHOICE, "trees").file(compared.out))[0]
    tried = [trial["settings"]["trees"] for trial in choice["trials"]]
    assert tried == [10, 20]
    assert all(trial["settings"]["leaves"] == 4 for trial in choice["trials"])
    assert choice["scores"][choice["chosen"]] == max(choice["scores"])


def test_a_comparator_that_pages_are_unfit_for_is_left_out_and_told(compared: Compared) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    reason = f"{len(space.split.train)} pages are too few"
    assert row(table(compared, "Settings"), "no_score") == ("no_score", "left out", reason)
    assert all(each[0] != "no_score" for each in table(compared, "true clicks").rows)


def test_nobody_is_above_the_best_of_all_slates(compared: Compared) -> None:
    found = table(compared, "Distance to the best: true clicks")
    best = found.rows[-1]
    assert best[0] == "best (every slate tried)"
    for name, mean, below, share, _ in found.rows[:-1]:
        assert mean <= best[1] and below == pytest.approx(best[1] - mean), name
        assert share == pytest.approx(100 * mean / best[1])
    assert row(found, "logged")[4] == 0


def test_logged_clicks_estimate_what_the_slates_would_earn(compared: Compared) -> None:
    test = ExposureLog.read(compared.folder / "test")
    estimates = table(compared, f"Clicks in the first {SLOTS}, from logged clicks")
    _, ips, normalised, robust, effective = row(estimates, "logged")
    assert ips.estimate == pytest.approx(test.clicks.sum() / len(test))
    assert normalised.estimate == pytest.approx(ips.estimate)
    assert robust.estimate == pytest.approx(ips.estimate) and effective == len(test)
    assert 1 <= row(estimates, "trees")[4] < len(test)
    clipped = table(compared, "Clicks with weights of at most 20")
    assert all(each[2].estimate <= 0 for each in clipped.rows)


def test_a_reference_that_is_left_out_is_told(compared: Compared) -> None:
    config = dataclasses.replace(compared.config, reference="no_score")
    with pytest.raises(CompareError, match=r"reference 'no_score' was left out: .* are too few"):
        compare(config, compared.folder / "test", compared.out, resume=True)


def test_nothing_temporary_is_left(compared: Compared) -> None:
    assert {path.name for path in compared.out.iterdir()} == {
        *("cells", "compare.json", "judges", "log", "tables.json"),
    }


def test_tables_are_kept_as_json_with_numbers(compared: Compared) -> None:
    document = json.loads((compared.out / "tables.json").read_text())
    assert document == json.loads(json.dumps(compared.found.to_json()))
    [clicks] = [each for each in document["tables"] if each["title"].startswith("true clicks")]
    assert isinstance(clicks["rows"][0][1]["estimate"], float)
    assert all(second > 0 for second in document["fit_seconds"]["trees"])


def test_a_foreign_file_of_the_same_slates_has_the_same_figures(
    compared: Compared, tmp_path: Path
) -> None:
    test = ExposureLog.read(compared.folder / "test")
    lines = [
        json.dumps({"id": str(page), "order": order})
        for page, order in zip(
            test.page_ids, score_slates(test, "ctr_score", SLOTS).tolist(), strict=True
        )
    ]
    path = tmp_path / "theirs.jsonl"
    path.write_text("\n".join(reversed(lines)) + "\n")
    found = compare(
        compared.config,
        compared.folder / "test",
        compared.out,
        slates={"theirs": path},
        resume=True,
    )
    for each in found.tables[:-1]:
        if each.title.startswith("Distance"):
            continue
        ours, theirs = row(each, "upstream_score"), row(each, "theirs")
        first = [cell.estimate if isinstance(cell, Interval) else cell for cell in ours[1:2]]
        second = [cell.estimate if isinstance(cell, Interval) else cell for cell in theirs[1:2]]
        assert first == second, each.title
    assert row(found.tables[-1], "theirs")[1] == "slates of a file"


def test_a_foreign_file_of_what_was_logged_is_known_for_it(
    compared: Compared, tmp_path: Path
) -> None:
    """Weighed as a policy that does not look at the logged order its estimates would be wrong."""
    test = ExposureLog.read(compared.folder / "test")
    slates = test.batch(np.arange(len(test))).slates.tolist()
    path = tmp_path / "today.jsonl"
    path.write_text(
        "".join(
            f"{json.dumps({'id': str(page), 'order': order})}\n"
            for page, order in zip(test.page_ids, slates, strict=True)
        )
    )
    found = compare(
        compared.config, compared.folder / "test", compared.out, slates={"a": path}, resume=True
    )
    again = Compared(compared.folder, found, [])
    estimates = table(again, f"Clicks in the first {SLOTS}, from logged clicks")
    assert row(estimates, "a")[1:] == row(estimates, "logged")[1:]


def test_a_name_cannot_be_a_comparator_and_a_file(compared: Compared, tmp_path: Path) -> None:
    test = ExposureLog.read(compared.folder / "test")
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join(f'{{"id": "{page}", "order": [0]}}\n' for page in test.page_ids))
    with pytest.raises(CompareError, match="slates 'logged': a comparator has this name"):
        compare(
            compared.config,
            compared.folder / "test",
            compared.out,
            slates={"logged": path},
            resume=True,
        )


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


def test_a_folder_that_holds_a_comparison_needs_resume(compared: Compared) -> None:
    with pytest.raises(CompareError, match="holds a comparison already: pass --resume"):
        compare(compared.config, compared.folder / "test", compared.out)


def test_people_of_the_training_log_cannot_be_tested_on(compared: Compared, tmp_path: Path) -> None:
    with pytest.raises(CompareError, match=r"shares \d+ people with data\.log, such as 'person-0-"):
        compare(compared.config, compared.folder / "train", tmp_path / "out")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("value", "bad, trial 0: this comparator always fails"),
        ("kill", "bad, trial 0: a worker process ended, as for want of memory"),
    ],
)
def test_a_cell_that_fails_is_named(how: str, message: str, logs: Path, tmp_path: Path) -> None:
    rows = {"bad": ComparatorConfig(f"{OWN}:Fails", settings={"how": how})}
    config = config_in(logs, comparators=rows, reference="bad", workers=1)
    (tmp_path / "cells").mkdir()
    Cell(CellKind.JUDGES).file(tmp_path).write_bytes(b"")  # the judges are not of interest here
    with pytest.raises(CellError, match=message):
        compare(config, logs / "test", tmp_path)


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


def test_slates_are_cut_to_the_length_that_was_shown(compared: Compared) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    shorter = dataclasses.replace(space, test=_with_shorter_first_page(space.test))
    cut = shown_slates(shorter, torch.zeros(len(space.test), SLOTS, dtype=torch.int64).numpy())
    assert cut[0].tolist() == [0, -1, -1] and (cut[1:] == 0).all()


def _with_shorter_first_page(log: ExposureLog) -> ExposureLog:
    kept = np.r_[0, SLOTS : len(log.slates)]
    names = ("slates", "clicks", "log_propensity", "placement_propensity")
    columns = {name: getattr(log, name)[kept] for name in names}
    offsets = np.concatenate([[0], log.slate_offsets[1:] - 2])
    return dataclasses.replace(log, slate_offsets=offsets, **columns)


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


def test_a_trial_that_fails_for_its_setting_alone_is_left_out(
    compared: Compared, tmp_path: Path
) -> None:
    shutil.copytree(compared.out, tmp_path / "out")
    rows = {"picky": ComparatorConfig(f"{OWN}:Picky")}
    config = dataclasses.replace(
        compared.config, comparators=compared.config.comparators | rows, reference="picky"
    )
    found = compare(config, compared.folder / "test", tmp_path / "out", resume=True)
    again = Compared(compared.folder, found, [])
    settings = row(table(again, "Settings"), "picky")
    assert settings == ("picky", "2, 1 left out", 'mood = "good"')
    assert row(table(again, "true clicks"), "logged")[2].estimate == 0  # it shows what was logged
