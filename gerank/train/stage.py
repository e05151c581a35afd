"""One loop for every stage of training: epochs, progress, metrics, checkpoints, resume."""

from __future__ import annotations

import csv
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from gerank.train.alike import check_same_state, share_random_state
from gerank.train.device import device_of
from gerank.train.processes import current
from gerank.train.progress import StageProgress
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.writing import naming, write_tensors

Metrics = dict[str, float]
StepMetrics = dict[str, float | Tensor]
"""Figures of a step. A tensor stays on its device: nobody waits for it before the epoch ends."""


Model = TypeVar("Model", bound=nn.Module)


class Stage(ABC, Generic[Model]):
    """A model and how it learns.

    Attributes:
        name: As in checkpoints and metrics.
        model: What is trained; holds the best parameters when the stage is over.
        optimizer: Its optimizer.
        schedule: Stepped once per batch by the stage.
        epochs: Passes to make.
        steps_per_epoch: Batches of one pass, for the progress bar.
        pages_per_step: Pages of a batch, on average, for the progress bar; 0 = it shows no speed.
        shown: Metrics of a step that the progress bar shows; empty = all.
    """

    name: str
    model: Model
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epochs: int
    steps_per_epoch: int
    pages_per_step: float = 0.0
    shown: tuple[str, ...] = ()

    @abstractmethod
    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """Makes one pass, a batch at a time; must depend on `epoch` and the model's state only."""

    @abstractmethod
    def validate(self) -> tuple[float, Metrics]:
        """Judges the model on validation pages: the score to maximise, and figures to log."""

    def more_state(self) -> dict[str, Any]:
        """What a checkpoint must hold beside model, optimizer and schedule: nothing by default."""
        return {}

    def load_more_state(self, state: dict[str, Any]) -> None:
        """The inverse of `more_state`."""


class MetricsLog:
    """RUN/metrics.csv (stage, epoch, metric, value) and the same as TensorBoard events.

    Where several processes train, the first one writes them.
    """

    def __init__(self, run: Path) -> None:
        self._table = run / "metrics.csv"
        self._events = run / "tensorboard"
        self._writes = current().is_first
        if not self._writes:
            return
        self._writer = SummaryWriter(str(self._events))
        if self._table.exists():
            _drop_torn_line(self._table)
        else:
            self._append([("stage", "epoch", "metric", "value")])

    def write(self, stage: str, epoch: int, metrics: Metrics) -> None:
        """Appends one epoch's figures."""
        if not self._writes:
            return
        self._append([(stage, epoch, name, f"{value:.6g}") for name, value in metrics.items()])
        with naming(self._events):
            for name, value in metrics.items():
                self._writer.add_scalar(f"{stage}/{name}", value, epoch)

    def close(self) -> None:
        """Flushes the TensorBoard events."""
        if not self._writes:
            return
        with naming(self._events):
            self._writer.close()

    def _append(self, rows: list[tuple[object, ...]]) -> None:
        with naming(self._table), self._table.open("a", newline="") as file:
            csv.writer(file).writerows(rows)


def _drop_torn_line(table: Path) -> None:
    """Cuts a last line that was not written to its end, as on a full disk."""
    content = table.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with table.open("r+b") as file:
            file.truncate(whole)


def run_stage(stage: Stage[Any], folder: RunFolder, log: MetricsLog, resume: bool) -> None:
    """Trains a stage to its end, from its last checkpoint where `resume` is set.

    Checkpoints are written whole or not at all: a run that is killed resumes from the epoch
    before.

    Raises:
        RunError: The training diverged.
    """
    last, best = (folder.checkpoint(stage.name, which) for which in ("last", "best"))
    first, best_score = 0, -float("inf")
    if resume and last.exists():
        first, best_score = _resume(stage, last)
    with _progress(stage, first) as progress:
        for epoch in range(first, stage.epochs):
            metrics = _mean_of(stage, epoch, progress)
            score, judged = stage.validate()
            progress.judged(judged)
            check_same_state(stage.name, epoch, stage.model, score)
            share_random_state(device_of(stage.model))
            log.write(stage.name, epoch, metrics | judged | {"score": score})
            if not math.isfinite(score):
                raise RunError(
                    f"{stage.name}: the score of epoch {epoch} is {score}: training diverged; a "
                    "smaller learning_rate may help"
                )
            if score > best_score:
                best_score = score
                write_tensors(best, {"model": stage.model.state_dict(), "epoch": epoch})
            write_tensors(last, _state(stage, epoch, best_score))
    stage.model.load_state_dict(read_checkpoint(best)["model"])
    stage.model.eval()


def _progress(stage: Stage[Any], first_epoch: int) -> StageProgress:
    """How far a stage has come; where several processes train, the first one tells it."""
    mute = Console(quiet=True, force_terminal=False)
    return StageProgress(
        stage.name,
        stage.epochs * stage.steps_per_epoch,
        done=first_epoch * stage.steps_per_epoch,
        pages_per_step=stage.pages_per_step,
        shown=stage.shown,
        console=None if current().is_first else mute,
    )


def _mean_of(stage: Stage[Any], epoch: int, progress: StageProgress) -> Metrics:
    sums: StepMetrics = {}
    steps = 0
    stage.model.train()
    for metrics in stage.train_epoch(epoch):
        steps += 1
        for name, value in metrics.items():
            sums[name] = sums.get(name, 0.0) + _in_double(value)
        progress.advance(metrics)
    stage.model.eval()
    return {name: float(value) / steps for name, value in sums.items()}


def _in_double(value: float | Tensor) -> float | Tensor:
    return value.detach().double() if isinstance(value, Tensor) else value


def _state(stage: Stage[Any], epoch: int, best_score: float) -> dict[str, object]:
    return {
        "model": stage.model.state_dict(),
        "optimizer": stage.optimizer.state_dict(),
        "schedule": stage.schedule.state_dict(),
        "more": stage.more_state(),
        "rng": torch.get_rng_state(),
        "cuda_rng": _cuda_rng(stage),
        "epoch": epoch,
        "best_score": best_score,
    }


def _cuda_rng(stage: Stage[Any]) -> Tensor | None:
    """What a network of one's own may draw from on a GPU; all else is drawn on the CPU."""
    device = device_of(stage.model)
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _resume(stage: Stage[Any], last: Path) -> tuple[int, float]:
    state = read_checkpoint(last)
    stage.model.load_state_dict(state["model"])
    stage.optimizer.load_state_dict(state["optimizer"])
    stage.schedule.load_state_dict(state["schedule"])
    stage.load_more_state(state["more"])
    torch.set_rng_state(state["rng"])
    device, drawn = device_of(stage.model), state.get("cuda_rng")
    if device.type == "cuda" and drawn is not None:
        torch.cuda.set_rng_state(drawn, device)
    return state["epoch"] + 1, state["best_score"]
