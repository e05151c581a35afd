"""`gerank inspect`: what a log holds, and what it can and cannot teach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import out, say, show, show_warnings
from gerank.cli.ranges import number_option


def inspect(
    log: Annotated[Path, typer.Argument(help="Folder of an exposure log.")],
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of a training run: warnings speak of its slots and sizes."),
    ] = None,
    requests: Annotated[
        int,
        number_option(0, 10_000_000, "Instead: print the latest so many pages as requests."),
    ] = 0,
    json_output: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a web page that needs no other file.")
    ] = None,
) -> None:
    """Show what a log holds: pages, people, feedback by slot, features, exploration, warnings.

    With --requests, each line is a request as `gerank rerank` and the client take it.

    Example:  gerank inspect data/train --json

    Example:  gerank inspect data/test --requests 100 > requests.jsonl
    """
    if requests:
        if json_output or config is not None or html is not None:
            rule = "takes none of --json, --config and --html"
            raise typer.BadParameter(rule, param_hint="'--requests'")
        _print_requests(log, requests)
        return
    from gerank.train.config_toml import read_config
    from gerank.train.inspection import inspect_log
    from gerank.train.inspection.tables import inspection_tables

    found = inspect_log(log, None if config is None else read_config(config))
    if html is not None:
        from gerank.data.whole_file import whole_file
        from gerank.report.inspection import inspection_page

        with whole_file(html) as draft:
            draft.write_text(inspection_page(found, f"The log {log}"), encoding="utf-8")
    if json_output:
        out.print_json(json.dumps(found.to_json()))
        return
    if html is not None:
        say(f"a web page: {html}")
        return
    for table in inspection_tables(found):
        show(table)
    show_warnings(list(found.warnings))
    if not found.warnings:
        say("no warnings")


def _print_requests(directory: Path, count: int) -> None:
    from gerank.data.exposure_log import ExposureLog
    from gerank.data.log_requests import request_document

    log = ExposureLog.read(directory)
    for row in range(max(0, len(log) - count), len(log)):
        say(json.dumps(request_document(log, row), ensure_ascii=False))
