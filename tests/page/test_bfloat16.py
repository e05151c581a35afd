"""The native pass in bfloat16: what it rounds, and the same bits by every way in."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.batch import RerankBatch, Slates
from gerank.data.request_check import parse_request
from gerank.engine import Engine, EngineOptions
from gerank.export.artifact import write_artifact
from gerank.export.precision import answer
from gerank.ranker import Ranker
from tests.data.request_cases import CONTRACT, random_document
from tests.nn.batches import random_generator as generator_of_contract
from tests.ops.cases import DecodeCase
from tests.ops.parity import follow
from tests.page.page_cases import (
    CONTROLS,
    random_contract,
    random_generator,
    random_requests,
    random_schema,
)
from tests.page.rounded_reference import Roundings, follow_rounded, log_prob_error, rounded_case

ROOT = Path(__file__).resolve().parents[2]
FOLDED_FROM = 8  # candidates
CERTAIN_PAGES = 50  # whose roundings are known


@pytest.fixture(scope="module", autouse=True)
def bfloat16_is_here(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("probe") / "model.gerank"
    write_artifact(generator_of_contract(0), CONTRACT, path, name="probe", training={})
    if Ranker.load(path, precision="bfloat16").precision != "bfloat16":
        pytest.skip("this processor lacks AVX512_BF16")


class Case:
    """A random generator, as it was before it was frozen, and requests to it in bfloat16."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        requests: int = 25,
        candidates: int = 30,
        key_scale: float = 1.0,
    ) -> None:
        """`key_scale` multiplies what a candidate adds to a score before the tanh."""
        rng = np.random.default_rng(seed)
        contract = random_contract(rng, random_schema(rng))
        self.generator = random_generator(rng, contract, CONTROLS[seed % len(CONTROLS)])
        with torch.no_grad():
            self.generator.decoder.w_candidate.mul_(key_scale)
        self.path = folder / f"{seed}.gerank"
        served = copy.deepcopy(self.generator)  # it is frozen when it is written
        write_artifact(served, contract, self.path, name="case", training={})
        self.batch = random_requests(rng, contract, requests, candidates)
        self.ranker = Ranker.load(self.path, precision="bfloat16")

    def answer(self) -> Slates:
        return answer(self.ranker, self.batch)


def rows(batch: RerankBatch, first: int, end: int) -> RerankBatch:
    return RerankBatch(*(tensor[first:end] for tensor in batch))


def test_rounds_what_enters_a_product_and_nothing_else(seed: int, tmp_path: Path) -> None:
    """A number that lies between two is rounded to either, by the last bits of a float32 sum.

    On pages where hardly any does the reference agrees to the last digits, as it would not if
    anything else were rounded. There are few such pages, and of small models most of them. A sum
    whose parts cancel is off by more than is reckoned with, so that not every such page is near.
    Keys are small here: what is larger than the tables' range is scored in double, unrounded.
    """
    errors, unrounded = [], []
    for place in range(60):
        case = Case(seed + place, tmp_path, 250, FOLDED_FROM - 1, key_scale=1 / 16)
        given, roundings = case.answer(), Roundings(case.batch.candidate_mask)
        rounded = rounded_case(case.generator, case.batch, roundings)
        error = log_prob_error(follow_rounded(rounded, given.slates, roundings), given)
        assert error.max() < 0.1
        plain = log_prob_error(follow(exact_case(case), given.slates, 0), given)
        chosen = roundings.certain & (given.log_prob != 0).any(1)
        errors += error[chosen].amax(1).tolist()
        unrounded += plain[chosen].amax(1).tolist()
        if len(errors) >= CERTAIN_PAGES:
            break
    assert len(errors) >= CERTAIN_PAGES
    assert np.quantile(errors, 0.8) < 1e-6
    assert np.median(unrounded) > 1e-5  # else the line above could not fail


def exact_case(case: Case) -> DecodeCase:
    """The same requests without any rounding."""
    model = case.generator.double()
    wide = RerankBatch(*(t.double() if t.is_floating_point() else t for t in case.batch))
    with torch.no_grad():
        encoded = model.encode_batch(wide)
    return DecodeCase(*encoded, *wide.rules, wide.seeds, wide.greedy, 1, model.context_window)


@pytest.mark.parametrize("place", range(4))
def test_is_near_float32_for_sets_of_any_size(seed: int, place: int, tmp_path: Path) -> None:
    case = Case(seed + place, tmp_path, candidates=(1, 8, 40, 100)[place])
    given, exact = case.answer(), answer(Ranker.load(case.path, precision="float32"), case.batch)
    same = (given.slates == exact.slates).cumprod(1).bool()  # up to the first other choice
    torch.testing.assert_close(given.log_prob[same], exact.log_prob[same], rtol=0.1, atol=0.1)
    assert same.float().mean() > 0.8


@pytest.mark.parametrize("place", range(4))
def test_an_answer_is_the_same_in_any_company(seed: int, place: int, tmp_path: Path) -> None:
    case = Case(seed + place, tmp_path)
    together = case.answer()
    for first, end in ((0, 1), (24, 25), (3, 5), (2, 16)):
        alone = answer(case.ranker, rows(case.batch, first, end))
        for whole, part in zip(together, alone, strict=True):
            assert torch.equal(whole[first:end], part)


def test_an_answer_is_the_same_on_any_number_of_threads(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "model.gerank"
    write_artifact(generator_of_contract(1), CONTRACT, path, name="threads", training={})
    ranker = Ranker.load(path, precision="bfloat16")
    rng = np.random.default_rng(seed)
    requests = [parse_request(random_document(rng, CONTRACT), CONTRACT) for _ in range(40)]
    answers = []
    for threads in (1, 2, 3):
        with Engine(EngineOptions(workers=1, intra_op_threads=threads, max_batch=64)) as engine:
            engine.publish("default", ranker)
            answers.append(engine.rank(requests).slates)
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            assert (one.candidates, one.log_prob) == (two.candidates, two.log_prob)


def test_what_lies_in_padding_is_not_read(seed: int, tmp_path: Path) -> None:
    case = Case(seed, tmp_path)
    real = case.batch.candidate_mask.unsqueeze(2)
    spoiled = case.batch._replace(
        candidate_dense=torch.where(real, case.batch.candidate_dense, torch.nan),
        candidate_ids=torch.where(real, case.batch.candidate_ids, -(2**40)),
    )
    assert all(map(torch.equal, case.answer(), answer(case.ranker, spoiled)))


def test_an_instruction_set_that_is_forced_answers_in_float32(seed: int, tmp_path: Path) -> None:
    case = Case(seed, tmp_path)
    code = (
        "import sys; from gerank.ranker import Ranker; "
        "ranker = Ranker.load(sys.argv[1], precision='bfloat16'); "
        "print(ranker.precision, ranker.wanted_precision)"
    )
    for forced in ("avx512", "avx2", "plain"):
        result = subprocess.run(
            [sys.executable, "-c", code, str(case.path)],
            cwd=ROOT,
            env=os.environ | {"GERANK_CPU": forced},
            capture_output=True,
            text=True,
        )
        assert result.stdout.split() == ["float32", "bfloat16"], result.stderr
