"""One loop for every stage of training: epochs, progress, metrics, checkpoints, resume."""

from __future__ import annotations

import contextlib
import csv
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from gerank.train.alike import check_same_state, share_random_state
from gerank.train.processes import current
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.writing import naming, write_tensors

Metrics = dict[str, float]


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
    """

    name: str
    model: Model
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epochs: int
    steps_per_epoch: int

    @abstractmethod
    def train_epoch(self, epoch: int) -> Iterator[Metrics]:
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

    Of several processes the first one writes them.
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
    with _progress() as progress:
        task = progress.add_task(stage.name, total=stage.epochs * stage.steps_per_epoch)
        progress.advance(task, first * stage.steps_per_epoch)
        for epoch in range(first, stage.epochs):
            metrics = _mean_of(stage, epoch, progress, task)
            score, judged = stage.validate()
            check_same_state(stage.name, epoch, stage.model, score)
            share_random_state()
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
            progress.update(task, description=f"{stage.name} {_brief(judged)}")
    stage.model.load_state_dict(read_checkpoint(best)["model"])
    stage.model.eval()


def _mean_of(stage: Stage[Any], epoch: int, progress: Progress, task: TaskID) -> Metrics:
    sums: Metrics = {}
    steps = 0
    stage.model.train()
    for metrics in stage.train_epoch(epoch):
        steps += 1
        for name, value in metrics.items():
            sums[name] = sums.get(name, 0.0) + value
        progress.advance(task)
    stage.model.eval()
    return {name: value / steps for name, value in sums.items()}


def _state(stage: Stage[Any], epoch: int, best_score: float) -> dict[str, object]:
    return {
        "model": stage.model.state_dict(),
        "optimizer": stage.optimizer.state_dict(),
        "schedule": stage.schedule.state_dict(),
        "more": stage.more_state(),
        "rng": torch.get_rng_state(),
        "epoch": epoch,
        "best_score": best_score,
    }


def _resume(stage: Stage[Any], last: Path) -> tuple[int, float]:
    state = read_checkpoint(last)
    stage.model.load_state_dict(state["model"])
    stage.optimizer.load_state_dict(state["optimizer"])
    stage.schedule.load_state_dict(state["schedule"])
    stage.load_more_state(state["more"])
    torch.set_rng_state(state["rng"])
    return state["epoch"] + 1, state["best_score"]


def _brief(metrics: Metrics) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in list(metrics.items())[:2])


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not current().is_first
    ) as progress:
        yield progress
