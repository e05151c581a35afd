"""One artifact for all tests of scoring."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scoring.requests import write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.gerank", seed=1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("other") / "model.gerank", seed=2, name="other")
