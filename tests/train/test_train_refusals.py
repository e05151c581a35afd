"""Trainings that are refused or break off: each says why, and none leaves a run behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_fields import LoggedAbove
from gerank.train.clone_stage import CloneStage
from gerank.train.config import UtilityConfig
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.train import train
from tests.train.tiny import tiny_config
from tests.train.uniform_log import bare_config, uniform_log, written


def test_an_unknown_calibrated_score_is_refused(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(log_folder)
    data = dataclasses.replace(config.data, calibrated=("ctr_score", "seller"))
    with pytest.raises(ConfigError, match=r"data\.calibrated: 'seller' is not a dense feature"):
        train(dataclasses.replace(config, data=data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_refused_without_resume(run: RunFolder, log_folder: Path) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="holds a run already"):
        train(tiny_config(log_folder), run.path)
    with pytest.raises(RunError, match="another configuration"):
        train(tiny_config(log_folder, seed=9), run.path, resume=True)
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_too_few_people_are_refused_with_the_numbers(tmp_path: Path) -> None:
    log = written(tmp_path / "log", uniform_log(0, pages=9, people=1))
    said = r"data\.log: 9 pages of 1 people leave 9 to train and 0 to validate"
    with pytest.raises(ConfigError, match=said):
        train(bare_config(log), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    log = written(tmp_path / "log", uniform_log(0).select(np.zeros(0, np.int64)))
    with pytest.raises(ConfigError, match="0 pages of 0 people leave 0 to train"):
        train(bare_config(log), tmp_path / "run")


def test_a_page_above_the_limit_is_refused(tmp_path: Path) -> None:
    log = written(tmp_path / "log", uniform_log(0, candidates=(513, 513), slots=3))
    with pytest.raises(ConfigError, match="513 candidates on a page, not at most 512"):
        train(bare_config(log), tmp_path / "run")


@pytest.mark.parametrize(
    ("candidates", "above", "words"),
    [
        (510, 3, "513 candidates on a page and slots above it, not at most 512"),
        (9, 127, r"1\d\d slots \(data\.slots\) and slots above a page, not at most 128"),
    ],
)
def test_more_above_a_page_than_a_decode_takes_is_refused(
    tmp_path: Path, candidates: int, above: int, words: str
) -> None:
    log = uniform_log(0, candidates=(candidates, candidates), slots=3)
    offsets = np.arange(len(log) + 1) * above
    nothing = np.full(offsets[-1], -1)
    below = dataclasses.replace(log, above=LoggedAbove(offsets, nothing, {}))
    assert not log.schema.above
    with pytest.raises(ConfigError, match=words):
        train(bare_config(written(tmp_path / "log", below)), tmp_path / "run")


def test_an_unknown_score_is_refused_before_anything_is_written(
    log_folder: Path, tmp_path: Path
) -> None:
    config = tiny_config(log_folder)
    data = dataclasses.replace(config.data, score="seller")
    with pytest.raises(ConfigError, match=r"data\.score: 'seller' is not a dense feature.*ctr_sco"):
        train(dataclasses.replace(config, data=data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_utility_is_refused_before_anything_is_trained(
    log_folder: Path, tmp_path: Path
) -> None:
    config = tiny_config(log_folder, reward={"clix": UtilityConfig()})
    with pytest.raises(ConfigError, match=r"reward\.clix: no such utility"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_diverged_training_says_so(
    log_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CloneStage, "validate", lambda _: (float("nan"), {}))
    with pytest.raises(RunError, match=r"clone: the score of epoch 0 is nan: training diverged"):
        train(tiny_config(log_folder), tmp_path / "run")
