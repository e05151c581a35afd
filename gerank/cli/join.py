"""`gerank join`: what servers wrote down and what users did, as an exposure log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerank.cli.console import say

if TYPE_CHECKING:
    from gerank.data.joining import Joined


def join(
    exposures: Annotated[
        list[Path], typer.Option(help="Folder that a server wrote into; may be repeated.")
    ],
    feedback: Annotated[
        list[str],
        typer.Option(
            help="CSV, JSON lines or Parquet: file, glob, folder or URL; may be repeated."
        ),
    ],
    out_dir: Annotated[Path, typer.Option("--out", help="New folder for the log.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(help="A column that is feedback; all but the keys if unset; may be repeated."),
    ] = None,
    person: Annotated[
        str, typer.Option(help="User feature that tells whose a page is; else each request's own.")
    ] = "",
    since: Annotated[
        str, typer.Option(help="Leave out what was answered before, as in 2026-11-28T12:00.")
    ] = "",
    until: Annotated[
        str, typer.Option(help="Leave out what was answered from then on; UTC, as --since.")
    ] = "",
    arm: Annotated[str | None, typer.Option(help="Only calls of this arm (x-arm).")] = None,
    model_version: Annotated[
        str | None, typer.Option(help="Only pages that this artifact answered.")
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave bad pages out and list them in left_out.jsonl."),
    ] = False,
    memory: Annotated[
        str, typer.Option(help="What DuckDB takes at most; the rest goes to temporary files.")
    ] = "1GB",
) -> None:
    """Join the calls that servers wrote down with what users did, for train and evaluate.

    Feedback has columns request_id, page_id (where a request has several pages), slot or
    candidate_id, click, and any other kind. A slot that it does not tell of was not clicked.

    Example:  gerank join --exposures exposures --feedback clicks.csv --out data/served
    """
    from gerank.data.joining import RecordSelection, join_exposures

    selection = RecordSelection(
        _microseconds("--since", since), _microseconds("--until", until), arm, model_version
    )
    done = join_exposures(
        exposures,
        feedback,
        out_dir,
        selection=selection,
        kinds=kind,
        person=person,
        skip_bad=skip_bad,
        memory=memory,
    )
    _print_summary(done, out_dir)


def _microseconds(option: str, text: str) -> int | None:
    """A time as people write it; UTC where it names no zone."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        hint = f"'{option}'"
        raise typer.BadParameter(
            f"{text!r} is no time as in 2026-11-28T12:00", param_hint=hint
        ) from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1e6)


def _print_summary(done: Joined, out_dir: Path) -> None:
    from gerank.data.importing.bad_rows import FILE_NAME

    for reason, count in done.records.left_out.items():
        say(f"{count} pages {reason}: not joined")
    if done.records.torn:
        say(f"{done.records.torn} files end within a record, which is not counted")
    rows = done.feedback
    if rows.strange:
        say(f"{rows.strange} of {rows.rows} rows of feedback are of no page here")
    if rows.doubled:
        say(f"{rows.doubled} rows of feedback tell of a slot again: the largest value counts")
    for reason, count in done.left_out.items():
        say(f"left out: {count} times {reason} ({out_dir / FILE_NAME})")
    if done.below_others:
        say(f"{done.below_others} pages stood below others: the log tells what stood above them")
    if done.drawn < done.pages:
        say(f"{done.pages - done.drawn} pages were not drawn: their propensities are unknown")
    if rows.kinds:
        say(f"further feedback: {', '.join(kind.name for kind in rows.kinds)}")
    say(
        f"{done.pages} pages, {done.drawn} of them drawn, {done.slots} slots, "
        f"{done.clicks / done.pages:.3f} clicks a page: {out_dir}"
    )
