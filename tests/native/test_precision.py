"""gerank-server in bfloat16: it says what runs, and refuses what cannot be."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gerank.export.artifact import write_artifact
from gerank.ranker import Ranker
from gerank_server.native import library_path
from tests.data.request_cases import CONTRACT
from tests.native.metrics_client import scrape
from tests.nn.batches import random_generator

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
LACKS = "'default' answers in float32: bfloat16 needs a processor with AVX512_BF16"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model.gerank"
    write_artifact(random_generator(0), CONTRACT, path, name="served", training={})
    return path


def told(model: Path, *options: str, forced: str = "") -> tuple[list[str], str]:
    """What it prints behind its first two lines, and the precision that its metrics tell."""
    words = [PROGRAM, "--model", model, "--address", "127.0.0.1:0", *options]
    with subprocess.Popen(
        [*map(str, words), "--metrics-address", "127.0.0.1:0"],
        env=os.environ | {"GERANK_CPU": forced},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("serving served-")
            place = process.stdout.readline().split()[-1]
            samples = scrape(place).samples
        finally:
            process.terminate()
        rest = process.stdout.read()
    (labels,) = (dict(labels) for name, labels in samples if name == "gerank_model_info")
    return [line for line in rest.splitlines() if line != "draining"], labels["precision"]


def test_where_bfloat16_is_asked_for_it_says_what_runs(model: Path) -> None:
    runs = Ranker.load(model, precision="bfloat16").precision
    lines, labelled = told(model, "--precision", "bfloat16")
    assert labelled == runs
    answers = "'default' answers in bfloat16"
    assert lines[0].startswith(answers if runs == "bfloat16" else LACKS)


def test_what_a_processor_lacks_is_said(model: Path) -> None:
    lines, labelled = told(model, "--precision", "bfloat16", forced="plain")
    assert lines[0].startswith(LACKS)
    assert labelled == "float32"


def test_of_float32_nothing_is_said(model: Path) -> None:
    assert told(model) == ([], "float32")


def test_torchscript_in_bfloat16_is_refused(model: Path) -> None:
    options = ["--implementation", "torchscript", "--precision", "bfloat16"]
    run = subprocess.run(
        [PROGRAM, "--model", model, *options], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 1
    rule = "precision: must be auto or float32 where the implementation is torchscript"
    assert rule in run.stderr
