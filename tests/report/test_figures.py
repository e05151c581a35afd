"""What is drawn is what the tables beside it tell."""

from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics.intervals import Interval
from gerank.report import Section, exposure, gains, prediction, promises, support, training, weights
from gerank.train.report import Cell, Table
from tests.report.conftest import REWARD, Reported
from tests.report.painted import painted_by, points


def table_of(section: Section | None, title: str) -> Table:
    assert section is not None
    (table,) = (table for table in section.tables if table.title.startswith(title))
    return table


def number(cell: Cell) -> float:
    return float(cell.estimate if isinstance(cell, Interval) else cell or 0.0)


def columns(table: Table, *names: str) -> np.ndarray:
    """[R, len(names)] of the numbers in some columns."""
    at = [table.columns.index(name) for name in names]
    return np.array([[number(row[place]) for place in at] for row in table.rows])


def test_reliability(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, prediction)
    section = prediction.prediction_section(full.evaluation.evidence)
    curves, reliability = figures
    titles = [panel.get_title("left") for panel in reliability]
    assert {"any click on the page", "click at the slot", "purchase at the slot"} <= set(titles)
    assert "dwell at the slot (amount)" in titles
    for panel, title in zip(reliability, titles, strict=True):
        table = table_of(section, f"Reliability: {title}")
        for place, judge in enumerate(table.columns[1:], start=1):
            cells = [str(row[place]).split(" / ") for row in table.rows if row[place]]
            drawn = points(panel, judge)
            assert [[f"{value:.4g}" for value in point] for point in drawn.tolist()] == cells
    for panel in curves:
        for line in panel.get_lines():
            across, up = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            assert (across[0], up[0]) == (0, 0) and (across[-1], up[-1]) == (1, 1)
            assert (np.diff(across) >= 0).all() and (np.diff(up) >= 0).all()


def test_gains(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, gains)
    evidence = full.evaluation.evidence
    section = gains.gains_section(evidence)
    intervals, histograms = figures
    (slates,) = (t for t in full.evaluation.tables if t.title == "Slates by their judges")
    judges = list(evidence.rewards)
    assert len(intervals) == len(histograms) == len(judges) == 3
    for judge, panel in zip(judges, intervals, strict=True):
        drawn = {round(float(x), 9) for line in panel.get_lines() for x in line.get_xdata()}
        for row in slates.rows:
            if row[0] != judge or row[1] == "logged":
                continue
            cell, low = row[3], row[4]
            assert isinstance(cell, Interval)
            wanted = [cell.estimate, cell.low, cell.high, *([] if low is None else [number(low)])]
            assert {round(value, 9) for value in wanted} <= drawn
    shares = columns(table_of(section, "The generator's gain"), "better, %")[:, 0]
    for panel, share in zip(histograms, shares, strict=True):
        rest, better = (sum(bar.get_height() for bar in bars) for bars in panel.containers)
        assert rest + better == len(evidence.log)
        assert 100 * better / len(evidence.log) == pytest.approx(share)


def test_promises(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, promises)
    section = promises.promises_section(full.evaluation.evidence)
    table = table_of(section, "Gains that the training evaluator promises")
    (policies, pages) = figures
    names = ["judge (examination)", "truth (clicks)"]
    for name, panel, spread in zip(names, policies, pages, strict=True):
        for row in table.rows:
            if row[0] == name:
                (point,) = points(panel, str(row[2]))
                assert point.tolist() == pytest.approx([number(row[3]), number(row[4])])
        (ours,) = (row for row in table.rows if row[0] == name and row[2] == "generator")
        line = spread.get_lines()[0]  # groups of equal size have the mean of all
        means = np.mean(line.get_xdata()), np.mean(line.get_ydata())
        assert means == pytest.approx((number(ours[3]), number(ours[4])), abs=0.02)


