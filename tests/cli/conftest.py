"""The journey of a newcomer, walked once: simulate, train, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from tests.cli.command import done, gerank

CONFIG = """
[data]
log = "train"
slots = 3
score = "ctr_score"

[evaluator]
readings = ["examination"]
prior_strengths = [64.0]
compare_steps = 10
steps = 20
embedding_width = 2
residual = false

[judge]
bootstraps = 2
boosted = false
clone_steps = 5

[generator]
width = 8
attention_width = 8
embedding_width = 2
epochs = 1
batch_size = 64
min_steps = 0
slates_per_request = 2

[reward.clicks]
min = 0.0
max = 2.0

[reward.seller_diversity]
min = 0.0
default = 0.5
"""


@dataclass(frozen=True)
class Journey:
    """Where everything lies. Tests read it and write elsewhere."""

    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "train"

    @property
    def test(self) -> Path:
        return self.folder / "test"

    @property
    def config(self) -> Path:
        return self.folder / "tiny.toml"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def model(self) -> Path:
        return self.folder / "model.gerank"


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    walked = Journey(tmp_path_factory.mktemp("journey"))
    size = ("--candidates", 6, "--slots", 3)
    done("simulate", "--pages", 400, *size, "--out", walked.train)
    done("simulate", "--pages", 60, *size, "--seed", 1, "--out", walked.test)
    walked.config.write_text(CONFIG)
    done("train", walked.config, "--out", walked.run)
    done("export", walked.run, "--out", walked.model, "--force")
    return walked


@pytest.fixture(scope="session")
def pages(journey: Journey) -> list[dict[str, Any]]:
    """Plain, pinned, deduplicated, spaced, with quotas, weighted and sampled requests."""
    log = ExposureLog.read(journey.test)
    requests = [request_document(log, row) for row in range(len(log))]
    for number, request in enumerate(requests):
        first, last = (request["candidates"][place]["id"] for place in (0, -1))
        variants: list[dict[str, Any]] = [
            {},
            {"pins": {"0": last, "2": first}},
            {"spacing": [{"group": "seller", "window": 3, "cap": 1}]},
            {"quotas": [{"flag": "fresh", "min": 1, "max": 2}]},
            {"weights": {"clicks": 0.5, "seller_diversity": 1.0}, "slots": 2},
            {"mode": "sample", "seed": number, "temperature": 2.0},
        ]
        request |= variants[number % 6]
        if number % 4 == 0:
            request["candidates"] = [
                candidate | {"dedup_key": place // 2}
                for place, candidate in enumerate(request["candidates"])
            ]
            request.pop("pins", None)
    return requests


def write_lines(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    return path


@pytest.fixture(scope="session")
def requests_file(pages: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("requests") / "pages.jsonl", pages)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(journey: Journey, tmp_path: Path) -> Callable[..., str]:
    """The message of a command that must fail and leave every file as it was."""

    def check(*arguments: object) -> str:
        before = files(tmp_path) | files(journey.folder)
        result = gerank(*arguments)
        assert result.code == 1, result
        assert result.err.startswith("error: ")
        assert "Traceback" not in result.err + result.out
        assert "\x1b" not in result.err
        assert files(tmp_path) | files(journey.folder) == before
        return result.err.removeprefix("error: ")

    return check
