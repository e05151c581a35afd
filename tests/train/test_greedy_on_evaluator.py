from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gerank.train import greedy_on_evaluator as module
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.greedy_on_evaluator import greedy_slates
from gerank.train.run_folder import RunFolder
from tests.data.exposure_logs import with_random_above
from tests.train.tiny import CANDIDATES, SLOTS, tiny_log

LOG, _ = tiny_log(20, seed=4)


def test_every_slot_has_the_candidate_of_most_clicks_given_those_above(run: RunFolder) -> None:
    feedback = EvaluatorFeedback(run.load_evaluator())
    slates = greedy_slates(feedback, LOG, SLOTS)
    for page, slate in enumerate(slates.tolist()):
        rows = np.array([page])
        pages = LOG.batch(rows)
        for slot in range(SLOTS):
            free = [m for m in range(CANDIDATES) if m not in slate[:slot]]
            tried = torch.tensor([[[*slate[:slot], m] for m in free]])
            click = feedback(rows, pages, tried)[0][0, :, slot]
            assert click[free.index(slate[slot])] == pytest.approx(click.max().item(), rel=1e-5)


def test_the_answer_does_not_depend_on_the_batch(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    feedback = EvaluatorFeedback(run.load_evaluator())
    together = greedy_slates(feedback, LOG, SLOTS)
    monkeypatch.setattr(module, "_SLATES_AT_ONCE", 1)
    assert torch.equal(greedy_slates(feedback, LOG, SLOTS), together)


def test_an_item_that_stands_above_does_not_come_again(run: RunFolder) -> None:
    feedback = EvaluatorFeedback(run.load_evaluator())
    log = with_random_above(LOG, seed=4)
    keys = log.slots_above(np.arange(len(log))).above_dedup_keys
    assert (keys >= 0).any()
    slates = greedy_slates(feedback, log, SLOTS)
    assert not ((slates[:, :, None] == keys[:, None]) & (keys[:, None] >= 0)).any()


def test_more_slots_than_candidates_leave_the_rest_empty(run: RunFolder) -> None:
    first = LOG.candidate_offsets[1]
    offsets = np.array([0, 2, 2 + CANDIDATES])
    columns = {
        name: np.concatenate([v[:2], v[first : first + CANDIDATES]])
        for name, v in [*LOG.candidate.items(), ("names", LOG.candidate_names)]
    }
    names = columns.pop("names")
    log = dataclasses.replace(
        LOG.select(np.arange(2)),
        candidate_offsets=offsets,
        candidate=columns,
        candidate_names=names,
        slates=np.array([0, 1, 0, 1, 2]),
        slate_offsets=np.array([0, 2, 5]),
        **{
            name: getattr(LOG, name)[:5]
            for name in ("clicks", "log_propensity", "placement_propensity")
        },
    )
    slates = greedy_slates(EvaluatorFeedback(run.load_evaluator()), log, SLOTS)
    assert sorted(slates[0].tolist()) == [-1, 0, 1]
    assert slates[0, 2] == -1
    assert (slates[1] >= 0).all()


def test_ties_are_broken_by_name_not_by_the_logged_place(run: RunFolder) -> None:
    alike = {name: np.zeros_like(values) for name, values in LOG.candidate.items()}
    log = dataclasses.replace(LOG, candidate=alike)
    slates = greedy_slates(EvaluatorFeedback(run.load_evaluator()), log, 1)
    for page, place in enumerate(slates[:, 0].tolist()):
        first, last = log.candidate_offsets[page : page + 2]
        names = log.candidate_names[first:last]
        assert names[place] == min(names)
