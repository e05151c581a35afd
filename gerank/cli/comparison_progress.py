"""How far a comparison has come: a table that lives where a terminal is, else a line per cell."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table

from gerank.cli.console import err, say

if TYPE_CHECKING:
    from gerank.compare.cells import Cell


class ComparisonProgress:
    """A context in which `watch` is told of cells; it writes to standard error."""

    def __init__(self) -> None:
        self._cells: list[Cell] = []
        self._done: set[Cell] = set()
        self._running: set[Cell] = set()
        self._live = Live(console=err, get_renderable=self._table, refresh_per_second=2)

    def __enter__(self) -> Self:
        if err.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if err.is_terminal:
            self._live.stop()

    def plan(self, cells: list[Cell]) -> None:
        """All cells of the comparison, before the first begins."""
        self._cells = cells

    def watch(self, cell: Cell, is_done: bool) -> None:
        """A cell begins, or is done."""
        if not is_done:
            self._running.add(cell)
            return
        was_running = cell in self._running
        self._running.discard(cell)
        self._done.add(cell)
        if was_running and not err.is_terminal:
            say(f"{len(self._done)}/{len(self._cells)} {cell}", err)

    def _table(self) -> Table:
        table = Table(
            title=f"{len(self._done)} of {len(self._cells)} cells done", title_justify="left"
        )
        for heading in ("re-ranker", "settings tried", "trained", "judged", "now"):
            table.add_column(heading)
        for name in dict.fromkeys(cell.name for cell in self._cells):
            own = [cell for cell in self._cells if cell.name == name]
            now = ", ".join(str(c).removeprefix(f"{name}, ") for c in own if c in self._running)
            counts = [self._count(own, kind) for kind in ("trial", "seed", "judged")]
            if not name:
                counts = ["", self._count(own, "judges"), ""]
            table.add_row(name or "judges", *counts, now)
        return table

    def _count(self, cells: list[Cell], kind: str) -> str:
        some = [cell for cell in cells if cell.kind == kind]
        return f"{len(self._done & set(some))}/{len(some)}"
