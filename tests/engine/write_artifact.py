"""Writes the artifact of the C++ tests: `python -m tests.engine.write_artifact FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from gerank.export.artifact import write_artifact
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_generator


def write(path: Path) -> None:
    """An untrained generator over the tests' contract."""
    model = random_generator(0, controllable=True)
    write_artifact(model, CONTRACT, path, name="engine-tests", training={})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
