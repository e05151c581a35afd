"""`train.evaluator_precision`: an evaluator is fitted in bfloat16, what is learnt stays float32."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gerank.data.simulator import UserKind
from gerank.train.choices import FitPrecision
from gerank.train.config import TrainConfig
from gerank.train.residual_stage import ResidualStage
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.structured_stage import StructuredStage
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from tests.train.feedback_log import feedback_log
from tests.train.test_residual_stage import CONFIG, evaluator_of, trained
from tests.train.tiny import tiny_config
from tests.train.trainings import fresh_structured, log_of, taught

LOG = log_of(UserKind.EXAMINATION, 600)
TRAIN, VALIDATION = np.arange(400), np.arange(400, 600)


def structured(precision: FitPrecision) -> StructuredStage:
    torch.manual_seed(0)
    model, strengths = fresh_structured(LOG, "hidden_reader", 2), torch.tensor([64.0, 16.0])
    stage = StructuredStage(
        *("fit", model, LOG, TRAIN, VALIDATION, strengths), steps=60, seed=0, precision=precision
    )
    return taught(stage)


def residual(precision: FitPrecision) -> ResidualStage:
    evaluator = evaluator_of(LOG)
    return trained(
        ResidualStage(
            *("residual", evaluator, LOG, TRAIN, VALIDATION, CONFIG, 64.0, 0), precision=precision
        )
    )


def expect_rounded(rounded: nn.Module, exact: nn.Module) -> None:
    """Parameters differ, by little on average, and all are float32."""
    theirs = dict(exact.named_parameters())
    moved = torch.cat([(p - theirs[name]).flatten() for name, p in rounded.named_parameters()])
    assert 0 < moved.abs().mean() < 0.05
    assert {p.dtype for p in rounded.parameters()} == {torch.float32}


def test_the_structured_evaluator_learns_nearly_the_same() -> None:
    rounded, exact = structured(FitPrecision.BFLOAT16), structured(FitPrecision.FLOAT32)
    expect_rounded(rounded.model, exact.model)
    losses = [-stage.held_out(VALIDATION).mean().item() for stage in (rounded, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_the_residual_learns_nearly_the_same() -> None:
    rounded, exact = residual(FitPrecision.BFLOAT16), residual(FitPrecision.FLOAT32)
    expect_rounded(rounded.model, exact.model)
    assert rounded.validate()[0] == pytest.approx(exact.validate()[0], rel=0.01)


def test_a_run_rounds_its_evaluator_and_its_heads_and_never_its_judges(tmp_path: Path) -> None:
    def run_in(precision: FitPrecision) -> RunFolder:
        config: TrainConfig = tiny_config(tmp_path)
        evaluator = dataclasses.replace(config.evaluator, prior_strengths=(64.0,))
        settings = TrainSettings(evaluator_precision=precision)
        config = dataclasses.replace(config, evaluator=evaluator, train=settings)
        return train(config, tmp_path / precision, log=feedback_log(300))

    rounded, exact = (run_in(each) for each in (FitPrecision.BFLOAT16, FitPrecision.FLOAT32))
    same = {
        name: equal(*(read_checkpoint(run.checkpoint(name, "best")) for run in (rounded, exact)))
        for name in ("evaluator", "feedback", "judge", "judge-feedback")
    }
    assert same == {"evaluator": False, "feedback": False, "judge": True, "judge-feedback": True}


def equal(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    return first == second
