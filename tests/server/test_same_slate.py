"""One model, many ways to ask it: the same slate by all of them, and no rule broken in silence.

`GERANK_SLATE_REQUESTS=10000` (`make fuzz`) asks that many requests instead of a few hundred.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch

import gerank
from gerank.client import RerankClient
from gerank.data.collate_requests import collate_requests
from gerank.data.relaxed import RELAXED
from gerank.data.request import Request
from gerank.data.request_check import parse_request
from gerank.data.slate import Slate, slate_document
from gerank.export.artifact import Artifact, write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.proto import rerank_pb2 as pb
from gerank.ranker import Ranker
from gerank.wire.query import query_from_request
from gerank.wire.slate import slate_from_message
from gerank_server import Front, serve
from gerank_server.native import is_built
from tests.cpp_projects import built
from tests.data.answer_check import answer_findings
from tests.data.any_request import CONTRACT, PRESETS, any_document
from tests.data.request_cases import Document
from tests.data.scripted_ranking import split_slates
from tests.server.raw_calls import RERANK

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cpp_embed"
THREADS = 4
IN_FLIGHT = 8
REQUESTS = int(os.environ.get("GERANK_SLATE_REQUESTS", "400"))
AT_ONCE = 200  # in one forward pass
# The ways batch differently, which may turn the last bit of a logit and so a tie that close.
NEAR_TIES = 2 + REQUESTS // 1000

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
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gerank"


@pytest.fixture
def artifact(generator: Generator, path: Path) -> Artifact:
    return write_artifact(generator, CONTRACT, path, name="test", training={}, presets=PRESETS)


@pytest.fixture
def documents(seed: int) -> list[Document]:
    rng = np.random.default_rng(seed)
    return [any_document(rng) for _ in range(REQUESTS)]


@pytest.mark.timeout(300 + REQUESTS // 4)
def test_every_way_gives_the_same_slates(
    generator: Generator,
    artifact: Artifact,
    path: Path,
    documents: list[Document],
    program: Path,
    remote_program: Path | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = [parse_request(document, CONTRACT) for document in documents]
    eager = _by_module(generator, requests)
    ways = {"scripted": _by_module(artifact.module, requests)}
    ranker, scripted = gerank.load(path), Ranker.load(path, implementation="torchscript")
    whole = {
        "engine": _answered(requests, ranker.rank),
        "engine, TorchScript": _answered(requests, scripted.rank),
        "engine, documents": _answered(requests, ranker.rank, documents),
        "rerank --model": _by_command(documents, path.parent, "--model", path),
    }
    pages = _write_pages(path, documents)
    ways["C++"] = _lines(program, path, pages, THREADS)
    for front in (front for front in Front if front is Front.GRPCIO or is_built()):
        with serve(path, "127.0.0.1:0", front=front) as server:
            address, name = f"127.0.0.1:{server.port}", f"{front.value} front"
            with RerankClient(address, timeout_s=60) as client:
                whole[f"{name}, documents"] = client.rerank(documents)
            for as_bytes in (True, False):
                answers = _by_messages(address, requests, as_bytes=as_bytes)
                whole[f"{name}, {'bytes' if as_bytes else 'numbers'}"] = answers
            whole[f"{name}, rerank --server"] = _by_command(
                documents, path.parent, "--server", address
            )
            if remote_program is not None:
                ways[f"{name}, C++"] = _lines(remote_program, address, pages, IN_FLIGHT)
    broken = _findings(documents, whole)
    assert not broken, f"{len(broken)} findings: {broken[:5]}"
    told = Counter(rule["rule"] for answer in whole["engine"] for rule in answer["unmet"])
    relaxed = Counter(
        rule for answer in whole["engine"] for entry in answer["slate"] for rule in entry["relaxed"]
    )
    assert min(told["spacing"], told["quotas"], relaxed["spacing"], relaxed["quotas"]) > 0
    assert sum(len(choices) for choices in eager) > 3 * REQUESTS
    ways |= {name: [_of_document(answer) for answer in answers] for name, answers in whole.items()}
    near_ties = {name: _expect_same(name, eager, answers) for name, answers in ways.items()}
    with capsys.disabled():
        sys.stderr.write(
            f"\n{REQUESTS} requests by {len(ways)} ways, rules unmet {dict(told)}, relaxed "
            f"{dict(relaxed)}; otherwise than in eager Python: {near_ties}\n"
        )


def test_altered_answers_are_found_out(
    artifact: Artifact, path: Path, documents: list[Document]
) -> None:
    """The judge of the test above sees all that an answer leaves out, adds or mixes up."""
    untrue = {"rule": "spacing", "name": "seller", "wanted": 1, "got": 2, "slots": [0, 1]}
    asked = documents[:100]
    requests = [parse_request(document, CONTRACT) for document in asked]
    answers = _answered(requests, gerank.load(path).rank)
    for document, answer in zip(asked, answers, strict=True):
        assert not answer_findings(document, answer, CONTRACT)
        if not answer["slate"]:
            continue
        first, *others = answer["slate"]
        for alteration in (
            {"unmet": answer["unmet"][1:] if answer["unmet"] else [untrue]},
            {"slate": answer["slate"][:-1]},
            {
                "slate": [
                    first | {"relaxed": [] if first["relaxed"] else [*RELAXED.values()]},
                    *others,
                ]
            },
            {"slate": [first | {"id": "another"}, *others]},
            {"seed": 1 + document.get("seed", 0)},
        ):
            assert answer_findings(document, answer | alteration, CONTRACT), alteration


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


def _by_module(model: torch.nn.Module, requests: Sequence[Request]) -> list[Choices]:
    answers: list[Slate] = []
    with torch.inference_mode():
        for start in range(0, len(requests), AT_ONCE):
            some = requests[start : start + AT_ONCE]
            answers += split_slates(model(*collate_requests(some, CONTRACT)), some, "")
    return [list(zip(s.slots, s.candidates, s.log_prob, strict=True)) for s in answers]


def _answered(
    requests: Sequence[Request],
    rank: Callable[[Sequence[Request | Document]], list[Slate]],
    asked: Sequence[Request | Document] | None = None,
) -> list[Document]:
    """The slates of requests as documents; `asked` says the same in another form."""
    asked = requests if asked is None else asked
    slates = []
    for start in range(0, len(asked), AT_ONCE):
        slates += rank(asked[start : start + AT_ONCE])
    return [slate_document(*pair) for pair in zip(requests, slates, strict=True)]


def _by_command(documents: list[Document], folder: Path, *how: object) -> list[Document]:
    asked, answered = folder / "asked.jsonl", folder / "answered.jsonl"
    asked.write_text("".join(json.dumps(document) + "\n" for document in documents))
    words = [sys.executable, "-m", "gerank", "rerank", *how, "--input", asked, "--output", answered]
    subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=600)
    return [json.loads(line) for line in answered.read_text().splitlines()]


def _by_messages(address: str, requests: Sequence[Request], *, as_bytes: bool) -> list[Document]:
    """One call for each request, as a client of gRPC that knows the proto alone makes it."""
    answers = []
    with grpc.insecure_channel(address) as channel:
        rerank = channel.unary_unary(RERANK)
        for start in range(0, len(requests), AT_ONCE):
            some = requests[start : start + AT_ONCE]
            queries = [query_from_request(request) for request in some]
            for query in [] if as_bytes else queries:
                _say_in_numbers(query)
            calls = [
                rerank.future(pb.RerankRequest(queries=[query]).SerializeToString(), timeout=60)
                for query in queries
            ]
            for request, call in zip(some, calls, strict=True):
                [slate] = pb.RerankResponse.FromString(call.result()).slates
                answers.append(slate_document(request, slate_from_message(slate)))
    return answers


def _say_in_numbers(query: pb.Query) -> None:
    """The same values in the fields for clients that do not write columns as bytes."""
    columns = [*query.user_features, *query.candidate_features, *query.above.features]
    for block in columns:
        block.floats.extend(np.frombuffer(block.float32_le, "<f4"))
        block.ints.extend(np.frombuffer(block.int64_le, "<i8"))
        block.ClearField("float32_le")
        block.ClearField("int64_le")
    for keys in (query.dedup_keys, query.above.dedup_keys):
        if keys.int64_le:
            keys.ints.extend(np.frombuffer(keys.int64_le, "<i8"))
            keys.ClearField("int64_le")


def _write_pages(path: Path, documents: list[Document]) -> Path:
    lines, pages = path.with_name("requests.jsonl"), path.with_name("pages.txt")
    lines.write_text("\n".join(map(json.dumps, documents)))
    runpy.run_path(str(EXAMPLE / "write_pages.py"))["write_pages"](path, lines, pages)
    return pages


def _lines(*command: object) -> list[Choices]:
    words = list(map(str, command))
    run = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return [_of_line(line) for line in run.stdout.splitlines()]


def _of_document(answer: Document) -> Choices:
    return [(entry["slot"], entry["candidate"], entry["log_prob"]) for entry in answer["slate"]]


def _of_line(line: str) -> Choices:
    choices = []
    for entry in line.split():
        slot, candidate, log_prob = entry.split(":")
        choices.append((int(slot), int(candidate), float(log_prob)))
    return choices


def _findings(documents: list[Document], ways: dict[str, list[Document]]) -> list[str]:
    """What is wrong with answers of any way. An answer that several gave alike is judged once."""
    found = []
    for place, document in enumerate(documents):
        judged: dict[str, list[str]] = {}
        for name, answers in ways.items():
            told = json.dumps(_without_last_bits(answers[place]))
            if told not in judged:
                judged[told] = answer_findings(document, answers[place], CONTRACT)
            found += [f"{name}: {finding}: {document}" for finding in judged[told]]
    return found


def _without_last_bits(answer: Document) -> Document:
    """The answer with nothing of its log_prob but the sign."""
    entries = [entry | {"log_prob": np.sign(entry["log_prob"])} for entry in answer["slate"]]
    return answer | {"slate": entries}


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
