"""Whole runs on a device that is not the CPU: nothing is mixed, and their bits are the CPU's."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.evaluate import evaluate
from gerank.train.page_batches import by_page
from gerank.train.reading_choice import ReadingChoice
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from tests.train.feedback_log import feedback_log
from tests.train.pretend_device import PRETEND, Away, pretending
from tests.train.test_resume import interrupted
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log

UTILITIES: dict[str, dict[str, Any]] = {
    "clicks": {},
    "page_click": {},
    "expected.dwell": {},
    "any.purchase": {},
    "seller_diversity": {},
    "err_ia": {"utility": "err_ia", "options": {"group": "seller"}},
    "intra_list_distance": {},
    "fresh_flow": {
        "utility": "flow_control",
        "options": {"flag": "fresh", "share_target": 0.5, "position_target": 2.0},
    },
    "sellers": {
        "utility": "group_ordering",
        "options": {"group": "seller", "priority": {"seller-001": 2.0}},
    },
}


def all_utilities(log: Path) -> TrainConfig:
    reward = {name: UtilityConfig(0.0, 1.0, 0.5, **rest) for name, rest in UTILITIES.items()}
    return short(tiny_config(log, reward=reward))


def explored(log: Path) -> TrainConfig:
    config = tiny_config(
        log,
        reward=RANGED,
        exploration="random_network",
        policy_loss="ppo",
        baseline="greedy_rollout",
        control="linear",
    )
    readings = ("examination", "logit", "hidden_reader")
    return short(config, readings=readings, residual=True, residual_steps=3)


def short(config: TrainConfig, **evaluator: Any) -> TrainConfig:
    """A few steps of everything."""
    evaluator |= {"compare_steps": 3, "steps": 4}
    return dataclasses.replace(
        config,
        evaluator=dataclasses.replace(config.evaluator, **evaluator),
        judge=dataclasses.replace(config.judge, clone_steps=3),
    )


def in_parts(folder: Path) -> TrainConfig:
    return dataclasses.replace(short(tiny_config(folder)), train=TrainSettings(accumulate=3))


def feeds(pages: int) -> ExposureLog:
    config = SimulatorConfig(pages, 8, SLOTS, 0, items=60, sellers=6, feed_pages=3)
    return simulate(config)[0]


def checkpoints(run: RunFolder) -> dict[str, dict[str, Any]]:
    return {
        path.name: read_checkpoint(path) for path in sorted((run.path / "checkpoints").glob("*.pt"))
    }


def tensors_of(document: Any, where: str = "") -> dict[str, Tensor]:
    if isinstance(document, Tensor):
        return {where: document}
    items = document.items() if isinstance(document, dict) else []
    if isinstance(document, (list, tuple)):
        items = enumerate(document)
    return {k: v for key, each in items for k, v in tensors_of(each, f"{where}.{key}").items()}


def trained_on(device: torch.device, config: TrainConfig, out: Path, log: ExposureLog) -> RunFolder:
    """A run that trains and keeps its residual, where it has one, however small its log is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gerank.train.train.chosen_device", lambda _: device)
        patch.setattr("gerank.train.evaluator_training._FEWEST_PAGES_FOR_A_RESIDUAL", 0)
        patch.setattr("gerank.train.evaluator_training._LEAST_GAIN", -math.inf)
        patch.setattr("gerank.train.evaluator_training.SURE_ERRORS", -math.inf)
        patch.setattr(ReadingChoice, "learnt", True)
        return train(config, out, log=log)


def expect_same_runs(first: RunFolder, second: RunFolder) -> None:
    expect_same_tensors(first, second, rounding=0.0)
    assert first.facts | {"device": ""} == second.facts | {"device": ""}
    assert (first.path / "metrics.csv").read_text() == (second.path / "metrics.csv").read_text()


def expect_same_tensors(first: RunFolder, second: RunFolder, rounding: float) -> None:
    ours, theirs = (tensors_of(checkpoints(run)) for run in (first, second))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(
            ours[name],
            value,
            rtol=0,
            atol=rounding,
            equal_nan=True,
            msg=lambda told, n=name: n + told,
        )


def on_both(config: TrainConfig, folder: Path, log: ExposureLog) -> tuple[RunFolder, RunFolder]:
    """Runs on the pretended device and on the CPU."""
    with pretending():
        away = trained_on(PRETEND, config, folder / "away", log)
        learnt = [away.load_generator(), away.load_evaluator(), *away.load_judge().values()]
        assert all(p.device == PRETEND for model in learnt for p in model.parameters())
    return away, trained_on(torch.device("cpu"), config, folder / "cpu", log)


def test_a_whole_training_gives_the_bits_of_the_cpu(tmp_path: Path) -> None:
    expect_same_runs(*on_both(all_utilities(tmp_path), tmp_path, feedback_log(160)))


def test_a_training_with_channels_and_random_networks_gives_the_cpus_to_rounding(
    tmp_path: Path,
) -> None:
    """Recurrent layers sum in another order where they are not the CPU's own."""
    away, on_cpu = on_both(explored(tmp_path), tmp_path, feeds(160))
    assert away.load_evaluator().residual is not None
    expect_same_tensors(away, on_cpu, rounding=1e-3)


def test_a_training_in_parts_gives_the_bits_of_the_cpu(tmp_path: Path) -> None:
    expect_same_runs(*on_both(in_parts(tmp_path), tmp_path, feeds(160)))


def test_a_run_goes_on_on_another_device_and_back(run: RunFolder, tmp_path: Path) -> None:
    folder = interrupted(run.config, tmp_path / "run", "evaluator-fit", 0)
    with pretending(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("gerank.train.train.chosen_device", lambda _: PRETEND)
        interrupted(run.config, folder.path, "generator", 1)
    expect_same_runs(train(run.config, folder.path, resume=True), run)


def test_an_evaluation_computes_there_and_its_tables_are_the_cpus(run: RunFolder) -> None:
    log, truth = tiny_log(60, seed=1)
    expected = evaluate(run, log, truth)
    with pretending():
        found = evaluate(RunFolder.open(run.path, PRETEND), log, truth)
        assert found.evidence.evaluator is not None
        assert found.evidence.evaluator.evaluator.support_low.device == PRETEND
    assert found.tables == expected.tables
    assert found.slates.equal(expected.slates)
    assert found.judgement == expected.judgement


def test_what_is_said_of_pages_comes_back_to_the_cpu() -> None:
    log, _ = tiny_log(20)
    with pretending():
        (answer,) = by_page(
            log, np.arange(20), 8, lambda places: (torch.from_numpy(places).to(PRETEND),)
        )
    assert not isinstance(answer, Away)
    assert answer.tolist() == list(range(20))
