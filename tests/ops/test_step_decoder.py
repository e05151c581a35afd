"""StepDecoder: the loop of decode_slates slot by slot, and choices of the caller's own in it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank import ops
from gerank.ops import StepDecoder
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes

pytestmark = pytest.mark.random

OUT = float("-inf")


def decoder_of(case: DecodeCase) -> StepDecoder:
    *tensors, _, window = case.arguments()
    return StepDecoder(*tensors, window)  # type: ignore[arg-type]


def collect(steps: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Choices and log_prob of all slots: [2, B, N] in double, which holds a candidate's number."""
    parts = [torch.stack([part.double() for part in step]) for step in steps]
    return torch.stack(parts, dim=2)


def expected(answer: tuple[Tensor, ...], slate: int) -> Tensor:
    return torch.stack([part[:, slate].double() for part in answer[:2]])


def test_left_alone_it_decodes(seed: int) -> None:
    for offset in range(40):
        dtype = torch.float64 if offset % 4 == 0 else torch.float32
        case = make_case(seed + offset, random_sizes(seed + offset), dtype=dtype)
        answer = ops.decode_slates(*case.arguments())
        decoder = decoder_of(case)
        for slate in range(case.num_slates):
            decoder.begin(slate)
            relaxed, steps = [], []
            for slot in range(case.pins.shape[1]):
                assert decoder.slot == slot
                relaxed.append(decoder.relaxed())
                steps.append(decoder.step())
            assert torch.equal(collect(steps), expected(answer, slate))
            assert torch.equal(torch.stack(relaxed, dim=1), answer[2][:, slate])
            for told, part in zip(decoder.slates(), answer, strict=True):
                assert torch.equal(told, part[:, slate])


def best_of_own(decoder: StepDecoder, temperature: Tensor) -> tuple[Tensor, Tensor]:
    """A step that takes the best logit; what it says of log_prob is compared with softmax."""
    logits = decoder.logits()
    choice = logits.argmax(1)
    log_p = torch.log_softmax(logits / temperature[:, None], dim=1)
    placed, given = decoder.step(forced=choice)
    own = log_p.gather(1, choice[:, None])[:, 0].where(placed >= 0, 0.0)
    torch.testing.assert_close(own, given, rtol=1e-5, atol=1e-5)
    return placed, given


def test_logits_are_what_it_chooses_by(seed: int) -> None:
    for offset in range(20):
        case = make_case(seed + offset, random_sizes(seed + offset))
        case = replace(case, greedy=torch.ones_like(case.greedy), num_slates=1)
        answer = ops.decode_slates(*case.arguments())
        decoder = decoder_of(case)
        found = collect(best_of_own(decoder, case.temperature) for _ in range(case.pins.shape[1]))
        assert torch.equal(found, expected(answer, 0))


def test_forced_slates_get_the_log_prob_of_the_teacher(seed: int) -> None:
    for offset in range(20):
        case = make_case(seed + offset, random_sizes(seed + offset))
        case = replace(case, num_slates=1)
        slates, _, _ = ops.decode_slates(*case.arguments())
        by_teacher, _ = ops.slate_log_prob(*case.along(slates))
        decoder = decoder_of(case)
        found = collect(decoder.step(forced=given) for given in slates[:, 0].unbind(1))
        assert torch.equal(found, expected((slates, by_teacher), 0))


def test_lowered_logits_rule_candidates_out(seed: int) -> None:
    for offset in range(20):
        case = make_case(seed + offset, random_sizes(seed + offset), rules=False)
        decoder = decoder_of(case)
        source = torch.Generator().manual_seed(seed)
        barred = torch.rand(case.mask.shape, generator=source) < 0.5
        steps = (
            decoder.step(logits=decoder.logits().masked_fill(barred, OUT))
            for _ in range(case.pins.shape[1])
        )
        found = collect(steps)[0].long()
        real = found >= 0
        assert not barred.gather(1, found.clamp(min=0))[real].any()
        assert torch.equal(real.sum(1), torch.minimum((case.mask & ~barred).sum(1), case.slots))
        unique = [len(set(row.tolist()) - {-1}) for row in found]
        assert unique == real.sum(1).tolist()


def test_an_answer_is_the_same_in_any_batch_and_on_any_threads(seed: int) -> None:
    case = make_case(seed, Sizes(batch=23, candidates=20, slots=8, slates=1))
    threads = torch.get_num_threads()
    found = []
    for part, used in ((case, 1), (case, 3), (case.rows([22, 3, 4]), 1)):
        torch.set_num_threads(used)
        decoder = decoder_of(part)
        found.append(collect(decoder.step() for _ in range(8)))
    torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0][:, [22, 3, 4]], found[2])


