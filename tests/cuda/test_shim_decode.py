"""decode_slates' CUDA kernel, run on the CPU, gives the slates of the CPU op."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.cuda.agreement import expect_agreement, expect_equal
from tests.cuda.shim_kernels import Plan, Shim
from tests.ops.cases import Sizes, make_case, random_sizes
from tests.ops.parity import Answer, expect_same_decode, tolerance_at

GPU_SHARED_BYTES = {"A100": 163 * 1024, "H100": 227 * 1024, "L4": 99 * 1024}

LARGE = [
    Sizes(batch=3, candidates=100, slots=10, width=64, attention_width=64, groups=3),
    Sizes(batch=2, candidates=200, slots=50, width=128, attention_width=128),
    Sizes(batch=1, candidates=512, slots=128, width=32, attention_width=64, groups=8, flags=16),
    Sizes(batch=2, candidates=30, slots=5, width=512, attention_width=512, slates=3),
    Sizes(batch=2, candidates=512, slots=3, width=17, attention_width=511, context_window=128),
    Sizes(batch=9, candidates=40, slots=20, width=250, attention_width=31),
]


@pytest.mark.parametrize("part", range(6))
def test_equals_the_cpu_op_and_the_reference(shim: Shim, seed: int, part: int) -> None:
    for offset in range(25):
        case = make_case(
            seed + offset,
            random_sizes(seed + offset),
            rules=offset % 5 != 0,
            per_request_attention=offset % 2 == 0,
        )
        answer = shim.decode_slates(case)
        expect_agreement(case, answer)
        if offset % 5 == 0:
            expect_same_decode(case, answer)


@pytest.mark.parametrize("sizes", LARGE, ids=str)
def test_equals_the_cpu_op_at_large_sizes(shim: Shim, seed: int, sizes: Sizes) -> None:
    case = make_case(seed, sizes, per_request_attention=True)
    expect_agreement(case, shim.decode_slates(case))


@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_equals_the_cpu_op_where_keys_leave_the_table(shim: Shim, seed: int, scale: float) -> None:
    for offset in range(12):
        case = make_case(seed + offset, random_sizes(seed + offset), scale=scale)
        expect_same_decode(case, shim.decode_slates(case), tolerance_at(scale))


def test_float64_equals_the_reference_closely(shim: Shim, seed: int) -> None:
    for offset in range(8):
        case = make_case(seed + offset, random_sizes(seed + offset), dtype=torch.float64)
        expect_same_decode(case, shim.decode_slates(case), tolerance=1e-9)


PLANS = [
    Plan(threads=256),
    Plan(threads=32),
    Plan(multiprocessors=1, threads=96),
    *(Plan(sequences=sequences, blocks=2) for sequences in range(1, 9)),
    Plan(max_rows=1),
    Plan(max_rows=3, sequences=3),
    Plan(resident=0),
    Plan(shared_keys=0, sequences=5),
    Plan(resident=0, shared_keys=0, blocks=1),
    Plan(capacity=512),
    Plan(slates_per_item=2, sequences=4),
    Plan(slates_per_item=3),
    *(Plan(shared_bytes=size, multiprocessors=1) for size in GPU_SHARED_BYTES.values()),
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_no_plan_and_no_order_of_threads_changes_a_bit(shim: Shim, seed: int, plan: Plan) -> None:
    sizes = Sizes(batch=11, candidates=21, slots=6, width=18, attention_width=40, slates=3)
    case = make_case(seed, sizes, per_request_attention=True)
    shim.schedule(seed + 1)
    expect_equal(shim.decode_slates(case, plan), shim.decode_slates(case))


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_request_is_answered_bitwise_alike_alone_and_in_a_batch(
    shim: Shim, seed: int, scale: float
) -> None:
    sizes = Sizes(batch=13, candidates=33, slots=5, width=19, attention_width=40)
    case = make_case(seed, sizes, per_request_attention=True, scale=scale)
    together = shim.decode_slates(case)
    for b in range(sizes.batch):
        alone = shim.decode_slates(case.rows([b]))
        expect_equal(alone, Answer(*(part[b : b + 1] for part in together)))


def test_padding_a_request_to_larger_sizes_changes_no_bit(shim: Shim, seed: int) -> None:
    for offset in range(8):
        sizes = random_sizes(seed + offset)
        case = make_case(seed + offset, sizes)
        plain = shim.decode_slates(case)
        padded = shim.decode_slates(case.padded(sizes.candidates + 37, sizes.slots + 9))
        expect_equal(Answer(*(part[:, :, : sizes.slots] for part in padded)), plain)
        assert (padded.slates[:, :, sizes.slots :] == -1).all()


def test_what_padding_candidates_hold_changes_no_bit(shim: Shim, seed: int) -> None:
    case = make_case(seed, Sizes(batch=20))
    for garbage in (1e6, torch.nan):
        noise = case.with_unseen_padding(garbage)
        expect_equal(shim.decode_slates(noise), shim.decode_slates(case))


@pytest.mark.parametrize("width", [1, 20, 64])
def test_ties_go_to_the_lower_index(shim: Shim, seed: int, width: int) -> None:
    sizes = Sizes(candidates=75, slots=9, width=width, attention_width=width, groups=0, flags=0)
    case = make_case(seed, sizes, rules=False, ragged=False, greedy=True)
    same = case.candidates[:, :1].expand_as(case.candidates)
    mask = torch.arange(75).expand(8, 75) >= 2
    slates = shim.decode_slates(replace(case, candidates=same, mask=mask)).slates
    assert slates[:, 0].tolist() == [list(range(2, 11))] * 8


@pytest.mark.parametrize("temperature", [1e-3, 1e3])
@pytest.mark.parametrize("size", [1e-20, 100.0, 1e10])
def test_finite_inputs_never_give_nan(
    shim: Shim, seed: int, size: float, temperature: float
) -> None:
    case = make_case(seed, Sizes(batch=20))
    case = replace(
        case,
        candidates=case.candidates * size,
        set_vector=case.set_vector * size,
        temperature=torch.full_like(case.temperature, temperature),
    )
    assert shim.decode_slates(case).log_prob.isfinite().all()


def test_an_empty_batch_gives_empty_slates(shim: Shim) -> None:
    answer = shim.decode_slates(make_case(0, Sizes(slates=3)).rows([]))
    assert [tuple(part.shape) for part in answer] == [(0, 3, 6)] * 3


def with_a_value(tensor: torch.Tensor, index: tuple[int, ...], value: float) -> torch.Tensor:
    changed = tensor.clone()
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("pins", (3, 1), 12), ("pins", (3, 1), 2**40), ("pins", (3, 1), -7),
        ("pins", (3, 1), 0), ("pins", (3, 5), 1), ("slots", (3,), -1), ("slots", (3,), 7),
        ("slots", (3,), 2**33), ("temperature", (3,), 0.0), ("temperature", (3,), torch.nan),
        ("temperature", (3,), torch.inf), ("temperature", (3,), -1.0),
    ],
)  # fmt: skip
def test_a_request_that_breaks_a_promise_gets_nan_and_harms_no_other(
    shim: Shim, seed: int, name: str, index: tuple[int, ...], value: float
) -> None:
    case = make_case(seed, rules=False, ragged=False)
    case = replace(  # slot 5 is not asked for, candidate 0 is pinned already
        case,
        pins=with_a_value(case.pins, (3, 0), 0),
        slots=with_a_value(case.slots, (3,), 5),
    )
    sound = shim.decode_slates(case)
    assert sound.log_prob.isfinite().all()
    broken = replace(case, **{name: with_a_value(getattr(case, name), index, value)})
    answer = shim.decode_slates(broken)
    assert answer.log_prob[3].isnan().all() and (answer.slates[3] == -1).all()
    others = [b for b in range(8) if b != 3]
    expect_equal(Answer(*(p[others] for p in answer)), Answer(*(p[others] for p in sound)))


def test_two_pins_on_one_dedup_key_get_nan(shim: Shim, seed: int) -> None:
    case = make_case(seed, rules=False, ragged=False)
    keys = with_a_value(with_a_value(case.dedup_keys, (2, 1), 9), (2, 4), 9)
    pins = with_a_value(with_a_value(case.pins, (2, 0), 1), (2, 3), 4)
    log_prob = shim.decode_slates(replace(case, dedup_keys=keys, pins=pins)).log_prob
    assert log_prob.isnan().flatten(1).all(1).tolist() == [b == 2 for b in range(8)]
