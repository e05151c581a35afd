"""The logged-like policy learns to show what was shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.train.clone_stage import CloneStage
from gerank.train.fit_features import fit_features
from gerank.train.orders import generated_slates, score_slates
from gerank.train.run_folder import RunFolder
from tests.train.tiny import CANDIDATES, SLOTS, tiny_config, tiny_log
from tests.train.uniform_log import uniform_log


def sorted_log(pages: int) -> ExposureLog:
    """Every page shows its candidates sorted by the upstream score."""
    log = tiny_log(pages)[0]
    slates = score_slates(log, "ctr_score", SLOTS).numpy().reshape(-1)
    return replace(log, slates=slates)


def stage_of(log: ExposureLog, steps: int, slots: int = SLOTS, **settings: float) -> CloneStage:
    torch.manual_seed(0)
    config = tiny_config(Path("unused"))
    config = replace(config, data=replace(config.data, slots=slots))
    generator = RunFolder(Path("unused"), config, log.schema, 512).new_generator()
    fit_features(generator.features, (), log, np.arange(len(log)))
    train, validation = np.arange(len(log) * 3 // 4), np.arange(len(log) * 3 // 4, len(log))
    return CloneStage(
        generator,
        log,
        train,
        validation,
        torch.ones(1),
        steps=steps,
        slots=slots,
        seed=0,
        **settings,
    )


def taught(stage: CloneStage) -> float:
    for epoch in range(stage.epochs):
        list(stage.train_epoch(epoch))
    stage.model.eval()
    return stage.validate()[0]


def test_a_logged_order_without_chance_in_it_is_learnt() -> None:
    log = sorted_log(600)
    stage = stage_of(log, steps=150, learning_rate=1e-2)
    before = stage.validate()[0]
    by_chance = -np.log([CANDIDATES - slot for slot in range(SLOTS)]).sum()
    assert before == pytest.approx(by_chance, abs=1.0)
    after = taught(stage)
    assert after > before + 2.0
    held_out = log.select(np.arange(450, 600))
    found = generated_slates(stage.model, held_out, SLOTS, torch.ones(1))
    assert (found[:, 0] == score_slates(held_out, "ctr_score", SLOTS)[:, 0]).float().mean() > 0.7


def test_an_order_by_chance_is_not_learnt(seed: int) -> None:
    log = uniform_log(seed, pages=200, candidates=(5, 5))
    stage = stage_of(log, steps=50, slots=5)
    assert taught(stage) == pytest.approx(-np.log([5, 4, 3, 2, 1]).sum(), abs=0.5)


def test_pages_shorter_than_the_slots_are_learnt_from(seed: int) -> None:
    """Nothing is asked of the slots that such a page does not show."""
    log = uniform_log(seed, pages=60, candidates=(2, 6), slots=4)
    stage = stage_of(log, steps=3, slots=6)
    assert np.isfinite(taught(stage))
    for parameter in stage.model.parameters():
        assert parameter.isfinite().all()


@pytest.mark.parametrize("pages", [40, 400])
def test_the_number_of_steps_does_not_depend_on_the_log(pages: int) -> None:
    stage = stage_of(sorted_log(pages), steps=100)
    steps = [stage.steps_per_epoch] * stage.epochs
    assert sum(steps) == 100
    assert len(list(stage.train_epoch(0))) == stage.steps_per_epoch
