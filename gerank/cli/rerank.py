"""`gerank rerank`: a file of requests in, a file of slates out; or a folder of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.ranges import number_option
from gerank.cli.rerank_file import InputError, by_server, in_process, rerank_file
from gerank.cli.rerank_folder import FolderOptions, rerank_folder
from gerank.cli.server_access import TlsAuthority, TokenFile
from gerank.scoring.engine_choice import ScoringEngine
from gerank.unknown_features import UnknownFeatures


def rerank(
    input_file: Annotated[
        Path,
        typer.Option("--input", help="JSON lines, one request each; or a folder of Parquet files."),
    ],
    output_file: Annotated[
        Path,
        typer.Option("--output", help="JSON lines, one slate each; or a folder, a file per input."),
    ],
    model: Annotated[Path | None, typer.Option(help="Answer in this process.")] = None,
    server: Annotated[str, typer.Option(help="Ask a server, host:port.")] = "",
    model_name: Annotated[
        str, typer.Option(help="Which of the server's models; its first if unset.")
    ] = "",
    version: Annotated[
        str, typer.Option(help="Which version of it; the current one, or a split's, if unset.")
    ] = "",
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    unknown_features: Annotated[
        UnknownFeatures, typer.Option(help="What becomes of those that the model lacks.")
    ] = UnknownFeatures.REFUSE,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Leave bad lines or rows out; OUTPUT.left_out.jsonl, or OUTPUT/_left_out, lists "
            "them.",
        ),
    ] = False,
    engine: Annotated[
        ScoringEngine | None,
        typer.Option(help="Who scores a folder; processes of this machine if unset."),
    ] = None,
    workers: Annotated[
        int | None,
        number_option(1, 4096, "Of a folder: how many", ending="; one per core if unset"),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="The cluster: local (if unset: a Ray for this job), auto, host:port."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Of a folder: write another job's slates anew."),
    ] = False,
) -> None:
    """Re-rank pages with an artifact, or by a running server.

    On an error no slate of a file of requests is written. Where a folder is scored, the files that
    are done stay, and the same command goes on with the others.

    Example:  gerank rerank --model model.gerank --input pages.jsonl --output slates.jsonl
    """
    if (model is None) is (not server):
        raise typer.BadParameter("give one of --model and --server")
    for option, value in (
        ("--model-name", model_name),
        ("--version", version),
        ("--token-file", token_file),
        ("--tls-ca", tls_ca),
    ):
        if value and not server:
            raise typer.BadParameter(f"{option} is of no use without --server, got '{value}'")
    if not input_file.exists():
        raise InputError(f"--input: {input_file}: no such file or folder")
    of_folder = FolderOptions(engine, workers, ray_address, overwrite)
    if input_file.is_dir():
        rerank_folder(
            input_file, output_file, model, of_folder, unknown=unknown_features, skip_bad=skip_bad
        )
        return
    of_folder.refuse(input_file)
    if model is not None:
        ask = in_process(model, unknown_features)
    else:
        ask = by_server(server, tls_ca, token_file, unknown_features, model_name, version)
    rerank_file(input_file, output_file, ask, skip_bad=skip_bad)
