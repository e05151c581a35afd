"""How an ensemble of structured evaluators is fitted: checkpoints, priors and pages per member."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import UserKind
from gerank.train.structured_stage import StructuredStage
from tests.train.trainings import fresh_structured, log_of, taught
from tests.train.uniform_log import uniform_log

LOG = log_of(UserKind.EXAMINATION, 600)
TRAIN, VALIDATION = np.arange(400), np.arange(400, 600)


def stage_of(
    log: ExposureLog = LOG,
    strengths: tuple[float, ...] = (16.0,),
    form: str = "logit",
    steps: int = 100,
    train: np.ndarray = TRAIN,
    **more: Any,
) -> StructuredStage:
    torch.manual_seed(0)
    evaluator = fresh_structured(log, form, len(strengths))
    return StructuredStage(
        "stage",
        evaluator,
        log,
        train,
        VALIDATION,
        torch.tensor(strengths),
        steps=steps,
        seed=0,
        **more,
    )


def test_what_people_click_is_learnt() -> None:
    stage = stage_of(steps=100)
    start = stage.held_out(VALIDATION).mean().item()
    assert taught(stage).held_out(VALIDATION).mean().item() > start + 0.05


def test_every_member_ends_with_the_parameters_of_its_own_best_look() -> None:
    """The third member's prior is so weak that it learns by heart."""
    stage = stage_of(strengths=(1024.0, 16.0, 1e-3), steps=200)
    losses = []
    for epoch in range(stage.epochs):
        list(stage.train_epoch(epoch))
        losses.append(-stage.held_out(VALIDATION).mean(1))
        stage.validate()
    best = torch.stack(losses).min(0).values
    torch.testing.assert_close(stage.best.loss, best)
    stage.restore_best()
    torch.testing.assert_close(-stage.held_out(VALIDATION).mean(1), best)


def test_a_member_that_breaks_keeps_its_best_and_harms_no_other() -> None:
    stage = stage_of(strengths=(16.0, 16.0))
    list(stage.train_epoch(0))
    stage.validate()
    before = stage.held_out(VALIDATION)
    with torch.no_grad():
        stage.model.attraction.bias[1] = torch.nan
    score, _ = stage.validate()
    assert np.isfinite(score)
    stage.restore_best()
    torch.testing.assert_close(stage.held_out(VALIDATION), before)


def test_the_score_never_gets_worse() -> None:
    stage, scores = stage_of(strengths=(64.0, 1e-3), steps=200), []
    for epoch in range(stage.epochs):
        list(stage.train_epoch(epoch))
        scores.append(stage.validate()[0])
    assert scores == sorted(scores)


def test_a_stronger_prior_leaves_items_closer_together() -> None:
    stage = taught(stage_of(strengths=(1e6, 64.0, 1.0), steps=150))
    placed = stage.model.place_exposed(LOG.batch(VALIDATION))
    spreads = placed.strength.std((1, 2)).tolist()
    assert spreads == sorted(spreads)
    assert spreads[0] < spreads[2] / 4


def test_a_member_learns_from_the_pages_it_is_shown_alone(seed: int) -> None:
    """Half of the pages are clicked everywhere, the other half nowhere."""
    log = uniform_log(seed, pages=600, candidates=(4, 4))
    clicked = np.arange(600) % 2 == 0
    log = replace(log, clicks=np.repeat(clicked, 4).astype(np.float32))
    weights = torch.from_numpy(np.stack([clicked, ~clicked])[:, :400]).float()
    stage = stage_of(log, (16.0, 16.0), page_weights=weights)
    for epoch in range(stage.epochs):
        list(stage.train_epoch(epoch))
    clicks = stage.model.slot_click(stage.model.place_exposed(log.batch(VALIDATION)))
    high, low = clicks.mean((1, 2)).tolist()
    assert high > 0.8
    assert low < 0.2


def test_pages_count_by_their_share_and_not_by_the_size_of_the_weights() -> None:
    weights = torch.rand(1, 400, generator=torch.Generator().manual_seed(0)) + 0.1
    one, ten = (taught(stage_of(page_weights=w * weights)) for w in (1.0, 10.0))
    torch.testing.assert_close(
        one.held_out(VALIDATION), ten.held_out(VALIDATION), atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("pages", [30, 400])
def test_the_number_of_steps_does_not_depend_on_the_log(pages: int) -> None:
    stage = stage_of(steps=100, train=np.arange(pages))
    assert sum(len(list(stage.train_epoch(epoch))) for epoch in range(stage.epochs)) == 100


def test_fewer_steps_than_a_look_are_made_too() -> None:
    stage = stage_of(steps=7)
    assert sum(len(list(stage.train_epoch(epoch))) for epoch in range(stage.epochs)) == 7


@pytest.mark.parametrize("form", ["examination", "logit", "hidden_reader"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_log_without_any_click_and_one_of_clicks_alone_are_survived(
    form: str, rate: float
) -> None:
    log = replace(LOG, clicks=np.full_like(LOG.clicks, rate))
    stage = taught(stage_of(log, form=form, steps=20))
    assert stage.held_out(VALIDATION).isfinite().all()
    clicks = stage.model.slot_click(stage.model.place_exposed(log.batch(VALIDATION)))
    assert abs(clicks.mean().item() - rate) < 0.4


def test_pages_shorter_than_the_slate_are_learnt_from(seed: int) -> None:
    log = uniform_log(seed, pages=600, candidates=(2, 6))
    stage = taught(stage_of(log, form="hidden_reader", steps=20))
    assert stage.held_out(np.arange(600)).isfinite().all()


def test_held_out_pages_are_judged_in_the_order_that_is_asked_for() -> None:
    stage = stage_of()
    whole = stage.held_out(np.arange(600))
    assert whole.shape == (1, 600)
    some = np.array([7, 599, 0])
    torch.testing.assert_close(stage.held_out(some), whole[:, some])


def parameters(stage: StructuredStage) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in stage.model.state_dict().items()}


def test_a_stage_that_was_stopped_ends_as_one_that_was_not() -> None:
    whole = taught(stage_of(strengths=(64.0, 1.0), steps=150))
    first = stage_of(strengths=(64.0, 1.0), steps=150)
    list(first.train_epoch(0))
    first.validate()
    second = stage_of(strengths=(64.0, 1.0), steps=150)
    second.model.load_state_dict(copy.deepcopy(first.model.state_dict()))
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.schedule.load_state_dict(first.schedule.state_dict())
    second.load_more_state(copy.deepcopy(first.more_state()))
    for epoch in range(1, second.epochs):
        list(second.train_epoch(epoch))
        second.validate()
    second.restore_best()
    for name, value in parameters(whole).items():
        torch.testing.assert_close(value, parameters(second)[name])


def test_everything_that_a_member_owns_is_trained_and_what_is_shared_is_not() -> None:
    stage = stage_of(form="hidden_reader", strengths=(16.0, 16.0), steps=50)
    before = parameters(stage)
    list(stage.train_epoch(0))
    after = parameters(stage)
    learnt = {name for name, _ in stage.model.named_parameters()} - stage.model.shared_names
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == learnt