@torch.jit.script
def scripted_loop(
    candidates: Tensor, set_vector: Tensor, mask: Tensor, weights: Tensor, attention: Tensor,
    flags: Tensor, groups: Tensor, pins: Tensor, dedup_keys: Tensor, spacing: Tensor,
    quotas: Tensor, slots: Tensor, temperature: Tensor, seeds: Tensor, greedy: Tensor,
    context_window: int,
) -> Tensor:  # fmt: skip
    decoder = torch.classes.gerank.StepDecoder(
        candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
        spacing, quotas, slots, temperature, seeds, greedy, context_window,
    )  # fmt: skip
    choices: list[Tensor] = []
    for _ in range(pins.size(1)):
        choices.append(decoder.step(None, decoder.logits() - 1.0)[0])  # noqa: PERF401 - scripted
    return torch.stack(choices, dim=1)


def test_scripts(seed: int) -> None:
    case = replace(make_case(seed), num_slates=1)
    *tensors, _, window = case.arguments()
    slates = scripted_loop(*tensors, window)
    assert torch.equal(slates >= 0, ops.decode_slates(*case.arguments())[0][:, 0] >= 0)
    assert slates.shape == case.pins.shape


@pytest.fixture
def case() -> DecodeCase:
    """Three requests of four candidates and two slots; slot 1 of request 2 is pinned."""
    case = make_case(1, Sizes(batch=3, candidates=4, slots=2), rules=False, ragged=False)
    pins = torch.tensor([[-1, -1], [-1, -1], [-1, 3]])
    return replace(case, pins=pins, num_slates=1)


def test_refuses_what_the_rules_forbid(case: DecodeCase) -> None:
    decoder = decoder_of(case)
    for wrong in (4, -2):
        with pytest.raises(RuntimeError, match=rf"forced must be .* got {wrong} at slot 0 of req"):
            decoder.step(forced=torch.tensor([0, wrong, 0]))
    with pytest.raises(RuntimeError, match=r"forced must be .* got 3 at slot 0 of request 2"):
        decoder.step(forced=torch.tensor([3, 3, 3]))
    decoder.step(forced=torch.tensor([0, 1, 2]))
    with pytest.raises(RuntimeError, match=r"forced must be .* got 1 at slot 1 of request 1"):
        decoder.step(forced=torch.tensor([1, 1, 3]))
    with pytest.raises(RuntimeError, match=r"must stay -inf .* got 0 for candidate 0 at slot 1 of"):
        decoder.step(logits=torch.zeros(3, 4))
    assert decoder.slot == 1
    assert decoder.step(forced=torch.tensor([-1, -1, 3]))[0][2] == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_logits_that_are_no_numbers(case: DecodeCase, value: float) -> None:
    decoder = decoder_of(case)
    logits = decoder.logits()
    logits[1, 2] = value
    with pytest.raises(RuntimeError, match=r"below infinity, got (nan|inf) for candidate 2 at s"):
        decoder.step(logits=logits)


def test_a_pin_cannot_be_ruled_out(case: DecodeCase) -> None:
    decoder = decoder_of(case)
    decoder.step()
    with pytest.raises(RuntimeError, match="pinned candidate in, got -inf for candidate 3 at slot"):
        decoder.step(logits=torch.full((3, 4), OUT))


def test_names_wrong_shapes_and_the_end(case: DecodeCase) -> None:
    decoder = decoder_of(case)
    with pytest.raises(RuntimeError, match=r"StepDecoder: forced must be \[B\] = \[3\] int64, got"):
        decoder.step(forced=torch.zeros(3))
    with pytest.raises(RuntimeError, match=r"StepDecoder: logits must be \[B, M\] = \[3, 4\] floa"):
        decoder.step(logits=torch.zeros(4, 3))
    with pytest.raises(RuntimeError, match=r"StepDecoder: pins must be \[B, N\]"):
        decoder_of(replace(case, pins=case.pins[0]))
    with pytest.raises(RuntimeError, match="slate must be at least 0, got -1"):
        decoder.begin(-1)
    decoder.step()
    decoder.step()
    for ask in (decoder.step, decoder.logits, decoder.relaxed):
        with pytest.raises(RuntimeError, match=r"all 2 slots are filled; begin\(\) starts"):
            ask()
    decoder.begin()
    assert decoder.slot == 0


def test_tells_what_is_filled_so_far(case: DecodeCase) -> None:
    decoder = decoder_of(case)
    for _ in range(2):
        decoder.begin()
        slates, log_prob, relaxed = decoder.slates()
        assert (slates == -1).all() and (log_prob == 0).all() and (relaxed == 0).all()
        choice, given = decoder.step()
        slates, log_prob, _ = decoder.slates()
        assert torch.equal(slates, torch.stack([choice, torch.full_like(choice, -1)], dim=1))
        assert torch.equal(log_prob, torch.stack([given, torch.zeros_like(given)], dim=1))


def test_is_neither_copied_nor_pickled(case: DecodeCase) -> None:
    decoder = decoder_of(case)
    for ask in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError):
            ask(decoder)


def test_an_empty_batch(case: DecodeCase) -> None:
    decoder = decoder_of(case.rows([]))
    choice, log_prob = decoder.step()
    assert choice.shape == log_prob.shape == (0,)
