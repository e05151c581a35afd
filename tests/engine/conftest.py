"""The C++ tests, built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cpp_projects import built
from tests.engine.write_artifact import write


@pytest.fixture(scope="session")
def program() -> Path:
    return built(Path(__file__).parent, "engine_tests") / "engine_tests"


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "model.gerank"
    write(path)
    return path
