"""Feeds of three pages: simulated, learnt from, judged, exported, and served page after page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.client import RerankClient
from gerank.data.batch import SlotsAbove
from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.data.simulator.above import page_before
from gerank.export.from_run import export_run
from gerank.train.evaluate import evaluate
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.orders import generated_slates
from gerank.train.run_folder import RunFolder
from gerank.train.train import train
from gerank_server import serve
from tests.train.tiny import SLOTS, tiny_config

FEED_PAGES, WINDOW, TOLD = 3, 3, ("seller", "category", "content_type", "cold_start", "fresh")
SPACING = [{"group": "seller", "window": WINDOW, "cap": 1}]


def feed_log(folder: Path, pages: int, seed: int) -> ExposureLog:
    config = SimulatorConfig(
        pages, 10, SLOTS, seed, items=200, sellers=8, feed_pages=FEED_PAGES, pages_per_person=6
    )
    log, truth = simulate(config)
    log.write(folder)
    truth.write(folder)
    return ExposureLog.read(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("feeds")
    feed_log(folder / "log", 1500, seed=0)
    config = tiny_config(folder / "log", epochs=3)
    evaluator = dataclasses.replace(config.evaluator, compare_steps=60, steps=200, residual=True)
    return train(dataclasses.replace(config, evaluator=evaluator), folder / "run")


@pytest.fixture(scope="module")
def test_log(tmp_path_factory: pytest.TempPathFactory) -> ExposureLog:
    return feed_log(tmp_path_factory.mktemp("feeds") / "log", 500, seed=1)


def test_the_evaluator_has_learnt_what_a_repeat_across_the_boundary_costs(
    run: RunFolder, test_log: ExposureLog
) -> None:
    """The clicks of first slots drop where their seller stands above."""
    feedback = EvaluatorFeedback(run.load_evaluator())
    rows = np.arange(len(test_log))
    pages = test_log.batch(rows)
    nothing = SlotsAbove.nothing(len(rows), pages.candidate_ids.size(2))
    alone = pages._replace(**nothing._asdict())
    slates = pages.slates.unsqueeze(1)
    with_above = feedback(rows, pages, slates)[0][:, 0, 0]
    without = feedback(rows, alone, slates)[0][:, 0, 0]
    seller = [feature.name for feature in test_log.schema.candidate_ids].index("seller")
    first = pages.candidate_ids[..., seller].gather(1, pages.slates[:, :1])
    again = ((pages.above_ids[..., seller] == first) & pages.above_mask).any(1)
    assert again.sum() > 20
    assert (with_above - without)[again].mean() < -0.01


def test_a_feed_is_judged(run: RunFolder, test_log: ExposureLog) -> None:
    report = evaluate(run, test_log, None)
    assert report is not None


def test_the_generators_logged_slates_look_across_the_boundary(
    run: RunFolder, test_log: ExposureLog
) -> None:
    weights = torch.ones(len(run.config.reward))
    below = generated_slates(run.load_generator(), test_log, SLOTS, weights)
    assert test_log.above is not None
    alone = generated_slates(
        run.load_generator(), dataclasses.replace(test_log, above=None), SLOTS, weights
    )
    follows = torch.from_numpy(np.diff(test_log.above.offsets) > 0)
    changed = (below != alone).any(1)
    assert not changed[~follows].any()
    assert changed[follows].float().mean() > 0.05
    excluded = test_log.slots_above(np.arange(len(test_log))).above_dedup_keys
    assert not ((below[:, :, None] == excluded[:, None]) & (excluded[:, None] >= 0)).any()


def test_sellers_do_not_repeat_across_pages_that_are_served_with_what_stands_above(
    run: RunFolder, test_log: ExposureLog, tmp_path: Path
) -> None:
    export_run(run.path, tmp_path / "model.gerank", force=True)
    people = np.unique(test_log.person_ids, return_inverse=True)[1]
    before = page_before(people, FEED_PAGES)
    with (
        serve(tmp_path / "model.gerank", "127.0.0.1:0") as server,
        RerankClient(f"127.0.0.1:{server.port}", timeout_s=60) as client,
    ):
        alone = repeats(client, test_log, before, above=False)
        below = repeats(client, test_log, before, above=True)
    assert alone > 20
    assert below < alone / 4


def repeats(client: RerankClient, log: ExposureLog, before: np.ndarray, *, above: bool) -> int:
    """How many sellers of served pages stand within the window on the page above."""
    shown: dict[int, list[dict[str, Any]]] = {}
    count = 0
    for row in range(len(log)):
        earlier = shown[int(before[row])][1 - WINDOW :] if before[row] >= 0 else []
        document = request_document(log, row) | {"spacing": SPACING, "above": []}
        if above:
            document["above"] = [{name: slot[name] for name in TOLD} for slot in earlier]
        (answer,) = client.rerank([document])
        page = [document["candidates"][entry["candidate"]] for entry in answer["slate"]]
        sellers = [slot["seller"] for slot in earlier]
        count += sum(slot["seller"] in sellers[n:] for n, slot in enumerate(page[: WINDOW - 1]))
        shown[row] = page
    return count
