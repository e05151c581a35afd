"""What a stage tells while it learns: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import io
import itertools
import re

from rich.console import Console

from gerank.train.progress import SECONDS_BETWEEN_LINES, StageProgress

STEPS, PAGES = 100, 64.0


class Watched:
    """A stage of 100 steps, whose clock and terminal are a test's."""

    def __init__(self, *, terminal: bool = False, done: int = 0, name: str = "generator") -> None:
        self.now, self.file = 1000.0, io.StringIO()
        console = Console(file=self.file, force_terminal=terminal, width=120, color_system=None)
        self.progress = StageProgress(
            name,
            STEPS,
            done=done,
            pages_per_step=PAGES,
            shown=("reward", "exposed_reward"),
            console=console,
            clock=lambda: self.now,
        )

    def step(self, seconds: float, reward: float = 1.0) -> None:
        self.now += seconds
        self.progress.advance({"reward": reward, "exposed_reward": 0.5, "entropy": 2.0})

    @property
    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()


def test_without_a_terminal_lines_are_half_a_minute_apart() -> None:
    watched, times = Watched(), [1000.0]
    with watched.progress:
        for _ in range(STEPS):
            watched.step(1.7)
            times += [watched.now] * (len(watched.lines) + 1 - len(times))
    apart = [after - before for before, after in itertools.pairwise(times)]
    assert len(apart) == 5
    assert all(SECONDS_BETWEEN_LINES <= seconds < SECONDS_BETWEEN_LINES + 1.7 for seconds in apart)


def test_a_stage_that_is_soon_over_says_nothing_without_a_terminal() -> None:
    watched = Watched()
    with watched.progress as progress:
        for _ in range(STEPS):
            watched.step(0.1)
        progress.judged({"better": 0.5})
    assert watched.lines == []


def test_a_line_tells_steps_speed_time_left_and_figures() -> None:
    watched = Watched()
    with watched.progress as progress:
        for _ in range(24):
            watched.step(1.0)
        progress.judged({"better": 0.9, "validation_loss": 2.5})
        watched.step(6.0)
    assert watched.lines == [
        "generator: step 25 of 100, 53 pages/s, 0:01:30 left; reward 1, exposed reward 0.5; "
        "validation: better 0.9, loss 2.5"
    ]


def test_speed_and_time_left_are_of_the_steps_of_now_where_a_run_goes_on() -> None:
    watched = Watched(done=80)
    with watched.progress:
        watched.step(40.0)
    (line,) = watched.lines
    assert "step 81 of 100, 2 pages/s, 0:12:40 left" in line


def test_figures_are_of_the_latest_steps() -> None:
    watched = Watched()
    with watched.progress:
        for place in range(STEPS):
            watched.step(0.301, reward=float(place >= 50))
    (line,) = watched.lines
    found = re.search(r"reward ([\d.]+)", line)
    assert found is not None
    assert 0.85 < float(found[1]) < 1.0


def test_a_terminal_has_a_bar_with_the_figures_under_it() -> None:
    watched = Watched(terminal=True)
    with watched.progress as progress:
        watched.step(2.0)
        progress.judged({"better": 0.75})
    text = watched.file.getvalue()
    assert "1/100" in text
    assert "32 pages/s" in text
    assert "reward 1, exposed reward 0.5; validation: better 0.75" in text
    assert "entropy" not in text


def test_a_name_is_no_markup() -> None:
    watched = Watched(terminal=True, name="judge-[bold]mine")
    with watched.progress:
        watched.step(1.0)
    assert "judge-[bold]mine" in watched.file.getvalue()
