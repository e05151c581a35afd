"""A served model learns from what it showed: serve, join, train again, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.client import RerankClient
from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.data.simulator import SimulatorTruth
from gerank_server import Front, ServerOptions, serve
from tests.cli.command import done
from tests.cli.conftest import CONFIG

CANDIDATES, SLOTS, PAGES = 5, 2, 1200
SETTINGS = CONFIG.replace("slots = 3", f"slots = {SLOTS}")


def serve_pages(model: Path, log: ExposureLog, folder: Path) -> dict[str, list[int]]:
    """Shows every page of a log once, drawn; page id -> the candidates that were shown."""
    options = ServerOptions(exposures=folder, exposure_file_bytes=2**18)
    shown = {}
    with (
        serve(model, "127.0.0.1:0", options, Front.GRPCIO) as server,
        RerankClient(f"127.0.0.1:{server.port}") as client,
    ):
        for row, page_id in enumerate(log.page_ids):
            page = request_document(log, row)
            place = {candidate["id"]: n for n, candidate in enumerate(page["candidates"])}
            drawn = page | {"mode": "sample", "seed": row}
            (answer,) = client.rerank([drawn], metadata=[("x-request-id", str(page_id))])
            shown[str(page_id)] = [place[slot["id"]] for slot in answer["slate"]]
    return shown


def write_clicks(path: Path, truth: SimulatorTruth, shown: dict[str, list[int]]) -> None:
    """What simulated people click of what they were shown, a row per click."""
    slates = torch.tensor(list(shown.values()))
    clicks = truth.sample_clicks(np.random.default_rng(7), np.arange(len(slates)), slates)
    rows = [
        f"{page_id},{slot},1"
        for page_id, page in zip(shown, clicks.tolist(), strict=True)
        for slot, click in enumerate(page)
        if click
    ]
    path.write_text("\n".join(["request_id,slot,click", *rows]) + "\n")


def cell(document: Any, title: str, column: str, *row: str) -> Any:
    """One cell of the table whose title begins so, in the row that begins so."""
    (table,) = (table for table in document["tables"] if table["title"].startswith(title))
    (found,) = (cells for cells in table["rows"] if cells[: len(row)] == list(row))
    return found[table["columns"].index(column)]


@pytest.mark.timeout(600)
def test_what_was_served_trains_again_and_is_judged_as_the_truth_says(tmp_path: Path) -> None:
    size = ("--candidates", CANDIDATES, "--slots", SLOTS)
    done("simulate", "--pages", 400, *size, "--out", tmp_path / "train")
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    done("train", tmp_path / "tiny.toml", "--out", tmp_path / "run")
    done("export", tmp_path / "run", "--out", tmp_path / "model.gerank", "--force")

    done("simulate", "--pages", PAGES, *size, "--seed", 5, "--out", tmp_path / "asked")
    asked, truth = ExposureLog.read(tmp_path / "asked"), SimulatorTruth.read(tmp_path / "asked")
    shown = serve_pages(tmp_path / "model.gerank", asked, tmp_path / "exposures")
    write_clicks(tmp_path / "clicks.csv", truth, shown)
    words = ("--exposures", tmp_path / "exposures", "--feedback", tmp_path / "clicks.csv")
    told = done("join", *words, "--out", tmp_path / "served")
    assert told.startswith(f"{PAGES} pages, {PAGES} of them drawn, {PAGES * SLOTS} slots, ")

    served = ExposureLog.read(tmp_path / "served")
    assert list(served.page_ids) == list(asked.page_ids)
    assert served.slates.reshape(-1, SLOTS).tolist() == list(shown.values())
    assert np.array_equal(served.candidate["ctr_score"], asked.candidate["ctr_score"])

    # The evaluator of the first run has seen none of these pages: they judge its generator.
    truth.write(tmp_path / "served")
    said = json.loads(done("evaluate", tmp_path / "run", "--data", tmp_path / "served", "--json"))
    robust = cell(said, "Clicks in the first", "doubly robust", "generator")
    expected = cell(
        said, "Slates by their judges", "reward per page", "truth (clicks)", "generator"
    )
    true_clicks = expected["estimate"] if isinstance(expected, dict) else expected
    assert robust["low"] < true_clicks < robust["high"]
    assert robust["high"] - robust["low"] < 0.5 * true_clicks
    assert cell(said, "Clicks in the first", "effective pages", "generator") > 30

    (tmp_path / "again.toml").write_text(SETTINGS.replace('log = "train"', 'log = "served"'))
    done("train", tmp_path / "again.toml", "--out", tmp_path / "again")
    done("export", tmp_path / "again", "--out", tmp_path / "again.gerank", "--force")
