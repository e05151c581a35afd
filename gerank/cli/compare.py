"""`gerank compare`: re-rankers of all families on one log, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerank.cli.console import out, say, show
from gerank.cli.report_file import require_plotting, write_page

if TYPE_CHECKING:
    from gerank.compare.compare import Comparison


def compare(
    config: Annotated[Path, typer.Argument(help="TOML file of the comparison.")],
    data: Annotated[Path, typer.Option(help="Folder of an exposure log of other people.")],
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the comparison. Default: compared/<config name>."),
    ] = None,
    slates: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: slates that another system chose; may be repeated."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write it as a web page with figures, which needs no other file."),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: write a row as an artifact to serve; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with what the folder holds.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Train, tune and judge re-rankers: by the same judges, logged clicks and, if known, the truth.

    A file of slates has a line {"id": page, "order": candidate indices as logged} for every page.
    What is done is kept: a comparison that was killed goes on with --resume.

    Example:  gerank compare all.toml --data data/test --slates ours=slates.jsonl

    Example:  gerank compare all.toml --data data/test --resume --report comparison.html

    Example:  gerank compare all.toml --data data/test --resume --export prm=prm.gerank
    """
    if report is not None:
        require_plotting()
    from gerank.cli.comparison_progress import ComparisonProgress
    from gerank.compare.compare import compare as run
    from gerank.compare.config import read_compare_config
    from gerank.compare.export import check_row

    named = _named_files(slates or [], "--slates")
    exported = _named_files(export or [], "--export")
    settings = read_compare_config(config)
    for name in exported:
        _refuse_slates_of_a_file(name, named)
        check_row(settings, name)
    folder = out_dir or Path("compared") / config.stem
    with ComparisonProgress() as progress:
        found = run(
            settings,
            data,
            folder,
            slates=named,
            resume=resume,
            plan=progress.plan,
            watch=progress.watch,
        )
    if report is not None:
        from gerank.report.comparison.page import comparison_page

        write_page(report, comparison_page(found, f"{config} on {data}"))
    versions = _export(found, exported)
    if json_output:
        out.print_json(json.dumps(found.to_json()))
        return
    for warning in found.space.warnings:
        say(f"warning: {warning.sentence()}")
    for table in found.tables:
        show(table)
    say(f"comparison: {folder} (tables.json)")
    if report is not None:
        say(f"a web page: {report}")
    for path, version in versions.items():
        say(f"{path}: {version}, golden requests passed")


def _export(found: Comparison, files: dict[str, Path]) -> dict[Path, str]:
    """Writes rows as artifacts; file -> model version."""
    if not files:
        return {}
    from gerank.compare.export import export_row

    return {path: export_row(found.space, name, path).model_version for name, path in files.items()}


def _refuse_slates_of_a_file(name: str, named: dict[str, Path]) -> None:
    if name in named:
        told = f"{name!r} names slates of a file: there is no model to write"
        raise typer.BadParameter(told, param_hint="--export")


def _named_files(texts: list[str], option: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, is_pair, path = text.partition("=")
        if not (name and is_pair and path):
            raise typer.BadParameter(f"{text!r} is not NAME=FILE", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"{name!r} is there twice", param_hint=option)
        found[name] = Path(path)
    return found
