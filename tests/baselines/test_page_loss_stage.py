"""Training in memory: it keeps the best parameters, ends early, and says when it diverges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gerank.baselines.named_pages import CandidateLabels, NamedPages, free_candidates
from gerank.baselines.page_loss_stage import STEPS_BETWEEN_LOOKS, PageLossStage, Schedule, teach
from gerank.data.batch import ExposureBatch
from gerank.train.run_folder import RunError
from gerank.train.stage import Metrics, Stage
from tests.baselines.small_problem import SLOTS, pages_of, quality_log, replaced_places
from tests.data.exposure_logs import random_log


class ScriptedStage(Stage[nn.Linear]):
    """Epoch e leaves the weight e + 1, and has the score that a list says."""

    def __init__(self, *scores: float) -> None:
        self.name, self.model = "scripted", nn.Linear(1, 1)
        self.epochs, self.scores, self.made = len(scores), scores, 0

    def train_epoch(self, epoch: int) -> Iterator[Metrics]:
        assert self.model.training
        self.made = epoch + 1
        nn.init.constant_(self.model.weight, self.made)
        yield {}

    def validate(self) -> tuple[float, Metrics]:
        assert not self.model.training
        return self.scores[self.made - 1], {}


@pytest.mark.parametrize(
    ("scores", "best", "made"),
    [((1.0, 3.0, 2.0, 2.5), 2, 4), ((1.0, 0.5, 0.7, 9.0), 1, 3), ((-5.0, -4.0), 2, 2)],
)
def test_the_best_parameters_stay_and_patience_ends(
    scores: tuple[float, ...], best: int, made: int
) -> None:
    stage = ScriptedStage(*scores)
    teach(stage, patience=2)
    assert stage.model.weight.item() == best
    assert stage.made == made
    assert not stage.model.training


def test_a_training_that_diverges_is_refused() -> None:
    with pytest.raises(RunError, match="scripted: the score of epoch 1 is nan: training diverged"):
        teach(ScriptedStage(1.0, float("nan"), 2.0), patience=5)


class Constant(nn.Module):
    """One number, whose best is the click rate of slots."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.zeros(()))


@pytest.mark.parametrize("steps", [10, STEPS_BETWEEN_LOOKS, 60])
def test_a_stage_makes_its_steps_and_descends(steps: int) -> None:
    log, model = quality_log(0, pages=100), Constant()
    asked: list[int] = []

    def loss(pages: ExposureBatch) -> Tensor:
        asked.append(len(pages.slates))
        return (model.rate - pages.clicks.mean(1)).square()

    schedule = Schedule(steps=steps, learning_rate=0.05, batch_size=25, seed=0)
    stage = PageLossStage("constant", model, loss, pages_of(log), schedule)
    before = stage.validate()[0]
    asked.clear()
    made = [len(list(stage.train_epoch(epoch))) for epoch in range(stage.epochs)]
    assert sum(made) == steps
    assert asked == [25] * steps
    assert stage.validate()[0] > before


def test_named_pages_are_the_same_pages_wherever_their_candidates_stood(seed: int) -> None:
    log = quality_log(seed, pages=30)
    other, rows = replaced_places(log, seed), np.arange(30)
    first, second = (NamedPages.of(each, rows, SLOTS) for each in (log, other))
    for one, two in zip(first.pages, second.pages, strict=True):
        torch.testing.assert_close(one, two, equal_nan=True)
    plain = log.batch(rows, SLOTS)
    assert torch.equal(first.in_log(first.pages.slates), plain.slates)
    assert torch.equal(first.pages.candidate_mask, plain.candidate_mask)


def test_what_stands_above_is_named_too(seed: int) -> None:
    log = random_log(seed, pages=30, feeds=True)
    named, plain = NamedPages.of(log, np.arange(30), 9), log.batch(np.arange(30), 9)
    assert torch.equal(named.in_log(named.pages.above_dedup_keys), plain.above_dedup_keys)
    free = free_candidates(named.pages)
    for page, keys in enumerate(plain.above_dedup_keys.tolist()):
        taken = set(named.places[page][~free[page]].tolist()) - {-1}
        padding = set(torch.nonzero(~plain.candidate_mask[page]).flatten().tolist())
        assert taken == (set(keys) - {-1}) | padding


def test_labels_are_of_the_candidates_that_stood_at_the_slots() -> None:
    pages = quality_log(0, pages=3).batch(np.arange(3), SLOTS)
    slates = torch.tensor([[2, 0, -1], [1, -1, -1], [0, 3, 4]])
    clicks = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 1]])
    labels = CandidateLabels.of(pages._replace(slates=slates, clicks=clicks))
    width = pages.candidate_mask.size(1)
    for page, (shown, clicked) in enumerate(
        [({2: 0, 0: 1}, {2}), ({1: 0}, {1}), ({0: 0, 3: 1, 4: 2}, {3, 4})]
    ):
        for place in range(width):
            assert labels.shown[page, place].item() == (place in shown)
            assert labels.clicked[page, place].item() == (place in clicked)
            assert labels.slot[page, place].item() == shown.get(place, 0)
