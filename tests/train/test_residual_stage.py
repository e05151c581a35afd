"""The five channels on top: no effect at first, frozen below, drawn to zero, and worth having."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import UserKind
from gerank.nn.channel_residual import ResidualShape
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.train.config import EvaluatorConfig
from gerank.train.evaluator_training import logged_support
from gerank.train.fit_features import fit_features
from gerank.train.residual_stage import ResidualStage, held_out_likelihood
from gerank.train.structured_stage import StructuredStage
from tests.train.trainings import SLOTS, fresh_structured, log_of, taught

LOG = log_of(UserKind.EXAMINATION, 600)
TRAIN, VALIDATION = np.arange(400), np.arange(400, 600)
CONFIG = EvaluatorConfig(residual_steps=50, width=8, heads=2, batch_size=64, learning_rate=2e-2)


def clicked_for_what_is_below(log: ExposureLog, seed: int) -> ExposureLog:
    """A click depends on the first feature of the item below alone: no causal form can say so."""
    pages = log.batch(np.arange(len(log)))
    first = pages.candidate_dense[..., 0].gather(1, pages.slates)
    first = (first - first.mean()) / first.std()
    below = torch.nn.functional.pad(first, (-1, 1), value=0.0)
    draw = torch.rand(below.shape, generator=torch.Generator().manual_seed(seed))
    clicks = draw < torch.sigmoid(3 * below)
    return replace(log, clicks=clicks.float().numpy().reshape(-1))


def evaluator_of(log: ExposureLog, steps: int = 20) -> Evaluator:
    """A structured part that was trained, under a fresh residual."""
    torch.manual_seed(0)
    structured = fresh_structured(log)
    taught(
        StructuredStage(
            "part", structured, log, TRAIN, VALIDATION, torch.tensor([64.0]), steps=steps, seed=0
        )
    )
    shape = EvaluatorShape(structured.shape, ResidualShape(SLOTS, 8, 2, 2, 0.0))
    evaluator = Evaluator(log.schema, shape)
    evaluator.structured.load_state_dict(structured.state_dict())
    evaluator.set_support(logged_support(structured, log, TRAIN))
    assert evaluator.residual is not None
    fit_features(evaluator.residual.features, (), log, TRAIN)
    return evaluator.eval()


def stage_of(evaluator: Evaluator, log: ExposureLog, prior: float = 1.0) -> ResidualStage:
    return ResidualStage("residual", evaluator, log, TRAIN, VALIDATION, CONFIG, prior, seed=0)


def trained(stage: ResidualStage) -> ResidualStage:
    for epoch in range(stage.epochs):
        stage.model.train()
        list(stage.train_epoch(epoch))
        stage.model.eval()
    return stage


def added(evaluator: Evaluator, log: ExposureLog) -> float:
    """Mean size of what the residual adds to the logits of validation pages."""
    pages = log.batch(VALIDATION)
    with torch.no_grad():
        plain = evaluator.structured.place_exposed(pages).logits
        return (evaluator.exposed(pages).logits - plain).abs().mean().item()


def test_it_starts_as_the_structured_part_alone() -> None:
    evaluator = evaluator_of(LOG)
    plain = Evaluator(LOG.schema, EvaluatorShape(evaluator.shape.structured)).eval()
    plain.structured.load_state_dict(evaluator.structured.state_dict())
    torch.testing.assert_close(
        held_out_likelihood(evaluator, LOG, VALIDATION), held_out_likelihood(plain, LOG, VALIDATION)
    )


def test_the_structured_part_stays_as_it_was() -> None:
    evaluator = evaluator_of(LOG)
    before = {name: value.clone() for name, value in evaluator.structured.state_dict().items()}
    trained(stage_of(evaluator, LOG))
    assert added(evaluator, LOG) > 0
    for name, value in evaluator.structured.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_no_form_can_say_is_learnt(seed: int) -> None:
    log = clicked_for_what_is_below(LOG, seed)
    evaluator = evaluator_of(log)
    stage = stage_of(evaluator, log)
    before = stage.validate()[0]
    assert trained(stage).validate()[0] > before + 0.3


def test_the_prior_draws_it_to_zero(seed: int) -> None:
    log = clicked_for_what_is_below(LOG, seed)
    sizes = []
    for prior in (1.0, 1e6):
        evaluator = evaluator_of(log)
        trained(stage_of(evaluator, log, prior))
        sizes.append(added(evaluator, log))
    assert sizes[1] < 0.1 * sizes[0]


def test_the_score_is_the_mean_likelihood_of_validation_pages() -> None:
    evaluator = evaluator_of(LOG)
    score, metrics = stage_of(evaluator, LOG).validate()
    assert score == pytest.approx(held_out_likelihood(evaluator, LOG, VALIDATION).mean().item())
    assert metrics["validation_loss"] == -score


def test_pages_are_judged_in_the_order_that_is_asked_for() -> None:
    evaluator = evaluator_of(LOG, steps=1)
    whole = held_out_likelihood(evaluator, LOG, np.arange(600))
    some = np.array([599, 3])
    torch.testing.assert_close(held_out_likelihood(evaluator, LOG, some), whole[some])


def test_the_number_of_steps_is_that_of_the_configuration() -> None:
    stage = stage_of(evaluator_of(LOG, steps=1), LOG)
    assert sum(len(list(stage.train_epoch(epoch))) for epoch in range(stage.epochs)) == 50


def test_an_evaluator_without_a_residual_is_refused() -> None:
    plain = Evaluator(LOG.schema, EvaluatorShape(fresh_structured(LOG).shape))
    with pytest.raises(ValueError, match="no residual to train"):
        stage_of(plain, LOG)
