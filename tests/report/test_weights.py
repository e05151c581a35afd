"""Utilities against weights: what the same generator is told to do, and does."""

from __future__ import annotations

import pytest

from gerank.report.weights import weights_section
from gerank.train.evaluate import evaluate
from gerank.train.report import show_cell
from tests.report.conftest import REWARD, Reported

NAMES = list(REWARD)
STEPS, CORNERS = 7, 2 ** len(REWARD)


def tried(reported: Reported) -> list[list[str]]:
    return reported.outline.table(f"Every weighting that was tried: weights of {', '.join(NAMES)}")[
        1:
    ]


def by_judge(reported: Reported, policy: str) -> list[str]:
    """Utilities of a policy as the judge expects them, out of the evaluation's table."""
    (table,) = (t for t in reported.evaluation.tables if t.title == "Utilities per page")
    (row,) = (r for r in table.rows if r[:2] == ("judge (examination)", policy))
    return [*map(show_cell, row[2:])]


def test_every_weight_is_moved_through_its_range_and_all_to_their_ends(full: Reported) -> None:
    rows = tried(full)
    assert len(rows) == 1 + len(NAMES) * STEPS + CORNERS
    assert rows[0][0] == "1, 0.2, 0.1"
    assert rows[1][0] == "0, 0.2, 0.1" and rows[STEPS][0] == "1, 0.2, 0.1"
    assert {row[0] for row in rows[-CORNERS:]} >= {"0, 0, 0", "1, 1, 1", "1, 0, 1"}


def test_utilities_are_those_of_the_evaluation(full: Reported) -> None:
    assert tried(full)[0][1:-1] == by_judge(full, "generator")
    volumes = full.outline.table("Utilities per page and hypervolume")
    for name, *utilities, _ in volumes[1:-1]:
        assert utilities == by_judge(full, name)


def test_a_weighting_is_what_evaluate_finds_for_it(full: Reported) -> None:
    evidence = full.evaluation.evidence
    named = dict(zip(NAMES, (0.0, 1.0, 0.0), strict=True))
    found = evaluate(evidence.folder, evidence.log, None, named)
    (row,) = (r for r in tried(full)[-CORNERS:] if r[0] == "0, 1, 0")
    other = Reported(found, "", full.outline)
    assert row[1:-1] == by_judge(other, "generator")
    assert row[1:-1] != by_judge(full, "generator")


def test_the_front_holds_what_nothing_beats(full: Reported) -> None:
    rows = tried(full)
    points = [[*map(float, row[1:-1])] for row in rows]
    front = [point for point, row in zip(points, rows, strict=True) if row[-1] == "yes"]
    assert front
    for point, row in zip(points, rows, strict=True):
        beaten = any(
            all(a >= b for a, b in zip(other, point, strict=True)) and other != point
            for other in points
        )
        if row[-1] == "yes":  # what is shown is rounded: ties of it may be none
            assert not any(
                all(a > b for a, b in zip(other, point, strict=True)) for other in points
            )
        elif point not in front:
            assert beaten


def test_all_weightings_together_reach_at_least_what_one_does(full: Reported) -> None:
    volumes = {
        row[0]: float(row[-1])
        for row in full.outline.table("Utilities per page and hypervolume")[1:]
    }
    whole = f"generator, the most of {len(tried(full))} weightings"
    assert volumes["shuffle"] == 0.0
    assert volumes[whole] >= volumes["generator"] >= 0.0


def test_one_utility_has_no_trade_offs(plain: Reported, rewarded: Reported) -> None:
    assert weights_section(plain.evaluation.evidence) is None
    assert weights_section(rewarded.evaluation.evidence) is None


def test_a_weight_that_never_moves_its_utility_has_no_correlation(
    full: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = full.evaluation.evidence.slates["logged"]
    monkeypatch.setattr("gerank.report.weights.generated_slates", lambda *_: logged)
    section = weights_section(full.evaluation.evidence)
    assert section is not None
    (steering,) = (t for t in section.tables if t.title == "How weights steer their utilities")
    assert [row[-1] for row in steering.rows] == [None] * len(NAMES)
