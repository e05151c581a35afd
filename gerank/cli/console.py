"""What commands write to the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from gerank.train.report import Table

out = Console()
err = Console(stderr=True)


def say(line: str) -> None:
    """Prints a line as it is, however long: paths in it can be copied."""
    out.print(line, soft_wrap=True, markup=False, highlight=False)


def show(table: Table) -> None:
    """Prints a table of figures."""
    grid = RichTable(title=table.title, title_justify="left", title_style="bold")
    for place, column in enumerate(table.columns):
        numeric = all(not isinstance(row[place], str) for row in table.rows)
        grid.add_column(column, justify="right" if numeric else "left")
    for row in table.rows:
        grid.add_row(*(_cell(value) for value in row))
    out.print(grid)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.4g}"
