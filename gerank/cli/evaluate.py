"""`gerank evaluate`: how good a run is on pages it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gerank.cli.console import complain, out, say, show, show_verdict, show_warnings
from gerank.cli.report_file import require_plotting, write_page
from gerank.train.choices import Device

if TYPE_CHECKING:
    from gerank.data.exposure_log import ExposureLog
    from gerank.train.evaluate import Evaluation
    from gerank.train.run_folder import RunFolder
    from gerank.train.warnings import RunWarning


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    data: Annotated[Path, typer.Option(help="Folder of an exposure log of other people.")],
    slates: Annotated[
        Path | None, typer.Option(help="Write the chosen candidates per page, as JSON lines.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write it as a web page with figures, which needs no other file."),
    ] = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="UTILITY=NUMBER, as a request would; may be repeated.")
    ] = None,
    shuffle_control: Annotated[
        bool,
        typer.Option(
            "--shuffle-control",
            help="Instead: train anew on shuffled clicks. The verdict must be: nothing to learn.",
        ),
    ] = False,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Judge a run whose training has not ended."),
    ] = False,
    device: Annotated[
        Device, typer.Option(help="Where networks compute; auto = a GPU where there is one.")
    ] = Device.AUTO,
    json_output: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Judge a run: by its evaluators, by the truth where simulated, by logged clicks alone.

    The verdict comes last. With --slates, each line is {"id": page, "order": candidate indices as
    logged}. With --shuffle-control, exit code 1 says that the control found something to learn.

    Example:  gerank evaluate runs/first --data data/test --slates slates.jsonl

    Example:  gerank evaluate runs/first --data data/test --report report.html
    """
    named = dict(map(_named_weight, weight or []))
    if shuffle_control and (slates is not None or report is not None or named):
        rule = "takes none of --slates, --report and --weight"
        raise typer.BadParameter(rule, param_hint="--shuffle-control")
    if report is not None:
        require_plotting()
    from gerank.data.exposure_log import ExposureLog
    from gerank.data.simulator import SimulatorTruth
    from gerank.train.conclusions import warnings_of
    from gerank.train.device import chosen_device
    from gerank.train.evaluate import evaluate as judge
    from gerank.train.run_folder import RunFolder

    folder = RunFolder.open(run, chosen_device(device, "--device"))
    log = ExposureLog.read(data, folder.config.data.memory_mb)
    if shuffle_control:
        _control(folder, log, json_output=json_output)
        return
    truth = SimulatorTruth.read(data) if (data / "truth.npz").exists() else None
    evaluation = judge(folder, log, truth, named, unfinished=unfinished)
    if slates is not None:
        _write_slates(slates, log, evaluation)
    if report is not None:
        from gerank.report.evaluation import evaluation_page

        write_page(report, evaluation_page(evaluation, f"{run} on {data}"))
    if json_output:
        out.print_json(json.dumps(_document(evaluation, warnings_of(folder))))
    else:
        _tell(evaluation, warnings_of(folder), report)


def _tell(evaluation: Evaluation, warnings: list[RunWarning], report: Path | None) -> None:
    for table in evaluation.tables:
        show(table)
    show_warnings(warnings, "warning of the training")
    if report is not None:
        say(f"a web page: {report}")
    if evaluation.judgement is not None:
        show_verdict(evaluation.judgement)


def _control(folder: RunFolder, log: ExposureLog, *, json_output: bool) -> None:
    from gerank.data.exposure_log import ExposureLog
    from gerank.train.log_of_run import check_log
    from gerank.train.shuffle_control import shuffle_control
    from gerank.train.verdict import Verdict

    check_log(folder, log)
    settings = folder.config.data
    judgement = shuffle_control(folder, ExposureLog.read(settings.log, settings.memory_mb), log)
    if json_output:
        out.print_json(json.dumps({"verdict": judgement.to_json()}))
    else:
        if judgement.verdict is Verdict.NOTHING_TO_LEARN:
            say("The control passes: shuffled clicks teach nothing.")
        show_verdict(judgement)
    if judgement.verdict is not Verdict.NOTHING_TO_LEARN:
        complain(
            f"the control found something in shuffled clicks ({judgement.verdict}): do not trust "
            f"the verdict on {folder.path}"
        )
        raise typer.Exit(1)


def _write_slates(path: Path, log: ExposureLog, evaluation: Evaluation) -> None:
    from gerank.data.whole_file import whole_file

    lines = (
        json.dumps({"id": str(page), "order": [place for place in order if place >= 0]})
        for page, order in zip(log.page_ids, evaluation.slates.tolist(), strict=True)
    )
    with whole_file(path) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines))


def _document(evaluation: Evaluation, warnings: list[RunWarning]) -> dict[str, Any]:
    from gerank.train.report import to_json

    judgement = evaluation.judgement
    return {
        "tables": to_json(evaluation.tables),
        "training_warnings": [warning.to_json() for warning in warnings],
        "verdict": None if judgement is None else judgement.to_json(),
    }


def _named_weight(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not UTILITY=NUMBER", param_hint="--weight") from None
