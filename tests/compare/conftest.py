"""A comparison of two small logs, done once for all tests."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gerank.compare.cells import Cell
from gerank.compare.compare import Comparison, compare
from gerank.compare.config import CompareConfig, read_compare_config
from gerank.train.report import Table
from tests.train.tiny import write_tiny_log

CONFIG = """
seeds = [0, 1]
workers = 2
resamples = 400
reference = "trees"

[data]
log = "train"
slots = 3
score = "ctr_score"

[tuning]
budget = 2

[evaluator]
readings = ["examination"]
prior_strengths = [64.0]
compare_steps = 10
steps = 20
embedding_width = 2

[judge]
bootstraps = 2
boosted = false

[comparators.logged]

[comparators.upstream_score]

[comparators.trees]
comparator = "lambdamart"
grid.trees = [10, 20]
settings.leaves = 4

[comparators.no_score]
comparator = "tests.compare.own_comparator:NeedsMore"
"""


@dataclass(frozen=True)
class Compared:
    """Where it lies, and what came out."""

    folder: Path
    found: Comparison
    told: list[tuple[Cell, bool]]

    @property
    def config(self) -> CompareConfig:
        return config_in(self.folder)

    @property
    def out(self) -> Path:
        return self.folder / "out"


def config_in(folder: Path, **changes: Any) -> CompareConfig:
    """The configuration beside the logs of a folder; `changes` of CompareConfig."""
    return dataclasses.replace(read_compare_config(folder / "compare.toml"), **changes)


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs `train` and `test`, and the configuration."""
    folder = tmp_path_factory.mktemp("compare")
    write_tiny_log(folder / "train")
    write_tiny_log(folder / "test", pages=80, seed=1)
    (folder / "compare.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="session")
def compared(logs: Path) -> Compared:
    told: list[tuple[Cell, bool]] = []
    found = compare(
        config_in(logs),
        logs / "test",
        logs / "out",
        watch=lambda cell, is_done: told.append((cell, is_done)),
    )
    return Compared(logs, found, told)


def table(compared: Compared, title: str) -> Table:
    [found] = [each for each in compared.found.tables if each.title.startswith(title)]
    return found


def row(found: Table, name: str) -> tuple[Any, ...]:
    [values] = [each for each in found.rows if each[0] == name]
    return values
