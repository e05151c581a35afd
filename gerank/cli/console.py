"""What commands write to the terminal."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from gerank.cli.streams import discard_output

if TYPE_CHECKING:
    from gerank.train.report import Table
    from gerank.train.verdict import Judgement
    from gerank.train.warnings import RunWarning

_WIDTH_OF_A_FILE = 140


class _Output(Console):
    """Standard output; where its reader has gone, the command ends as one that SIGPIPE ends."""

    def on_broken_pipe(self) -> None:
        discard_output()
        raise SystemExit(128 + signal.SIGPIPE)


out = _Output(emoji=False)
err = Console(stderr=True, emoji=False)
if not out.is_terminal:
    out.width = _WIDTH_OF_A_FILE  # tables need not be broken where nobody's window is narrow


def printable(text: str) -> str:
    """The text, where a path in it that is no UTF-8 could not be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def say(line: str, console: Console = out) -> None:
    """Prints a line as it is, however long: paths in it can be copied."""
    console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


def complain(message: str) -> None:
    """Prints an error on stderr, in one line."""
    err.print(f"[bold red]error:[/] {escape(printable(message))}", soft_wrap=True, highlight=False)


def show(table: Table) -> None:
    """Prints a table of figures."""
    from gerank.train.report import show_cell

    grid = RichTable(title=table.title, title_justify="left", title_style="bold")
    for place, column in enumerate(table.columns):
        numeric = all(not isinstance(row[place], str) for row in table.rows)
        grid.add_column(column, justify="right" if numeric else "left")
    for row in table.rows:
        grid.add_row(*map(show_cell, row))
    out.print(grid)


def show_warnings(warnings: list[RunWarning], title: str = "warning") -> None:
    """Prints what training found to warn of, a line each."""
    for warning in warnings:
        say(f"{title}: {warning.sentence()}")


def show_verdict(judgement: Judgement) -> None:
    """Prints what the verdict stands on, a line per reason, and the verdict last."""
    for reason in judgement.reasons:
        say(reason)
    say(f"verdict: {judgement.verdict}")
