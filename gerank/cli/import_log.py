"""`gerank import`: the log of another system as an exposure log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerank.cli.console import say

if TYPE_CHECKING:
    from gerank.data.importing import Imported


def import_log(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Parquet, CSV, TSV, JSON lines or svmlight: files, globs, folders, URLs.",
        ),
    ],
    mapping: Annotated[
        Path | None, typer.Option("--map", help="TOML file that says what the columns mean.")
    ] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder for the log.")] = None,
    guess: Annotated[
        bool,
        typer.Option("--guess", help="Write a mapping from the table itself, to --map or here."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave bad pages out and list them in left_out.jsonl."),
    ] = False,
    where: Annotated[
        str, typer.Option(help="Only rows of which this condition of DuckDB holds.")
    ] = "",
    like: Annotated[
        Path | None,
        typer.Option(help="Take values and vocabularies of ids from the log in this folder."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Write a first TOML file for `gerank train` too; never over an old one."),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="With --guess: the format, if names do not tell it.")
    ] = "",
    memory: Annotated[
        str, typer.Option(help="What DuckDB takes at most; the rest goes to temporary files.")
    ] = "1GB",
) -> None:
    """Import a log from any table of pages, by a mapping file.

    Example:  gerank import pages.parquet --guess --map pages.toml

    Example:  gerank import pages.parquet --map pages.toml --out data/train

    Example:  gerank import later.parquet --map pages.toml --out data/test --like data/train
    """
    if guess:
        if any((out_dir, skip_bad, where, config, like)):
            raise typer.BadParameter("--guess only writes a mapping; import with it afterwards")
        _guess(sources, mapping, file_format, memory)
        return
    if mapping is None or out_dir is None:
        raise typer.BadParameter("give --map and --out, or --guess")
    if config is not None and config.exists():
        raise typer.BadParameter(f"{config} exists; it is not overwritten", param_hint="'--config'")
    from gerank.data.importing import write_imported

    done = write_imported(
        sources, mapping, out_dir, skip_bad=skip_bad, where=where, memory=memory, like=like
    )
    _print_summary(done, out_dir)
    if config is not None:
        from gerank.train.first_config import write_first_config

        write_first_config(config, out_dir)
        say(f"settings for `gerank train`: {config}")


def _guess(sources: list[str], mapping: Path | None, file_format: str, memory: str) -> None:
    if mapping is not None and mapping.exists():
        raise typer.BadParameter(f"{mapping} exists; it is not overwritten", param_hint="'--map'")
    from gerank.data.importing.guess import guess_mapping
    from gerank.data.importing.mapping import SourceOptions
    from gerank.data.whole_file import whole_file

    text = guess_mapping(sources, SourceOptions(format=file_format), memory)
    if mapping is None:
        say(text.rstrip())
        return
    with whole_file(mapping) as draft:
        draft.write_text(text, encoding="utf-8")
    say(f"a mapping to read and mend: {mapping}")


def _print_summary(done: Imported, out_dir: Path) -> None:
    """What was imported, and everything that is not as in the source."""
    from gerank.data.importing.bad_rows import FILE_NAME

    for feature, count in done.missing.items():
        say(f"{feature}: {count} missing values have the default")
    for feature, count in done.unknown.items():
        say(f"{feature}: {count} values are none of its names and stand for <unknown>")
    for feature, count in done.cut.items():
        say(f"{feature}: {count} lists are cut to their first entries")
    if done.repeated:
        say(f"{done.repeated} rows dropped: their page shows the item further up")
    for reason, count in done.left_out.items():
        say(f"left out: {count} times {reason} ({out_dir / FILE_NAME})")
    if done.further_feedback:
        kinds = ", ".join(done.further_feedback)
        say(f"further feedback: {kinds}")
    if done.below:
        say(f"{done.below} pages follow another in a feed")
    say(
        f"{done.pages} pages, {done.slots} slots, {done.candidates} candidates, "
        f"{done.clicks / done.pages:.3f} clicks a page: {out_dir}"
    )
