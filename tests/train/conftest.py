"""One simulated log and one trained run for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.train.run_folder import RunFolder
from gerank.train.train import train
from tests.train.tiny import tiny_config, write_tiny_log


@pytest.fixture(scope="session")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_log(tmp_path_factory.mktemp("tiny") / "log")


@pytest.fixture(scope="session")
def run(log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(tiny_config(log_folder), tmp_path_factory.mktemp("tiny") / "run")
