"""rank_page: what the separate layers answer, to rounding, and the same bits by every way in."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank import ops
from gerank.data.batch import RerankBatch
from gerank.export.artifact import script, write_artifact
from gerank.nn.generator import Generator
from tests.page.page_cases import (
    CONTROLS,
    expect_as_in_double,
    random_contract,
    random_generator,
    random_requests,
    random_schema,
)

ROOT = Path(__file__).resolve().parents[2]


def drawn(seed: int, candidates: int = 0, requests: int = 0) -> tuple[Generator, RerankBatch]:
    """A generator that is not frozen, and requests to it; sizes are drawn unless given."""
    rng = np.random.default_rng(seed)
    contract = random_contract(rng, random_schema(rng))
    generator = random_generator(rng, contract, CONTROLS[seed % len(CONTROLS)])
    sizes = (requests or int(rng.integers(1, 30)), candidates or int(rng.integers(1, 90)))
    return generator, random_requests(rng, contract, *sizes)


def frozen(generator: Generator) -> Generator:
    """A packed copy."""
    served = copy.deepcopy(generator)
    served.freeze()
    return served


def rows(batch: RerankBatch, first: int, end: int) -> RerankBatch:
    return RerankBatch(*(tensor[first:end] for tensor in batch))


@pytest.mark.parametrize("place", range(12))
def test_equals_the_separate_layers_in_double(seed: int, place: int) -> None:
    generator, batch = drawn(seed + place)
    expect_as_in_double(generator, batch, ops.rank_page(frozen(generator).page, *batch))


@pytest.mark.parametrize("candidates", [1, 2, 7, 8, 100, 191, 192, 230])
def test_equals_them_for_sets_of_any_size(seed: int, candidates: int) -> None:
    generator, batch = drawn(seed, candidates=candidates, requests=6)
    batch = batch._replace(candidate_mask=torch.ones_like(batch.candidate_mask))
    expect_as_in_double(generator, batch, ops.rank_page(frozen(generator).page, *batch))


@pytest.mark.parametrize("place", range(4))
def test_an_answer_is_the_same_in_any_company(seed: int, place: int) -> None:
    generator, batch = drawn(seed + place, requests=26)
    page = frozen(generator).page
    together = ops.rank_page(page, *batch)
    for first, end in ((0, 1), (25, 26), (3, 5), (2, 16)):
        alone = ops.rank_page(page, *rows(batch, first, end))
        for whole, part in zip(together, alone, strict=True):
            assert torch.equal(whole[first:end], part)


def test_an_answer_is_the_same_on_any_number_of_threads(seed: int) -> None:
    generator, batch = drawn(seed, requests=29)
    page, before = frozen(generator).page, torch.get_num_threads()
    try:
        answers = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            answers.append(ops.rank_page(page, *batch))
    finally:
        torch.set_num_threads(before)
    for other in answers[1:]:
        assert all(map(torch.equal, answers[0], other))


def test_what_lies_in_padding_is_not_read(seed: int) -> None:
    generator, batch = drawn(seed, candidates=30)
    page, real = frozen(generator).page, batch.candidate_mask
    spoiled = batch._replace(
        candidate_dense=torch.where(real.unsqueeze(2), batch.candidate_dense, torch.nan),
        candidate_ids=torch.where(real.unsqueeze(2), batch.candidate_ids, -(2**40)),
    )
    before, after = (ops.rank_page(page, *requests) for requests in (batch, spoiled))
    assert all(map(torch.equal, before, after))


def test_strided_arguments_give_the_same(seed: int) -> None:
    generator, batch = drawn(seed)
    page = frozen(generator).page
    strided = (torch.stack([t, t], dim=-1)[..., 0] for t in batch)
    assert all(map(torch.equal, ops.rank_page(page, *batch), ops.rank_page(page, *strided)))


@pytest.mark.parametrize("place", range(4))
def test_every_way_in_gives_the_same_bits(seed: int, place: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed + place)
    contract = random_contract(rng, random_schema(rng))
    generator = random_generator(rng, contract, CONTROLS[place])
    batch = random_requests(rng, contract, 9, 20)
    served = frozen(generator)
    answer = ops.rank_page(served.page, *batch)
    written = write_artifact(generator, contract, tmp_path / "a.gerank", name="a", training={})
    with torch.no_grad():
        ways = (served(*batch), script(served)(*batch), written.rerank(batch))
    for way in ways:
        assert all(map(torch.equal, answer, way))


def test_a_frozen_model_still_shows_its_encoder(seed: int) -> None:
    generator, batch = drawn(seed)
    with torch.no_grad():
        before = generator.encode_batch(batch)
        after = frozen(generator).encode_batch(batch)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


SETS = """
import sys
import torch
from tests.page.page_cases import expect_as_in_double
from tests.page.test_answers import drawn, frozen
from gerank import ops
torch.set_num_threads(1)
for offset in range(8):
    generator, batch = drawn(int(sys.argv[1]) + offset)
    expect_as_in_double(generator, batch, ops.rank_page(frozen(generator).page, *batch))
"""


@pytest.mark.parametrize("instruction_set", ["avx512", "avx2", "plain"])
def test_every_instruction_set_gives_it(seed: int, instruction_set: str) -> None:
    environment = os.environ | {"GERANK_CPU": instruction_set}
    command = [sys.executable, "-c", SETS, str(seed)]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if "must name what this processor has" in result.stderr:
        pytest.skip(f"this processor has no {instruction_set}")
    assert result.returncode == 0, result.stderr
