"""slate_log_prob's CUDA kernels, forward and backward, run on the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank import ops
from tests.cuda.agreement import expect_close_gradients, expect_equal
from tests.cuda.shim_kernels import Plan, Saved, Shim
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes
from tests.ops.parity import TOLERANCE, expect_close, tolerance_at

SIZES = Sizes(batch=7, candidates=21, slots=6, width=18, attention_width=40, slates=3)


def with_slates(seed: int, sizes: Sizes, **options: object) -> tuple[DecodeCase, Tensor]:
    """A case and slates of it, some choices swapped or left out, so that rules are broken."""
    case = make_case(seed, sizes, **options)
    slates = ops.decode_slates(*case.arguments())[0]
    source = torch.Generator().manual_seed(seed)
    other = torch.randint(sizes.candidates, slates.shape, generator=source)
    swap = (torch.rand(slates.shape, generator=source) < 0.1) & (slates >= 0)
    skip = torch.rand(slates.shape, generator=source) < 0.05
    return case, torch.where(skip, -1, torch.where(swap, other, slates))


def cpu_forward(case: DecodeCase, slates: Tensor) -> Saved:
    return Saved(*torch.ops.gerank.slate_log_prob_forward(*case.along(slates)))


def cpu_backward(
    case: DecodeCase, slates: Tensor, grads: tuple[Tensor, Tensor], saved: Saved
) -> tuple[Tensor, ...]:
    return torch.ops.gerank.slate_log_prob_backward(
        *grads, case.candidates, case.weights, case.attention, case.flags, case.groups,
        case.slots, case.temperature, slates, *saved, case.context_window,
    )  # fmt: skip


def random_grads(seed: int, saved: Saved) -> tuple[Tensor, Tensor]:
    """For log_prob and entropy; 0 for what is impossible, as any loss has to have it."""
    source = torch.Generator().manual_seed(seed)
    first, second = torch.randn((2, *saved.log_prob.shape), generator=source).to(saved.probs.dtype)
    return torch.where(saved.log_prob.isfinite(), first, 0), second


def expect_same_forward(mine: Saved, other: Saved, tolerance: float = TOLERANCE) -> None:
    for left, right in zip(mine, other, strict=True):
        expect_close(left, right, tolerance)


@pytest.mark.parametrize("part", range(4))
def test_forward_and_gradients_equal_the_cpu_ops(shim: Shim, seed: int, part: int) -> None:
    for offset in range(15):
        sizes = random_sizes(seed + offset)
        case, slates = with_slates(seed + offset, sizes, per_request_attention=offset % 2 == 0)
        mine, saved = shim.slate_log_prob(case, slates), cpu_forward(case, slates)
        expect_same_forward(mine, saved)
        grads = random_grads(seed, saved)
        expect_close_gradients(
            shim.slate_log_prob_backward(case, slates, grads, saved),
            cpu_backward(case, slates, grads, saved),
        )


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(batch=2, candidates=100, slots=10, width=64, attention_width=64, slates=2),
        Sizes(batch=1, candidates=512, slots=12, width=100, attention_width=60, groups=8, flags=16),
        Sizes(batch=2, candidates=30, slots=5, width=300, attention_width=512),
    ],
    ids=str,
)
def test_forward_and_gradients_equal_the_cpu_ops_at_large_sizes(
    shim: Shim, seed: int, sizes: Sizes
) -> None:
    case, slates = with_slates(seed, sizes)
    saved = cpu_forward(case, slates)
    expect_same_forward(shim.slate_log_prob(case, slates), saved)
    grads = random_grads(seed, saved)
    expect_close_gradients(
        shim.slate_log_prob_backward(case, slates, grads, saved),
        cpu_backward(case, slates, grads, saved),
    )


def test_forward_equals_the_cpu_op_where_keys_leave_the_table(shim: Shim, seed: int) -> None:
    for offset in range(10):
        case, slates = with_slates(seed + offset, random_sizes(seed + offset), scale=30.0)
        mine, expected = shim.slate_log_prob(case, slates), cpu_forward(case, slates)
        expect_close(mine.log_prob, expected.log_prob, 2 * tolerance_at(30.0))
        expect_close(mine.entropy, expected.entropy, 2 * tolerance_at(30.0))


def test_gradients_in_float64_equal_the_cpu_ops_closely(shim: Shim, seed: int) -> None:
    for scale in (1.0, 30.0):
        case, slates = with_slates(seed, SIZES, dtype=torch.float64, scale=scale)
        mine, saved = shim.slate_log_prob(case, slates), cpu_forward(case, slates)
        expect_same_forward(mine, saved, 1e-10)
        grads = random_grads(seed, saved)
        expected = cpu_backward(case, slates, grads, saved)
        actual = shim.slate_log_prob_backward(case, slates, grads, saved)
        for left, right in zip(actual, expected, strict=True):
            size = float(right.abs().amax())
            torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-10 * max(size, 1e-3))


@pytest.mark.parametrize(
    "plan",
    [
        Plan(threads=256),
        Plan(sequences=8, multiprocessors=1),
        Plan(sequences=3, slates_per_item=2, resident=0, shared_keys=0),
        Plan(max_rows=1),
        Plan(capacity=512, blocks=2),
    ],
    ids=str,
)
def test_no_plan_changes_a_bit_of_the_forward(shim: Shim, seed: int, plan: Plan) -> None:
    case, slates = with_slates(seed, SIZES, per_request_attention=True)
    expect_equal(shim.slate_log_prob(case, slates, plan), shim.slate_log_prob(case, slates))


def test_gradients_have_the_same_bits_in_every_order_of_threads(shim: Shim, seed: int) -> None:
    case, slates = with_slates(seed, SIZES)
    saved = shim.slate_log_prob(case, slates)
    grads = random_grads(seed, saved)
    plan = Plan(threads=128)
    first = shim.slate_log_prob_backward(case, slates, grads, saved, plan)
    for schedule in range(3):
        shim.schedule(seed + schedule)
        expect_equal(shim.slate_log_prob_backward(case, slates, grads, saved, plan), first)


@pytest.mark.parametrize("plan", [Plan(threads=256), Plan(groups=1), Plan(max_rows=1, blocks=2)])
def test_every_plan_gives_the_same_gradients(shim: Shim, seed: int, plan: Plan) -> None:
    case, slates = with_slates(seed, SIZES)
    saved = cpu_forward(case, slates)
    grads = random_grads(seed, saved)
    expect_close_gradients(
        shim.slate_log_prob_backward(case, slates, grads, saved, plan),
        cpu_backward(case, slates, grads, saved),
    )


def test_decoded_slates_have_the_log_prob_that_decoding_gave(shim: Shim, seed: int) -> None:
    case = make_case(seed, SIZES)
    answer = shim.decode_slates(case)
    expect_close(shim.slate_log_prob(case, answer.slates).log_prob, answer.log_prob)


def test_a_slate_that_names_no_candidate_gets_nan_and_harms_no_other(shim: Shim, seed: int) -> None:
    case, slates = with_slates(seed, SIZES)
    sound = shim.slate_log_prob(case, slates)
    for value in (-2, 21, 2**40):
        broken = slates.clone()
        broken[2, 1, 3] = value
        answer = shim.slate_log_prob(case, broken)
        whole = torch.ones(slates.shape[:2], dtype=torch.bool)
        whole[2, 1] = False
        assert answer.log_prob[2, 1].isnan().all() and answer.entropy[2, 1].isnan().all()
        expect_equal(tuple(p[whole] for p in answer), tuple(p[whole] for p in sound))
        grads = random_grads(seed, answer)
        for grad in shim.slate_log_prob_backward(case, broken, grads, answer):
            assert grad.isfinite().all()


def test_an_empty_batch_gives_zero_gradients(shim: Shim) -> None:
    case = replace(make_case(0), num_slates=1).rows([])
    slates = torch.zeros((0, 1, 6), dtype=torch.int64)
    saved = shim.slate_log_prob(case, slates)
    grads = (torch.zeros(0, 1, 6), torch.zeros(0, 1, 6))
    assert not any(g.any() for g in shim.slate_log_prob_backward(case, slates, grads, saved))
