"""One model, four ways to ask it: eager Python, the scripted artifact, gRPC, a C++ process."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.client import RerankClient
from gerank.data.collate_requests import collate_requests
from gerank.data.ranking import rank_requests
from gerank.data.request_json import parse_request
from gerank.data.slate import Slate, split_slates
from gerank.export.artifact import Artifact, write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank_server import serve
from tests.data.request_cases import CONTRACT, Document, random_document

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cpp_minimal"
LIMITS = replace(CONTRACT, max_candidates=60, max_slots=15)
REQUESTS = 1000
# The ways batch differently, which may turn the last bit of a logit and so a tie that close.
NEAR_TIES = 2

Choices = list[tuple[int, int, float]]  # slot, candidate, log_prob


@pytest.fixture(scope="module")
def program() -> Path:
    """The C++ example; kept in the build folder, so that later runs find it built."""
    build = ROOT / "build" / "cpp_minimal"
    configure = ["cmake", "-S", str(EXAMPLE), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"]
    configure += [f"-DTorch_DIR={torch.utils.cmake_prefix_path}/Torch"]
    subprocess.run(configure, check=True, capture_output=True, env=_environment())
    subprocess.run(["cmake", "--build", str(build)], check=True, env=_environment())
    return build / "cpp_minimal"


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
    return write_artifact(generator, LIMITS, tmp_path / "model.gerank", name="test", training={})


@pytest.fixture
def documents(seed: int) -> list[Document]:
    rng = np.random.default_rng(seed)
    return [random_document(rng, LIMITS) for _ in range(REQUESTS)]


def test_every_way_gives_the_same_slates(
    generator: Generator,
    artifact: Artifact,
    documents: list[Document],
    program: Path,
    tmp_path: Path,
) -> None:
    requests = [parse_request(document, LIMITS) for document in documents]
    with torch.inference_mode():
        answer = generator(*collate_requests(requests, LIMITS))
    eager = [_of_slate(slate) for slate in split_slates(answer, requests, "")]
    scripted = [_of_slate(slate) for slate in rank_requests(artifact, requests)]
    with (
        serve(artifact, "127.0.0.1:0") as server,
        RerankClient(f"127.0.0.1:{server.port}", timeout_s=60) as client,
    ):
        remote = [_of_document(answer) for answer in client.rerank(documents)]
    embedded = _run_program(program, documents, tmp_path)
    assert sum(len(choices) for choices in eager) > 3 * REQUESTS
    for name, answers in {"scripted": scripted, "gRPC": remote, "C++": embedded}.items():
        _expect_same(name, eager, answers)


def test_the_program_names_what_it_cannot_read(program: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.gerank"
    run = subprocess.run([program, missing, missing], capture_output=True, text=True)
    assert run.returncode == 1
    assert "missing.gerank" in run.stderr and "frame #" not in run.stderr


def test_the_program_needs_no_python(program: Path) -> None:
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libgerank" in libraries
    names = [line.split()[0] for line in libraries.splitlines()]
    assert not [name for name in names if "python" in name]


def _run_program(program: Path, documents: list[Document], folder: Path) -> list[Choices]:
    lines, tensors = folder / "requests.jsonl", folder / "requests.pt"
    lines.write_text("\n".join(map(json.dumps, documents)))
    write = runpy.run_path(str(EXAMPLE / "write_requests.py"))["write_requests"]
    write(folder / "model.gerank", lines, tensors)
    command = [program, folder / "model.gerank", tensors]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
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


def _expect_same(name: str, expected: list[Choices], answers: list[Choices]) -> None:
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


def _environment() -> dict[str, str]:
    """With the tools of this Python's environment first: a pip-installed cmake, say."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}
