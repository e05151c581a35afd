"""One written artifact for all tests of exporting; a test that alters it works on a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.export.artifact import Artifact, write_artifact
from gerank.nn.generator import Generator
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_generator

FACTS = {"config": "seed = 0\n", "metrics": {"generator.score": 1.5}}


@pytest.fixture(scope="session")
def generator() -> Generator:
    return random_generator(0, controllable=True)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Artifact]:
    path = tmp_path_factory.mktemp("artifact") / "model.gerank"
    model = random_generator(0, controllable=True)  # its weights are packed for good
    return path, write_artifact(model, CONTRACT, path, name="first", training=FACTS)


@pytest.fixture(scope="session")
def content(written: tuple[Path, Artifact]) -> bytes:
    return written[0].read_bytes()
