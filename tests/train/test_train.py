"""Whole training runs: what they leave behind, and how they go on."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gerank.data.exposure_log import ExposureLog
from gerank.nn.control import Control
from gerank.train.choices import Baseline, Exploration, PolicyLoss
from gerank.train.evaluate import evaluate
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.stage import MetricsLog
from gerank.train.train import train
from tests.train.tiny import RANGED, STAGES, tiny_config
from tests.train.uniform_log import bare_config, uniform_log, written

EVALUATOR_METRICS = {"loss", "validation_loss", "score"}
CLONE_METRICS = {"loss", "log_prob", "score"}
GENERATOR_METRICS = {
    *("reward", "exposed_reward", "sampled_better", "entropy", "gradient_norm"),
    *("better", "gain", "score", "support_price"),
}


def metrics_of(run: Path) -> dict[tuple[str, int], dict[str, float]]:
    """(stage, epoch) -> metric -> value."""
    figures: dict[tuple[str, int], dict[str, float]] = {}
    with (run / "metrics.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        assert rows.fieldnames == ["stage", "epoch", "metric", "value"]
        for row in rows:
            of_epoch = figures.setdefault((row["stage"], int(row["epoch"])), {})
            of_epoch[row["metric"]] = float(row["value"])
    return figures


def parameters_of(run: RunFolder) -> dict[str, torch.Tensor]:
    """Every number of every checkpoint, by stage and name; of evaluator and judge as they judge."""
    stages = {
        f"{stage}.{which}.{name}": tensor
        for stage in STAGES
        for which in ("best", "last")
        for name, tensor in read_checkpoint(run.checkpoint(stage, which))["model"].items()
    }
    models = {"evaluator": run.load_evaluator(), **run.load_judge()}
    judging = {
        f"{title}.{name}": tensor
        for title, model in models.items()
        for name, tensor in model.state_dict().items()
    }
    return stages | judging


def assert_same_parameters(left: RunFolder, right: RunFolder) -> None:
    ours, theirs = parameters_of(left), parameters_of(right)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_metrics_are_kept_per_stage_and_epoch(run: RunFolder) -> None:
    figures = metrics_of(run.path)
    assert list(figures) == [(stage, e) for stage, epochs in STAGES.items() for e in range(epochs)]
    by_stage = {"generator": GENERATOR_METRICS, "clone": CLONE_METRICS}
    for (stage, _), names in figures.items():
        assert names.keys() == by_stage.get(stage, EVALUATOR_METRICS)
        assert all(np.isfinite(value) for value in names.values())


def test_tensorboard_tells_the_same_figures(run: RunFolder) -> None:
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    for (stage, epoch), names in metrics_of(run.path).items():
        for name, value in names.items():
            of_epoch = [s.value for s in events.Scalars(f"{stage}/{name}") if s.step == epoch]
            assert of_epoch == [pytest.approx(value, rel=1e-4)]


def test_the_best_checkpoint_is_that_of_the_best_validation(run: RunFolder) -> None:
    figures = metrics_of(run.path)
    for stage, epochs in STAGES.items():
        scores = [figures[stage, epoch]["score"] for epoch in range(epochs)]
        best = read_checkpoint(run.checkpoint(stage, "best"))
        assert best["epoch"] == int(np.argmax(scores))


def test_equal_configurations_give_equal_parameters(
    run: RunFolder, log_folder: Path, tmp_path: Path
) -> None:
    again = train(tiny_config(log_folder), tmp_path / "run")
    assert_same_parameters(again, run)
    other = parameters_of(train(tiny_config(log_folder, seed=1), tmp_path / "other"))
    ours = parameters_of(run)
    for stage in STAGES:
        names = [name for name in ours if name.startswith(f"{stage}.last.") and "embedding" in name]
        assert any(not torch.equal(ours[name], other[name]) for name in names)


@pytest.mark.parametrize("epochs_before", range(6))
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    run: RunFolder,
    log_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epochs_before: int,
) -> None:
    """Interrupted at the end of an epoch, before its checkpoint: that epoch is done again."""
    write, left = MetricsLog.write, [epochs_before]

    def interrupt(log: MetricsLog, stage: str, epoch: int, metrics: dict[str, float]) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(log, stage, epoch, metrics)

    monkeypatch.setattr(MetricsLog, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(log_folder), tmp_path / "run")
    monkeypatch.undo()
    torch.manual_seed(12345)
    resumed = train(tiny_config(log_folder), tmp_path / "run", resume=True)
    assert_same_parameters(resumed, run)
    assert metrics_of(resumed.path) == metrics_of(run.path)
    assert resumed.facts == run.facts
    assert not list(resumed.path.rglob("*.tmp"))


@pytest.mark.parametrize(
    "changes",
    [
        {"exploration": Exploration.RANDOM_NETWORK},
        {"policy_loss": PolicyLoss.PPO, "ppo_epochs": 2},
        {"baseline": Baseline.GREEDY_ROLLOUT, "reward": RANGED},
        {"control": Control.INPUT, "reward": RANGED},
        {"control": Control.LINEAR, "reward": RANGED},
    ],
)
def test_every_way_of_learning_can_be_interrupted_and_resumed(
    log_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    whole = train(tiny_config(log_folder, **changes), tmp_path / "whole")
    write = MetricsLog.write

    def interrupt(log: MetricsLog, stage: str, epoch: int, metrics: dict[str, float]) -> None:
        if (stage, epoch) == ("generator", 1):
            raise KeyboardInterrupt
        write(log, stage, epoch, metrics)

    monkeypatch.setattr(MetricsLog, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(log_folder, **changes), tmp_path / "run")
    monkeypatch.undo()
    resumed = train(tiny_config(log_folder, **changes), tmp_path / "run", resume=True)
    assert_same_parameters(resumed, whole)
    assert resumed.utility_statistics == whole.utility_statistics


def test_the_run_keeps_what_weights_are_relative_to(log_folder: Path, tmp_path: Path) -> None:
    normalised = train(tiny_config(log_folder, reward=RANGED), tmp_path / "one")
    plain = train(tiny_config(log_folder, reward=RANGED, normalise=False), tmp_path / "two")
    assert list(normalised.utility_statistics) == list(RANGED)
    assert (normalised.scales > 0).all()
    assert not torch.equal(normalised.scales, plain.scales)
    assert plain.scales.tolist() == [1.0, 1.0]


def test_scores_are_mapped_before_they_are_standardised(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(log_folder)
    data = dataclasses.replace(config.data, calibrated=("value_score",))
    folder = train(dataclasses.replace(config, data=data), tmp_path / "run")
    evaluator = folder.load_evaluator().structured.attraction
    for features in (folder.load_generator().features, evaluator.features):
        maps = features.calibration
        assert maps.columns.tolist() == [1]
        assert not torch.equal(maps.knots, maps.values)
        log = ExposureLog.read(log_folder)
        mean = features.candidate_scale.mean[1].item()
        assert abs(mean - maps(log.batch(np.arange(len(log))).candidate_dense)[..., 1].mean()) < 0.2


def test_resuming_a_finished_run_changes_nothing(
    run: RunFolder, log_folder: Path, tmp_path: Path
) -> None:
    first = train(tiny_config(log_folder), tmp_path / "run")
    before = (first.path / "metrics.csv").read_text()
    assert_same_parameters(train(tiny_config(log_folder), first.path, resume=True), run)
    assert (first.path / "metrics.csv").read_text() == before


def test_weights_with_ranges_train_a_generator_that_heeds_them(
    log_folder: Path, tmp_path: Path
) -> None:
    folder = train(tiny_config(log_folder, reward=RANGED, epochs=3), tmp_path / "run")
    heads = folder.load_generator().hypernetwork
    assert heads.attention_head.weight.any()
    assert heads.set_head.weight.any()
    assert list(folder.contract.weights) == list(RANGED)


def test_an_evaluator_may_learn_from_longer_pages_than_it_judges(tmp_path: Path) -> None:
    log = written(tmp_path / "log", uniform_log(0, pages=120))
    config = bare_config(log)
    longer = dataclasses.replace(config.evaluator, page_slots=5)
    folder = train(dataclasses.replace(config, evaluator=longer), tmp_path / "run")
    assert folder.load_evaluator().shape.structured.slots == 5
    assert folder.contract.max_slots == config.data.slots == 3
    table = evaluate(folder, uniform_log(1), None).tables[0]
    assert [isinstance(row[1], float) for row in table.rows] == [True, True]


def test_without_judges_no_judge_is_trained(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(log_folder)
    data = dataclasses.replace(config.data, judge_share=0.0)
    folder = train(dataclasses.replace(config, data=data), tmp_path / "run")
    assert not folder.checkpoint("judge", "best").exists()
    assert folder.load_judge() == {}
    assert "judge-examination" not in {stage for stage, _ in metrics_of(folder.path)}
    assert folder.facts["verdict"]["verdict"] != "better"
    assert "There is no judge" in " ".join(folder.facts["verdict"]["reasons"])
    assert len(evaluate(folder, ExposureLog.read(log_folder), None).tables[0].rows) == 1


@pytest.mark.parametrize("click_rate", [0.0, 1.0])
def test_a_log_where_all_pages_end_alike_trains_and_is_warned_of(
    tmp_path: Path, click_rate: float
) -> None:
    log = written(tmp_path / "log", uniform_log(0, pages=120, click_rate=click_rate))
    folder = train(bare_config(log), tmp_path / "run")
    figures = metrics_of(folder.path)
    assert figures["evaluator-readings", 0].keys() == EVALUATOR_METRICS
    assert figures["generator", 1].keys() >= GENERATOR_METRICS - {"support_price"}
    assert folder.facts["verdict"]["verdict"] == "nothing to learn"
    assert folder.facts["warnings"][0]["name"] == "one-class feedback"


def test_the_barest_schema_and_single_candidates_train(tmp_path: Path) -> None:
    log = written(tmp_path / "log", uniform_log(0, pages=120, candidates=(1, 4), slots=3))
    folder = train(bare_config(log), tmp_path / "run")
    assert folder.load_generator().decoder.context == 0


def test_the_judges_members_are_other_models(run: RunFolder) -> None:
    ours = run.load_evaluator().structured
    (panel,) = run.load_judge().values()
    others = [panel.select(torch.tensor([member])).state_dict() for member in (0, 1)]
    for name in ("attraction.linear", "attraction.bias", "reading.slot"):
        first, second, third = (s[name] for s in (ours.state_dict(), *others))
        assert not torch.equal(first, second)
        assert not torch.equal(second, third)
