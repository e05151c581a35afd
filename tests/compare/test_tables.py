"""The tables of a comparison: what they say is so."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gerank.baselines.lambdamart import LambdaMart
from gerank.compare.cells import Cell, CellKind, read_cell
from gerank.compare.compare import compare
from gerank.compare.tables import off_policy_tables
from gerank.compare.workspace import Workspace
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.metrics.intervals import Interval
from gerank.metrics.overlap import CanTell
from gerank.train.orders import score_slates
from tests.compare.conftest import Compared, row, table
from tests.train.tiny import SLOTS


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
    _, ips, normalised, robust, effective, mean, told = row(estimates, "logged")
    assert mean == pytest.approx(1) and told == "yes"
    assert ips.estimate == pytest.approx(test.clicks.sum() / len(test))
    assert normalised.estimate == pytest.approx(ips.estimate)
    assert robust.estimate == pytest.approx(ips.estimate) and effective == len(test)
    assert 1 <= row(estimates, "trees")[4] < len(test)
    clipped = table(compared, "Clicks with weights of at most 20")
    told = [each[2] for each in clipped.rows if each[2] is not None]
    assert told and all(bias.estimate <= 0 for bias in told)


def test_slates_that_the_log_never_shows_have_no_estimates(compared: Compared) -> None:
    """Their weights are 0 but on the few pages that happen to agree, whatever the interval says."""
    test = ExposureLog.read(compared.folder / "test")
    people = np.asarray(test.person_ids).astype(np.str_)
    policies = dict(compared.found.results.policies)
    rarely = (np.arange(len(test)) % 10 == 0).astype(float)
    weighted = policies["trees"].weighted
    assert weighted is not None
    weighted = dataclasses.replace(
        weighted,
        snips=(rarely, rarely),
        weights=np.broadcast_to(rarely[:, None], weighted.weights.shape),
    )
    policies["trees"] = dataclasses.replace(policies["trees"], weighted=weighted)
    estimates, clipped = off_policy_tables(policies, np.ones((len(test), SLOTS)), people, seed=0)
    assert row(estimates, "trees")[1:4] == (None, None, None)
    assert row(estimates, "trees")[5:] == (pytest.approx(0.1), CanTell.OTHER_SLATES)
    assert row(clipped, "trees")[1:3] == (None, None)
    assert isinstance(row(clipped, "logged")[1], Interval)


def test_tables_are_kept_as_json_with_numbers(compared: Compared, tmp_path: Path) -> None:
    shutil.copytree(compared.out, tmp_path / "out")
    found = compare(compared.config, compared.folder / "test", tmp_path / "out", resume=True)
    assert found.to_json() == compared.found.to_json()
    document = json.loads((tmp_path / "out" / "tables.json").read_text())
    assert document == json.loads(json.dumps(found.to_json()))
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
