"""The loop that all stages share, with a stage whose scores are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.stage import Metrics, MetricsLog, run_stage
from tests.train.tiny import tiny_config, tiny_log


class Scripted:
    """A model of one number, which counts the epochs; the score of each epoch is given."""

    name, steps_per_epoch = "evaluator", 2
    pages_per_step, shown = 10.0, ()

    def __init__(self, scores: list[float]) -> None:
        self.model: nn.Module = nn.Linear(1, 1, bias=False)
        self.optimizer = torch.optim.SGD(self.model.parameters())
        self.schedule = torch.optim.lr_scheduler.ConstantLR(self.optimizer)
        self.scores, self.epochs, self.epoch = scores, len(scores), -1
        self.modes: list[bool] = []

    def train_epoch(self, epoch: int) -> Iterator[Metrics]:
        self.epoch = epoch
        for loss in (1.0, 2.0):
            self.modes.append(self.model.training)
            self.model.load_state_dict({"weight": torch.full((1, 1), float(epoch))})
            yield {"loss": loss + epoch}

    def more_state(self) -> dict[str, Any]:
        return {}

    def load_more_state(self, state: dict[str, Any]) -> None:
        assert state == {}

    def validate(self) -> tuple[float, Metrics]:
        self.modes.append(self.model.training)
        return self.scores[self.epoch], {"figure": 10.0 * self.epoch}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run", tiny_config(tmp_path), tiny_log(1)[0].schema, 512)
    made.create(resume=False)
    return made


def run(stage: Scripted, folder: RunFolder, resume: bool = False) -> list[str]:
    """Rows of metrics.csv."""
    log = MetricsLog(folder.path)
    try:
        run_stage(stage, folder, log, resume)
    finally:
        log.close()
    return (folder.path / "metrics.csv").read_text().splitlines()


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.5, 0.3], 1), ([0.5, 0.1, 0.3], 0), ([-3.0, -2.0, -1.0], 2), ([0.5, 0.5, 0.5], 0)],
)
def test_the_model_ends_with_the_parameters_of_the_best_epoch(
    folder: RunFolder, scores: list[float], best: int
) -> None:
    stage = Scripted(scores)
    run(stage, folder)
    assert stage.model.weight.item() == best
    assert not stage.model.training
    assert read_checkpoint(folder.checkpoint("evaluator", "best"))["epoch"] == best
    last = read_checkpoint(folder.checkpoint("evaluator", "last"))
    assert (last["epoch"], last["best_score"]) == (2, max(scores))
    assert last["model"]["weight"].item() == 2.0


def test_a_resumed_stage_remembers_the_best_score_before(folder: RunFolder) -> None:
    first = Scripted([0.9, 0.1, 0.2])
    first.epochs = 1
    run(first, folder)
    stage = Scripted([0.9, 0.1, 0.2])
    run(stage, folder, resume=True)
    assert stage.model.weight.item() == 0.0


def test_metrics_are_means_over_the_steps_of_an_epoch(folder: RunFolder) -> None:
    assert run(Scripted([0.25, 0.5]), folder) == [
        "stage,epoch,metric,value",
        *("evaluator,0,loss,1.5", "evaluator,0,figure,0", "evaluator,0,score,0.25"),
        *("evaluator,1,loss,2.5", "evaluator,1,figure,10", "evaluator,1,score,0.5"),
    ]


def test_the_model_trains_in_training_mode_and_is_judged_in_the_other(folder: RunFolder) -> None:
    stage = Scripted([0.1, 0.2])
    run(stage, folder)
    assert stage.modes == [True, True, False] * 2


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_ends_the_stage(folder: RunFolder, score: float) -> None:
    with pytest.raises(RunError, match=r"evaluator: the score of epoch 1 is .*learning_rate"):
        run(Scripted([0.1, score, 0.2]), folder)
    assert read_checkpoint(folder.checkpoint("evaluator", "last"))["epoch"] == 0
