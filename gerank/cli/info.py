"""`gerank info`: what an artifact, or a training run, says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gerank.cli.console import out, say, show, show_warnings


def info(
    file: Annotated[Path, typer.Argument(help="An artifact, or the folder of a training run.")],
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the manifest, or all that is known of the run.")
    ] = False,
) -> None:
    """Show an artifact's features, groups, flags, limits, weights and versions.

    Of a training run, show what it is, how it came about, and what each of its files is.

    Example:  gerank info model.gerank --json

    Example:  gerank info runs/first
    """
    if file.is_dir():
        _show_run(file, json_output=json_output)
        return
    from gerank.ranker import Ranker

    manifest = Ranker.load(file).manifest
    if json_output:
        out.print_json(json.dumps(manifest))
        return
    limits = manifest["limits"]
    runs = "native pass and TorchScript" if "page" in manifest else "TorchScript alone"
    out.print(f"[bold]{manifest['model_version']}[/]  format {manifest['format_version']}, {runs}")
    if rounded := manifest.get("precision"):
        share, requests = rounded["changed_slates"], rounded["requests"]
        out.print(f"bfloat16: another slate than float32 for {share:.2%} of {requests} requests")
    out.print(f"up to {limits['candidates']} candidates, {limits['slots']} slots")
    out.print(f"groups: {', '.join(manifest['groups'])}; flags: {', '.join(manifest['flags'])}")
    for table in _tables(manifest):
        show(table)
    training = manifest.get("training", {})
    verdict = (training.get("verdict") or {}).get("verdict", "none")
    out.print(f"policy: {training.get('policy', 'generator')}; verdict of its training: {verdict}")
    if "device" in training:
        out.print(f"trained on: {training['device']}")
    versions = manifest["versions"]
    out.print(f"written with gerank {versions['gerank']}, torch {versions['torch']}")


def _show_run(path: Path, *, json_output: bool) -> None:
    from gerank.train.conclusions import warnings_of
    from gerank.train.run_description import (
        facts_table,
        files_table,
        run_document,
        run_sentences,
    )
    from gerank.train.run_folder import RunFolder

    folder = RunFolder.open(path)
    if json_output:
        out.print_json(json.dumps(run_document(folder)))
        return
    for sentence in run_sentences(folder):
        say(sentence)
    show(facts_table(folder))
    show(files_table(path))
    show_warnings(warnings_of(folder))


def _tables(manifest: dict[str, Any]) -> list[Any]:
    from gerank.train.report import Table

    features = tuple(row for side in ("user", "candidate") for row in _features(manifest, side))
    weights = tuple(
        (name, entry["min"], entry["max"], entry["default"])
        for name, entry in manifest["weights"].items()
    )
    return [
        Table("Features", ("of", "name", "kind", "values"), features),
        Table("Weights", ("utility", "min", "max", "default"), weights),
    ]


def _features(manifest: dict[str, Any], side: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each feature; a vector or a list is one."""
    features = manifest["features"]
    blocks = [block for block in features.get("blocks", ()) if block["side"] == side]
    first = {block["columns"][0]: block for block in blocks}
    parts = {name for block in blocks for name in block["columns"]}
    for entry in features[side]:
        block = first.get(entry["name"])
        if block is not None:
            width = len(block["columns"])
            kind = f"{block['kind']}, {block['pool']}" if "pool" in block else block["kind"]
            how = f"up to {width} of {_domain(entry)}" if "pool" in block else f"{width} numbers"
            yield side, block["name"], kind, how
        elif entry["name"] not in parts:
            yield side, entry["name"], entry["kind"], _domain(entry)


def _domain(entry: dict[str, Any]) -> str:
    if entry["kind"] == "dense":
        if entry["minimum"] is None or entry["maximum"] is None:
            return ""
        return f"{entry['minimum']:.4g} .. {entry['maximum']:.4g} in training"
    if entry["hashed"]:
        return f"any, hashed to {entry['vocabulary']}"
    return ", ".join(entry["values"]) or f"0 .. {entry['vocabulary'] - 1}"
