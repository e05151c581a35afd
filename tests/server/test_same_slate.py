"""One model, many ways to ask it: eager and scripted Python, the engine, a C++ process, gRPC."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gerank
from gerank.client import RerankClient
from gerank.data.collate_requests import collate_requests
from gerank.data.request_check import parse_request
from gerank.data.slate import Slate
from gerank.export.artifact import Artifact, write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank_server import Front, serve
from gerank_server.native import is_built
from tests.cpp_projects import built
from tests.data.request_cases import CONTRACT, Document, random_document
from tests.data.scripted_ranking import split_slates

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cpp_embed"
THREADS = 4
IN_FLIGHT = 8
PRESETS = {
    "new arrivals": {"quotas": [{"flag": "fresh", "min": 3}], "weights": {"diversity": 0.6}},
    'a "drawn" page': {"mode": "sample", "temperature": 0.7, "slots": 9},
    "calm": {"spacing": [{"group": "seller", "window": 4, "cap": 1}]},
}
LIMITS = replace(CONTRACT, max_candidates=60, max_slots=15, presets=PRESETS)
PRESET_KEYS = ("slots", "spacing", "quotas", "weights", "mode", "temperature")
REQUESTS = 1000
# The ways batch differently, which may turn the last bit of a logit and so a tie that close.
NEAR_TIES = 2

Choices = list[tuple[int, int, float]]  # slot, candidate, log_prob


@pytest.fixture(scope="module")
def program() -> Path:
    return built(EXAMPLE, "cpp_embed") / "cpp_embed"


@pytest.fixture(scope="module")
def remote_program() -> Path | None:
    """The client in C++, where grpc++ is."""
    if shutil.which("grpc_cpp_plugin") is None:
        return None
    return built(ROOT / "examples" / "cpp_client", "cpp_client") / "cpp_client"


@pytest.fixture
def generator(seed: int) -> Generator:
    """An untrained model whose weights are scaled up until its logits differ clearly."""
    torch.manual_seed(seed)
    shape = GeneratorShape(width=24, attention_width=20, utilities=2, controllable=True)
    untrained = Generator(CONTRACT.schema, shape)
    with torch.no_grad():
        for parameter in untrained.parameters():
            parameter *= 3
    return untrained


@pytest.fixture
def artifact(generator: Generator, tmp_path: Path) -> Artifact:
    path = tmp_path / "model.gerank"
    return write_artifact(generator, LIMITS, path, name="test", training={}, presets=PRESETS)


@pytest.fixture
def documents(seed: int) -> list[Document]:
    rng = np.random.default_rng(seed)
    drawn = [random_document(rng, LIMITS) for _ in range(REQUESTS)]
    return [_with_random_preset(document, rng) for document in drawn]


def test_every_way_gives_the_same_slates(
    generator: Generator,
    artifact: Artifact,
    documents: list[Document],
    program: Path,
    remote_program: Path | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = [parse_request(document, LIMITS) for document in documents]
    with torch.inference_mode():
        batch = collate_requests(requests, LIMITS)
        eager, scripted = (
            [_of_slate(slate) for slate in split_slates(model(*batch), requests, "")]
            for model in (generator, artifact.module)
        )
    ranker = gerank.load(tmp_path / "model.gerank")
    engine = [_of_slate(slate) for slate in ranker.rank(requests)]
    embedded = _run_program(program, documents, tmp_path)
    assert sum(len(choices) for choices in eager) > 3 * REQUESTS
    ways = {"scripted": scripted, "engine": engine, "C++": embedded}
    for front in (front for front in Front if front is Front.GRPCIO or is_built()):
        with serve(tmp_path / "model.gerank", "127.0.0.1:0", front=front) as server:
            address = f"127.0.0.1:{server.port}"
            with RerankClient(address, timeout_s=60) as client:
                answers = client.rerank(documents)
            ways[f"{front.value} front"] = [_of_document(answer) for answer in answers]
            if remote_program is not None:
                ways[f"{front.value} front, C++"] = _lines(
                    remote_program, address, tmp_path / "pages.txt", IN_FLIGHT
                )
    near_ties = {name: _expect_same(name, eager, answers) for name, answers in ways.items()}
    with capsys.disabled():
        sys.stderr.write(f"\n{REQUESTS} slates; otherwise than in eager Python: {near_ties}\n")


def test_the_program_names_what_it_cannot_read(program: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.gerank"
    run = subprocess.run([program, missing, missing, "1"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "missing.gerank" in run.stderr and "frame #" not in run.stderr


def test_the_program_needs_no_python(program: Path) -> None:
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libgerank" in libraries
    names = [line.split()[0] for line in libraries.splitlines()]
    assert not [name for name in names if "python" in name]


def _with_random_preset(document: Document, rng: np.random.Generator) -> Document:
    """Half of them name a preset, and do not say themselves some of what it says."""
    if rng.random() < 0.5:
        return document
    left_out = [key for key in PRESET_KEYS if rng.random() < 0.5]
    kept = {key: value for key, value in document.items() if key not in left_out}
    if "slots" in left_out:
        kept.pop("pins", None)  # they may lie beyond the preset's slots
    return kept | {"preset": str(rng.choice(list(PRESETS)))}


def _run_program(program: Path, documents: list[Document], folder: Path) -> list[Choices]:
    lines, pages = folder / "requests.jsonl", folder / "pages.txt"
    lines.write_text("\n".join(map(json.dumps, documents)))
    write = runpy.run_path(str(EXAMPLE / "write_pages.py"))["write_pages"]
    write(folder / "model.gerank", lines, pages)
    return _lines(program, folder / "model.gerank", pages, THREADS)


def _lines(*command: object) -> list[Choices]:
    words = list(map(str, command))
    run = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    return [_of_line(line) for line in run.stdout.splitlines()]


def _of_slate(slate: Slate) -> Choices:
    return list(zip(slate.slots, slate.candidates, slate.log_prob, strict=True))


def _of_document(answer: Document) -> Choices:
    return [(entry["slot"], entry["candidate"], entry["log_prob"]) for entry in answer["slate"]]


def _of_line(line: str) -> Choices:
    choices = []
    for entry in line.split():
        slot, candidate, log_prob = entry.split(":")
        choices.append((int(slot), int(candidate), float(log_prob)))
    return choices


def _expect_same(name: str, expected: list[Choices], answers: list[Choices]) -> int:
    """How many slates differ, which must be near ties."""
    assert len(answers) == len(expected)
    different = 0
    for want, got in zip(expected, answers, strict=True):
        if [choice[:2] for choice in want] != [choice[:2] for choice in got]:
            different += 1
            continue
        assert [choice[2] for choice in got] == pytest.approx(
            [choice[2] for choice in want], rel=1e-5, abs=1e-5
        ), name
    assert different <= NEAR_TIES, f"{name}: {different} of {len(expected)} slates differ"
    return different