def test_support(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, support)
    section = support.support_section(full.evaluation.evidence)
    (bars,), (strengths,) = figures
    (outside,) = (t for t in full.evaluation.tables if t.title.startswith("Slates and what"))
    widths = [bar.get_width() for container in bars.containers for bar in container]
    assert widths == pytest.approx([number(row[1]) for row in outside.rows])
    table = table_of(section, "Strength of the items by slot")
    medians = columns(table, "logged page, median", "generator, median")
    for place, name in enumerate(("logged", "generator")):
        assert points(strengths, name)[:, 1] == pytest.approx(medians[:, place])
    by_slot = columns(table, "generator outside, %")[:, 0]
    assert by_slot.mean() == pytest.approx(number(outside.rows[-1][1]))  # all pages have 3 slots


def test_weights(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, weights)
    section = weights.weights_section(full.evaluation.evidence)
    curves, fronts = figures
    names = list(REWARD)
    tried = table_of(section, "Every weighting that was tried")
    reached = columns(tried, *names)
    asked = np.array([[*map(float, str(row[0]).split(", "))] for row in tried.rows])
    assert len(curves) == len(names)
    for moved, panel in enumerate(curves):
        rows = slice(1 + 7 * moved, 8 + 7 * moved)
        for place, name in enumerate(names):
            drawn = points(panel, name)
            assert drawn[:, 0] == pytest.approx(asked[rows, moved], abs=1e-4)
            change = reached[rows, place] - reached[rows.start, place]
            assert drawn[:, 1] == pytest.approx(change)
    for panel, pair in zip(fronts, [(0, 1), (0, 2), (1, 2)], strict=True):
        assert points(panel, "weightings") == pytest.approx(reached[:, pair])
        front = points(panel, "front")
        assert (np.diff(front[:, 0]) >= 0).all() and (np.diff(front[:, 1]) <= 0).all()
        assert front[:, 0].max() == reached[:, pair[0]].max()
        assert front[:, 1].max() == reached[:, pair[1]].max()


def test_exposure(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, exposure)
    section = exposure.exposure_section(full.evaluation.evidence)
    (moves,), groups, flags = figures
    cells = moves.collections[0].get_array()
    assert cells is not None
    shares = np.asarray(cells).reshape(3, 4)
    table = table_of(section, "How items moved")
    assert np.diag(shares) == pytest.approx(columns(table, "same slot, %")[:, 0])
    assert shares[:, -1] == pytest.approx(columns(table, "not shown before, %")[:, 0])
    for panel in groups:
        table = table_of(section, f"Exposure by {panel.get_title('left')}")
        for policy in ("logged", "generator"):
            told = columns(table, f"slots, {policy}, %")[:, 0]
            assert points(panel, policy)[:, 0] == pytest.approx(told)
    for panel in flags:
        for policy in ("logged", "generator"):
            name = f"{panel.get_title('left')}, {policy}, %"
            told = columns(table_of(section, "Flags by slot"), name)[:, 0]
            assert points(panel, policy)[:, 1] == pytest.approx(told)


def test_training(full: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = painted_by(monkeypatch, training)
    section = training.training_section(full.evaluation.evidence.folder)
    (panels,) = figures
    table = table_of(section, "Training, stage by stage")
    told = {(row[0], str(row[1]).replace("_", " ")): row for row in table.rows}
    drawn = set()
    for panel in panels:
        stage = panel.get_title("left").split("\n")[0]
        for line in panel.get_lines()[:-1]:  # the last one marks the best epoch
            row = told[stage, str(line.get_label())]
            values = np.asarray(line.get_ydata(), float)
            assert [values[0], values[-1]] == [row[4], row[5]]
            assert f"{len(values)}" == row[2]
            assert panel.get_lines()[-1].get_xdata()[0] == int(str(row[3]))
            assert values[int(str(row[3]))] == row[6]
            drawn.add((stage, line.get_label()))
    several = {key for key, row in told.items() if row[2] != "1" and key[1] != "score"}
    assert drawn == several
