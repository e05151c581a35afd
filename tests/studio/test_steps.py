"""Step probabilities, and what ruled candidates out, against the slate and the rules' words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.studio.application import open_session
from gerank.studio.controls import default_controls
from gerank.studio.session import DEFAULTS, LOGGED, Outcome, Session
from gerank.studio.steps import Obstacle, Steps
from tests.data.exposure_logs import with_random_above
from tests.studio.conftest import Feed


def explained(session: Session, row: int, **changes: object) -> tuple[Outcome, Steps]:
    controls = replace(default_controls(session.contract), **changes)
    outcome = session.rerank(session.pages.page(row), controls, DEFAULTS)
    return outcome, session.steps(outcome)


def random_rules(session: Session, rng: np.random.Generator) -> dict[str, object]:
    schema = session.contract.schema
    most = session.contract.max_slots
    pins = {
        int(slot): int(c)
        for slot, c in zip(rng.permutation(most)[:2], rng.permutation(12)[:2], strict=True)
    }
    return {
        "pins": pins,
        "spacing": {group: (int(rng.integers(0, 5)), 1) for group in schema.groups},
        "quotas": {flag: (int(rng.integers(0, 4)), None) for flag in schema.flags},
        "greedy": bool(rng.integers(2)),
        "temperature": float(rng.uniform(0.5, 2)),
        "seed": int(rng.integers(2**40)),
    }


@pytest.mark.parametrize("row", range(12))
def test_a_column_is_the_distribution_that_its_choice_was_drawn_from(
    session: Session, row: int, seed: int
) -> None:
    rules = random_rules(session, np.random.default_rng(seed))
    outcome, steps = explained(session, row, **rules)
    answer = outcome.answer
    assert steps.probabilities[list(answer.slots)].sum(1) == pytest.approx(1.0, abs=1e-5)
    chosen = steps.probabilities[list(answer.slots), list(answer.candidates)]
    assert np.log(chosen) == pytest.approx(answer.log_prob, abs=1e-5)
    assert ((steps.probabilities > 0) == (steps.obstacles == Obstacle.NONE)).all()


@pytest.mark.parametrize("row", range(6))
def test_steps_look_at_what_stands_above(feed: Feed, tmp_path: Path, row: int, seed: int) -> None:
    log = with_random_above(ExposureLog.read(feed.data), seed)
    log.write(tmp_path)
    with open_session(feed.model, tmp_path) as session:
        rules = {"spacing": {"category": (3, 1)}, "greedy": bool(row % 2), "seed": row}
        outcome, steps = explained(session, row, **rules)
        judged = session.rerank(outcome.page, default_controls(session.contract), LOGGED)
    answer = outcome.answer
    chosen = steps.probabilities[list(answer.slots), list(answer.candidates)]
    assert np.log(chosen) == pytest.approx(answer.log_prob, abs=1e-5)
    assert (
        len(outcome.page.document.get("above", []))
        == log.above.offsets[row + 1] - (log.above.offsets[row])
    )
    assert judged.utilities


def test_without_rules_only_placed_candidates_are_ruled_out(session: Session) -> None:
    outcome, steps = explained(session, 0)
    for slot in range(len(outcome.after)):
        taken = np.flatnonzero(steps.obstacles[slot] == Obstacle.TAKEN)
        assert sorted(taken) == sorted(outcome.after[:slot])
    assert set(np.unique(steps.obstacles)) == {Obstacle.NONE, Obstacle.TAKEN}
    assert all(shares.sum() == 0 for shares in steps.withheld.values())


@pytest.mark.parametrize("row", range(4))
def test_spacing_rules_out_the_groups_in_its_window(session: Session, row: int) -> None:
    outcome, steps = explained(session, row, spacing={"category": (3, 1)})
    group = outcome.page.request.candidates["category"]
    for slot in np.flatnonzero([not rules for rules in outcome.answer.relaxed]):
        recent = {group[candidate] for candidate in outcome.after[max(0, slot - 2) : slot]}
        expected = [
            candidate
            for candidate in range(len(group))
            if group[candidate] in recent and candidate not in outcome.after[:slot]
        ]
        found = np.flatnonzero(steps.obstacles[slot] == Obstacle.SPACING)
        assert found.tolist() == expected


def test_a_maximum_of_none_rules_out_every_flagged_candidate(session: Session) -> None:
    outcome, steps = explained(session, 2, quotas={"fresh": (0, 0)})
    flagged = np.asarray(outcome.page.request.candidates["fresh"]) > 0
    assert flagged.any()
    assert ((steps.obstacles == Obstacle.QUOTAS) == flagged).all()
    free = explained(session, 2)[1].probabilities[0]
    assert steps.withheld[Obstacle.QUOTAS][0] == pytest.approx(free[flagged].sum(), abs=1e-5)


def test_a_pinned_slot_has_one_candidate(session: Session) -> None:
    _, steps = explained(session, 0, pins={1: 4})
    assert steps.probabilities[1].tolist() == [float(place == 4) for place in range(14)]
    assert (np.delete(steps.obstacles[1], 4) == Obstacle.PIN).all()
    assert steps.obstacles[0, 4] == Obstacle.TAKEN
