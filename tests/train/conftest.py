"""One simulated log and two trained runs for all tests of training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gerank.train.run_folder import RunFolder
from gerank.train.train import train
from tests.train.changed_logs import log_of_yesterday
from tests.train.tiny import RANGED, tiny_config, write_tiny_log


@pytest.fixture(scope="session")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_log(tmp_path_factory.mktemp("tiny") / "log")


@pytest.fixture(scope="session")
def run(log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(tiny_config(log_folder), tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def yesterday(log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of two forms of reading, with utilities that have ranges."""
    config = tiny_config(log_folder, reward=RANGED)
    evaluator = dataclasses.replace(
        config.evaluator, readings=("examination", "hidden_reader"), prior_strengths=(64.0,)
    )
    config = dataclasses.replace(config, evaluator=evaluator)
    return train(config, tmp_path_factory.mktemp("warm") / "yesterday", log=log_of_yesterday())
