"""Whole runs on a device that is not the CPU: nothing is mixed, and their bits are the CPU's."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.nn.evaluator import Evaluator
from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.evaluate import evaluate
from gerank.train.page_batches import by_page
from gerank.train.residual_stage import ResidualStage
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from tests.train.feedback_log import feedback_log
from tests.train.pretend_device import PRETEND, Away, pretending
from tests.train.test_residual_stage import CONFIG, LOG, TRAIN, VALIDATION, evaluator_of, trained
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
    return short(config, readings=("examination", "logit", "hidden_reader"))


def short(config: TrainConfig, **evaluator: Any) -> TrainConfig:
    """A few steps of everything."""
    evaluator |= {"compare_steps": 3, "steps": 4}
    return dataclasses.replace(
        config,
        evaluator=dataclasses.replace(config.evaluator, **evaluator),
        judge=dataclasses.replace(config.judge, clone_steps=3),
    )


def in_parts(log: Path) -> TrainConfig:
    return dataclasses.replace(short(tiny_config(log)), train=TrainSettings(accumulate=3))


def of_feeds() -> ExposureLog:
    config = SimulatorConfig(160, 8, SLOTS, 0, items=60, sellers=6, feed_pages=3)
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gerank.train.train.chosen_device", lambda _: device)
        return train(config, out, log=log)


def expect_same_runs(first: RunFolder, second: RunFolder) -> None:
    ours, theirs = (tensors_of(checkpoints(run)) for run in (first, second))
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different
    assert first.facts | {"device": ""} == second.facts | {"device": ""}
    assert (first.path / "metrics.csv").read_text() == (second.path / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("log", "config_of"),
    [(lambda: feedback_log(160), all_utilities), (of_feeds, explored), (of_feeds, in_parts)],
    ids=["all utilities, further feedback", "random networks, ppo, a feed", "in parts"],
)
def test_a_whole_training_gives_the_bits_of_the_cpu(
    tmp_path: Path, log: Callable[[], ExposureLog], config_of: Callable[[Path], TrainConfig]
) -> None:
    pages, config = log(), config_of(tmp_path)
    on_cpu = trained_on(torch.device("cpu"), config, tmp_path / "cpu", pages)
    with pretending():
        away = trained_on(PRETEND, config, tmp_path / "away", pages)
        learnt = [away.load_generator(), away.load_evaluator(), *away.load_judge().values()]
        assert all(p.device == PRETEND for model in learnt for p in model.parameters())
    expect_same_runs(away, on_cpu)


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


def test_the_residual_learns_there_to_rounding() -> None:
    fresh = evaluator_of(LOG)
    config = dataclasses.replace(CONFIG, residual_steps=4, dropout=0.2)

    def stage_of(evaluator: Evaluator) -> ResidualStage:
        torch.manual_seed(0)
        return ResidualStage("residual", evaluator, LOG, TRAIN, VALIDATION, config, 1.0, 0)

    on_cpu = trained(stage_of(copy.deepcopy(fresh)))
    with pretending():
        away = trained(stage_of(copy.deepcopy(fresh).to(PRETEND)))
        score = away.validate()[0]
    assert score == pytest.approx(on_cpu.validate()[0], abs=1e-5)
    for name, value in on_cpu.model.state_dict().items():
        torch.testing.assert_close(away.model.state_dict()[name].here, value, rtol=0, atol=1e-3)


def test_what_is_said_of_pages_comes_back_to_the_cpu() -> None:
    log, _ = tiny_log(20)
    with pretending():
        (answer,) = by_page(
            log, np.arange(20), 8, lambda places: (torch.from_numpy(places).to(PRETEND),)
        )
    assert not isinstance(answer, Away)
    assert answer.tolist() == list(range(20))
