"""Whole runs that start from yesterday's: what they say and keep, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.config import TrainConfig
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.stage import MetricsLog
from gerank.train.train import train
from gerank.train.warm_start import WarmStart
from tests.train.changed_logs import EXTRA, everything, log_of_yesterday


@pytest.fixture(scope="module")
def log() -> ExposureLog:
    return log_of_yesterday()


def test_a_warm_run_trains_says_what_matched_and_keeps_no_copy_of_the_weights(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    told: list[str] = []
    changed = everything(log)
    folder = train(
        yesterday.config, tmp_path / "run", init=yesterday.path, log=changed, tell=told.append
    )
    assert told[0] == f"init: {yesterday.path}"
    assert any(line.startswith("features new") and "candidate.price" in line for line in told)
    assert f"features dropped: candidate.{EXTRA}" in told
    assert "the judge is fresh, as always" in told
    facts = folder.facts["init"]
    assert facts["told"] == told
    states = {feature["name"]: feature["state"] for feature in facts["features"]}
    assert states["candidate.ctr_score"] == "taken over"
    assert states["candidate.brand"] == "new"
    assert folder.finished and not folder.initial_weights.exists()


@pytest.fixture(scope="module")
def whole(
    yesterday: RunFolder, log: ExposureLog, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A run on the same log that started from yesterday's, from its beginning to its end."""
    path = tmp_path_factory.mktemp("warm") / "whole"
    return train(yesterday.config, path, init=yesterday.path, log=log)


def test_the_judge_of_a_warm_run_is_that_of_a_fresh_one(
    yesterday: RunFolder, whole: RunFolder
) -> None:
    def first_look(folder: RunFolder) -> dict[str, str]:
        """Stage -> the loss of its first epoch, in which a fresh stage knows nothing else."""
        lines = (folder.path / "metrics.csv").read_text().splitlines()
        cells = [line.split(",") for line in lines]
        return {c[0]: c[3] for c in cells if c[1:3] == ["0", "validation_loss"]}

    losses, before = first_look(whole), first_look(yesterday)
    assert losses["evaluator-readings"] != before["evaluator-readings"]
    judges = [stage for stage in losses if stage.startswith("judge-") and stage in before]
    assert judges
    assert [losses[stage] for stage in judges] == [before[stage] for stage in judges]


def test_an_interrupted_warm_run_goes_on_warm_though_yesterdays_is_gone(
    yesterday: RunFolder, whole: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    init = Path(shutil.copytree(yesterday.path, tmp_path / "yesterday"))
    write = MetricsLog.write

    def interrupt(metrics: MetricsLog, stage: str, epoch: int, figures: dict[str, float]) -> None:
        if stage == "clone":
            raise KeyboardInterrupt
        write(metrics, stage, epoch, figures)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MetricsLog, "write", interrupt)
        train(yesterday.config, tmp_path / "run", init=init, log=log)
    shutil.rmtree(init)
    resumed = train(yesterday.config, tmp_path / "run", resume=True, log=log)
    expected = whole.load_generator().state_dict()
    for name, value in resumed.load_generator().state_dict().items():
        assert torch.equal(value, expected[name]), name


def wider(config: TrainConfig) -> TrainConfig:
    return dataclasses.replace(config, generator=dataclasses.replace(config.generator, width=16))


@pytest.mark.parametrize(
    ("change", "resume", "words"),
    [
        (lambda c: c, True, r"--init .* and --resume exclude each other: .* leave out --init"),
        (wider, False, r"another architecture .*: generator\.width was 8 and is 16; set the same"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_and_nothing_is_written(
    yesterday: RunFolder,
    log: ExposureLog,
    tmp_path: Path,
    change: Callable[[TrainConfig], TrainConfig],
    resume: bool,
    words: str,
) -> None:
    with pytest.raises(RunError, match=words):
        train(
            change(yesterday.config),
            tmp_path / "run",
            init=yesterday.path,
            resume=resume,
            log=log,
        )
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_no_run_and_a_run_of_other_features_are_refused(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    begun = RunFolder.open(Path(shutil.copytree(yesterday.path, tmp_path / "begun")))
    begun.write_facts({"finished": False})
    with pytest.raises(RunError, match=r"begun: its training has not ended: .*--resume"):
        train(yesterday.config, tmp_path / "run", init=begun.path, log=log)
    with pytest.raises(RunError, match="nowhere is not the folder of a training run"):
        train(yesterday.config, tmp_path / "run", init=tmp_path / "nowhere", log=log)
    names = {f.name: f"other_{f.name}" for f in log.schema.candidate}
    user = tuple(dataclasses.replace(f, name=f"other_{f.name}") for f in log.schema.user)
    candidate = tuple(dataclasses.replace(f, name=names[f.name]) for f in log.schema.candidate)
    schema = FeatureSchema(user, candidate)
    folder = RunFolder(tmp_path / "run", yesterday.config, schema, 512)
    with pytest.raises(RunError, match=r"none of its features \(user\..*\) is in the log of now"):
        WarmStart.from_run(yesterday.path, folder)
    assert not (tmp_path / "run").exists()
