"""A model's error is an answer: nothing that happens in a real artifact ends the process."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gerank.data.batch import RerankBatch
from gerank.export import golden
from gerank.export.artifact import Artifact, write_artifact
from tests.cli.command import environment
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.export.archives import golden_of, name_of, packed, records, resummed
from tests.export.conftest import content, written  # noqa: F401  fixtures
from tests.nn.batches import random_generator

Spoil = Callable[[RerankBatch], None]

SWAP = """
import json, sys
from gerank.engine import Engine
from gerank.ranker import ArtifactError
sound, spoiled, document = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with Engine() as engine:
    engine.load("feed", sound)
    for _ in range(2):
        try:
            engine.load("feed", spoiled)
        except ArtifactError as error:
            print(error)
    print(len(engine.rank([document]).slates))
"""

NO_MEMORY = """
import json, resource, sys
import gerank
from gerank.engine import StatusError
from gerank.ranker import native_queries
ranker, document = gerank.load(sys.argv[1]), json.loads(sys.argv[2])
expected = ranker.rank([document])
wide = document | {"pins": {}, "candidates": [
    candidate | {"id": f"item{place}", "dedup_key": f"product{place}"}
    for place, candidate in enumerate(document["candidates"] * 60)
]}
queries = native_queries([wide], ranker.contract) * 60
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
errors = []
for room_kb in range(512, 200_000, 256):
    resource.setrlimit(resource.RLIMIT_AS, (used + room_kb * 2**10, resource.RLIM_INFINITY))
    try:
        ranker.native.rank(queries)
        break
    except (StatusError, MemoryError) as error:
        errors.append(str(error))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("the padding was refused memory", "std::bad_alloc" in errors)
words = "the model has no memory for a batch of 60 queries of up to 480 candidates"
print("the model was refused memory", words in errors)
print("answers as before", ranker.rank([document]) == expected)
"""


def unknown_id(batch: RerankBatch) -> None:
    """An id beyond the embedding table: a vocabulary that grew in training alone."""
    batch.candidate_ids[0, 0] = 10**7


def unknown_pin(batch: RerankBatch) -> None:
    """A pin on no candidate: the decode op refuses it."""
    batch.pins[0, 0] = 99


def spoiled(content: bytes, spoil: Spoil, path: Path) -> Path:  # noqa: F811
    """The artifact with another golden request, and checksums that agree."""
    parts = records(content)
    name = name_of(parts, "extra/golden.safetensors")
    batch, slates = golden_of(parts[name])
    spoil(batch)
    parts[name] = golden.to_bytes(batch, slates)
    path.write_bytes(packed(resummed(parts)))
    return path


def run(code: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(unknown_id, "candidate_ids must be below 5"), (unknown_pin, "pins must be")],
    ids=["an id", "a pin"],
)
def test_an_artifact_whose_model_fails_is_refused_and_the_old_one_serves_on(
    written: tuple[Path, Artifact],  # noqa: F811
    content: bytes,  # noqa: F811
    tmp_path: Path,
    spoil: Spoil,
    words: str,
) -> None:
    bad = spoiled(content, spoil, tmp_path / "bad.gerank")
    ended = run(SWAP, written[0], bad, json.dumps(valid_document()))
    assert ended.returncode == 0, ended
    first, second, answered = ended.stdout.splitlines()
    assert first == second
    assert first.startswith(f"{bad}: golden requests fail: ") and words in first
    assert answered == "1"


def test_a_failed_allocation_of_padding_or_model_fails_its_call_alone(tmp_path: Path) -> None:
    path = tmp_path / "wide.gerank"
    contract = dataclasses.replace(CONTRACT, max_candidates=512)
    write_artifact(random_generator(1, controllable=True), contract, path, name="w", training={})
    ended = run(NO_MEMORY, path, json.dumps(valid_document()))
    assert ended.returncode == 0, ended
    assert ended.stdout.splitlines() == [
        "the padding was refused memory True",
        "the model was refused memory True",
        "answers as before True",
    ], ended


def test_an_instruction_set_that_is_none_is_named_when_an_artifact_is_loaded(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    code = "import gerank, sys; gerank.load(sys.argv[1])"
    ended = run(code, written[0], GERANK_CPU="bogus")
    assert ended.returncode == 1, ended
    assert ended.stderr.splitlines()[-1] == (
        f"gerank.ranker.ArtifactError: {written[0]}: gerank: GERANK_CPU must be avx512, avx2 or "
        "plain, got bogus"
    )
