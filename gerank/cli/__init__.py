"""The command `gerank`: one file per subcommand, each a thin shell over the library."""

from __future__ import annotations

from typing import Annotated

import typer

from gerank.cli import (
    admin,
    calibrate,
    compare,
    convert,
    demo,
    evaluate,
    export,
    import_log,
    info,
    inspect,
    join,
    rerank,
    runs,
    serve,
    simulate,
    studio,
    train,
    verify,
)
from gerank.cli.errors import exit_on_error
from gerank.version import __version__

app = typer.Typer(
    name="gerank",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gerank {__version__}")
        raise typer.Exit


@app.callback()
def _gerank(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and end.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Re-rank whole pages: train on logged pages, export one file, serve slates."""


app.command()(demo.demo)
app.command()(simulate.simulate)
app.add_typer(convert.app, name="convert")
app.command("import")(import_log.import_log)
app.command()(join.join)
app.command("inspect")(inspect.inspect)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(runs.runs)
app.command()(export.export)
app.command()(calibrate.calibrate)
app.command()(info.info)
app.command()(verify.verify)
app.command()(serve.serve)
app.command()(rerank.rerank)
app.add_typer(admin.app, name="admin")
app.command()(studio.studio)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failure, 2 usage."""
    with exit_on_error():
        app(prog_name="gerank")
