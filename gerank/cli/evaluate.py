"""`gerank evaluate`: how good a run is on pages it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import out, show


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    data: Annotated[Path, typer.Option(help="Folder of an exposure log of other people.")],
    slates: Annotated[
        Path | None, typer.Option(help="Write the chosen candidates per page, as JSON lines.")
    ] = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="UTILITY=NUMBER, as a request would; may be repeated.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Judge a run: by its evaluators, by the truth where simulated, by logged clicks alone.

    With --slates, each line is {"id": page, "order": candidate indices as logged}.

    Example:  gerank evaluate runs/first --data data/test --slates slates.jsonl
    """
    named = dict(map(_named_weight, weight or []))
    from gerank.data.exposure_log import ExposureLog
    from gerank.data.simulator import SimulatorTruth
    from gerank.data.whole_file import whole_file
    from gerank.train.evaluate import evaluate as judge
    from gerank.train.report import to_json
    from gerank.train.run_folder import RunFolder

    folder, log = RunFolder.open(run), ExposureLog.read(data)
    truth = SimulatorTruth.read(data) if (data / "truth.npz").exists() else None
    evaluation = judge(folder, log, truth, named)
    if slates is not None:
        lines = (
            json.dumps({"id": str(page), "order": [place for place in order if place >= 0]})
            for page, order in zip(log.page_ids, evaluation.slates.tolist(), strict=True)
        )
        with whole_file(slates) as draft:
            draft.write_text("".join(f"{line}\n" for line in lines))
    if json_output:
        out.print_json(json.dumps(to_json(evaluation.tables)))
        return
    for table in evaluation.tables:
        show(table)


def _named_weight(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not UTILITY=NUMBER", param_hint="--weight") from None
