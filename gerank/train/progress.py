"""How far a stage of training has come: a bar where a terminal is, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from torch import Tensor

SECONDS_BETWEEN_LINES = 30.0
"""Where nobody watches a bar, a stage writes no more often than this."""
SECONDS_BETWEEN_FIGURES = 0.5
"""Under a bar: to read a figure is to wait for the device that computes it."""

_STEPS_OF_A_MEAN = 20
_LATEST = 1 / _STEPS_OF_A_MEAN


class StageProgress:
    """A context in which a stage tells of its steps; it writes to standard error.

    What is shown: steps, pages per second, the time left, the mean figures of about the last 20
    steps, and what validation said last.
    """

    def __init__(
        self,
        name: str,
        steps: int,
        *,
        done: int = 0,
        pages_per_step: float = 0.0,
        shown: Sequence[str] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Before the first step.

        Args:
            name: The name of the stage.
            steps: The steps of all its epochs.
            done: Steps that were made before, as of a run that is resumed.
            pages_per_step: Pages of a batch, on average; 0 = no speed is shown.
            shown: Metrics of steps that are shown; empty = all that a step has.
            console: Where to write; None = standard error.
            clock: Tells seconds.
        """
        self._name, self._steps, self._made = name, steps, done
        self._pages, self._shown, self._clock = pages_per_step, tuple(shown), clock
        self._learnt: dict[str, float | Tensor] = {}
        self._judged: dict[str, float] = {}
        self._console = Console(stderr=True) if console is None else console
        self._is_live = self._console.is_terminal or self._console.is_jupyter
        self._bar = _Bar(self._console)
        self._task = self._bar.add_task(name, total=steps, completed=done, speed="")
        self._began = self._told = clock()
        self._begun_at = done

    def __enter__(self) -> Self:
        if self._is_live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_live:
            self._bar.stop()

    def advance(self, metrics: Mapping[str, float | Tensor]) -> None:
        """A step was made, with these metrics, numbers or scalars of any device."""
        self._made += 1
        for name in self._shown or metrics:
            if name in metrics:
                value = metrics[name]
                value = value.detach() if isinstance(value, Tensor) else value
                before = self._learnt.get(name, value)
                self._learnt[name] = before + _LATEST * (value - before)
        self._tell()

    def judged(self, figures: Mapping[str, float]) -> None:
        """Validation pages were looked at, with these figures."""
        self._judged = dict(figures)
        self._tell(is_news=True)

    def _tell(self, *, is_news: bool = False) -> None:
        waited = self._clock() - self._told
        if self._is_live:
            if is_news or waited >= SECONDS_BETWEEN_FIGURES:
                self._told = self._clock()
                self._bar.figures = self._figures()
            self._bar.update(self._task, completed=self._made, speed=self._speed())
        elif waited >= SECONDS_BETWEEN_LINES:
            self._told = self._clock()
            self._console.print(self.line(), soft_wrap=True, markup=False, highlight=False)

    def line(self) -> str:
        """All that is known, in one line."""
        parts = [f"{self._name}: step {self._made} of {self._steps}", self._speed(), self._left()]
        return "; ".join(filter(None, [", ".join(filter(None, parts)), self._figures()]))

    def _speed(self) -> str:
        seconds = self._clock() - self._began
        pages = self._pages * (self._made - self._begun_at)
        return f"{pages / seconds:.0f} pages/s" if pages and seconds > 0 else ""

    def _left(self) -> str:
        made = self._made - self._begun_at
        if not made:
            return ""
        seconds = (self._clock() - self._began) / made * (self._steps - self._made)
        return f"{timedelta(seconds=round(seconds))} left"

    def _figures(self) -> str:
        judged = ((name.removeprefix("validation_"), value) for name, value in self._judged.items())
        learnt, held_out = _listed(self._learnt.items()), _listed(judged)
        return "; ".join(filter(None, [learnt, held_out and f"validation: {held_out}"]))


def _listed(figures: Iterable[tuple[str, float | Tensor]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {float(value):.4g}" for name, value in figures)


class _Bar(Progress):
    """A bar, and a line of figures under it."""

    def __init__(self, console: Console) -> None:
        self.figures = ""
        columns = (
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        super().__init__(*columns, console=console)

    def get_renderables(self) -> Iterable[RenderableType]:
        """See `Progress`."""
        yield self.make_tasks_table(self.tasks)
        if self.figures:
            yield Text(f"  {self.figures}", no_wrap=True, overflow="ellipsis")
