"""`gerank info`: what an artifact says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gerank.cli.console import out, show


def info(
    file: Annotated[Path, typer.Argument(help="An artifact.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Show an artifact's features, groups, flags, limits, weights and versions.

    Example:  gerank info model.gerank --json
    """
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
