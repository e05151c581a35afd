"""`gerank demo`: from nothing to served slates, in one command."""

from __future__ import annotations

import dataclasses
import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from gerank.cli.console import out, say, show, show_verdict, show_warnings
from gerank.cli.ranges import number_option

if TYPE_CHECKING:
    from gerank.train.run_folder import RunFolder


def demo(
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="New folder for all that is made.")
    ] = None,
    pages: Annotated[int, number_option(200, 10_000_000, "Simulated pages to train on.")] = 20000,
) -> None:
    """Simulate a feed, train on it, judge by the truth, export, serve, ask, stop.

    Example:  gerank demo
    """
    started = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = out_dir or Path("runs") / f"demo-{started}"
    if folder.exists() and any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty: name a new folder", param_hint="--out")
    out.rule("Pages of 20 candidates, 10 slots")
    run = _learn(folder / "main", "simulator", pages, candidates=20, slots=10)
    out.rule("Pages of 8 candidates, 4 slots: small enough to try every slate")
    _learn(folder / "small", "simulator_small", pages, candidates=8, slots=4)
    out.rule("One file, served")
    artifact = folder / "demo.gerank"
    _export(run, artifact)
    _ask(artifact, folder / "main" / "test")
    say(f"\nEverything lies in {folder}. Next: gerank info {folder}/demo.gerank")


def _learn(folder: Path, name: str, pages: int, *, candidates: int, slots: int) -> RunFolder:
    """Simulates, trains with the packaged configuration `name`, and prints what was reached."""
    from gerank.data.simulator import SimulatorConfig, simulate
    from gerank.report.run import write_run_page
    from gerank.train.conclusions import warnings_of
    from gerank.train.config_toml import read_config
    from gerank.train.enumerated import enumerated_table
    from gerank.train.evaluate import compared_slates, evaluate
    from gerank.train.train import train

    log, _ = simulate(SimulatorConfig(pages, candidates, slots, seed=0))
    log.write(folder / "train")
    test, truth = simulate(SimulatorConfig(max(100, pages // 10), candidates, slots, seed=1))
    test.write(folder / "test")
    truth.write(folder / "test")
    config = read_config(Path(str(files("gerank") / "configs" / f"{name}.toml")))
    data = dataclasses.replace(config.data, log=(folder / "train").resolve())
    run = train(dataclasses.replace(config, data=data), folder / name)
    write_run_page(run)
    evaluation = evaluate(run, test, truth)
    for table in evaluation.tables:
        show(table)
    if candidates <= 8:
        show(enumerated_table(compared_slates(run, test), truth))
    show_warnings(warnings_of(run))
    if evaluation.judgement is not None:
        show_verdict(evaluation.judgement)
    return run


def _export(run: RunFolder, path: Path) -> None:
    from gerank.export.from_run import export_run
    from gerank.train.conclusions import verdict_of
    from gerank.train.verdict import Verdict

    judgement = verdict_of(run)
    doubted = judgement is not None and judgement.verdict is not Verdict.BETTER
    if judgement is not None and doubted:
        say(f"training found: {judgement.sentence()}")
        say("`gerank export` would refuse this generator; the demo exports it with --force")
    artifact = export_run(run.path, path, force=doubted)
    say(f"exported {path}: {artifact.model_version}")


def _ask(artifact: Path, data: Path) -> None:
    """Serves the artifact; sends two pages over gRPC, each freely and with a pinned trigger."""
    from gerank.client import RerankClient
    from gerank.data.exposure_log import ExposureLog
    from gerank.data.log_requests import request_document
    from gerank_server import serve

    log = ExposureLog.read(data)
    with serve(artifact, "127.0.0.1:0") as server:
        address = f"127.0.0.1:{server.port}"
        out.print(f"serving on {address}")
        with RerankClient(address) as client:
            for row in range(2):
                free = request_document(log, row)
                trigger = free["candidates"][-1]["id"]
                ruled: dict[str, Any] = free | {
                    "pins": {"0": trigger},
                    "spacing": [{"group": "seller", "window": 3, "cap": 1}],
                }
                _show_slates(free, trigger, client.rerank([free, ruled]))
    out.print("server stopped")


def _show_slates(page: dict[str, Any], trigger: str, answers: list[dict[str, Any]]) -> None:
    grid = RichTable(
        "slot",
        "free",
        "log_prob",
        f"{trigger} pinned, sellers spaced",
        "seller",
        "log_prob",
        title=f"{page['id']}",
        title_justify="left",
    )
    sellers = {candidate["id"]: str(candidate["seller"]) for candidate in page["candidates"]}
    for left, right in zip(answers[0]["slate"], answers[1]["slate"], strict=True):
        grid.add_row(
            str(left["slot"]),
            left["id"],
            f"{left['log_prob']:.3f}",
            right["id"],
            sellers[right["id"]],
            f"{right['log_prob']:.3f}",
        )
    out.print(grid)
