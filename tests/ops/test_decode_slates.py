"""decode_slates: the whole loop gives the reference's slates, whatever it travels with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gerank import ops
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes
from tests.ops.layouts import strided
from tests.ops.parity import Answer, decision_margin, expect_same_decode

LARGE = [
    Sizes(batch=3, candidates=100, slots=10, width=64, attention_width=64, groups=3),
    Sizes(batch=2, candidates=200, slots=50, width=128, attention_width=128),
    Sizes(batch=1, candidates=512, slots=128, width=128, attention_width=128, groups=8, flags=16),
    Sizes(batch=2, candidates=30, slots=5, width=512, attention_width=512, slates=3),
    Sizes(batch=2, candidates=512, slots=3, width=17, attention_width=511, context_window=128),
    Sizes(batch=2, candidates=40, slots=128, width=250, attention_width=31),
]


def decode(case: DecodeCase) -> Answer:
    return Answer(*ops.decode_slates(*case.arguments()))


def expect_equal(mine: Answer, other: Answer) -> None:
    for name, left, right in zip(Answer._fields, mine, other, strict=True):
        assert torch.equal(left, right), name


@pytest.mark.parametrize("part", range(8))
def test_equals_the_reference(seed: int, part: int) -> None:
    for offset in range(25):
        case = make_case(
            seed + offset,
            random_sizes(seed + offset),
            rules=offset % 5 != 0,
            per_request_attention=offset % 2 == 0,
        )
        expect_same_decode(case, decode(case))


@pytest.mark.parametrize("sizes", LARGE, ids=str)
def test_equals_the_reference_at_large_sizes(seed: int, sizes: Sizes) -> None:
    for rules in (True, False):
        case = make_case(seed, sizes, rules=rules, ragged=rules, per_request_attention=rules)
        expect_same_decode(case, decode(case))


@pytest.mark.parametrize("scale", [3.0, 10.0, 30.0])
def test_equals_the_reference_where_tanh_saturates(seed: int, scale: float) -> None:
    for offset in range(15):
        sizes = random_sizes(seed + offset)
        case = make_case(seed + offset, sizes, scale=scale, per_request_attention=offset % 2 == 0)
        expect_same_decode(case, decode(case))


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["v is zero", "half of v is zero"])
@pytest.mark.parametrize("small", [0.0, 1e-30, 1e-6])
def test_equals_the_reference_where_elements_of_v_vanish(
    seed: int, kept: float, small: float
) -> None:
    for offset in range(5):
        case = make_case(seed + offset, random_sizes(seed + offset))
        is_kept = torch.rand(case.attention[0, -3].shape) < kept
        attention = case.attention.clone()
        attention[:, -3] *= torch.where(is_kept, 1.0, small)  # v: bias and scale follow it
        case = replace(case, attention=attention)
        expect_same_decode(case, decode(case))


def test_float64_equals_the_reference_closely(seed: int) -> None:
    for offset in range(15):
        sizes = random_sizes(seed + offset)
        case = make_case(seed + offset, sizes, dtype=torch.float64)
        answer = decode(case)
        assert answer.log_prob.dtype == torch.float64
        expect_same_decode(case, answer, tolerance=1e-9)


def test_a_seed_gives_the_same_slates_again_and_another_seed_others(seed: int) -> None:
    case = make_case(seed, Sizes(batch=20, slates=2), rules=False, ragged=False, greedy=False)
    first = decode(case)
    expect_equal(decode(case), first)
    other = decode(replace(case, seeds=case.seeds + 1))
    assert (other.slates != first.slates).any(2).float().mean() > 0.9


def test_slates_of_one_request_differ_when_sampled_and_agree_when_greedy(seed: int) -> None:
    case = make_case(seed, Sizes(batch=20, slates=3), rules=False, ragged=False, greedy=False)
    slates = decode(case).slates
    assert (slates[:, 0] != slates[:, 1]).any(1).float().mean() > 0.9
    assert (slates[:, 1] != slates[:, 2]).any(1).float().mean() > 0.9
    greedy = decode(replace(case, greedy=torch.ones_like(case.greedy))).slates
    assert torch.equal(greedy, greedy[:, :1].expand_as(greedy))


def test_the_first_slates_do_not_depend_on_how_many_are_asked_for(seed: int) -> None:
    case = make_case(seed, Sizes(batch=10, slates=5))
    many, few = decode(case), decode(replace(case, num_slates=2))
    expect_equal(Answer(*(part[:, :2] for part in many)), few)


@pytest.mark.parametrize("width", [1, 20, 64])
def test_ties_go_to_the_lower_index(seed: int, width: int) -> None:
    sizes = Sizes(candidates=75, slots=9, width=width, attention_width=width, groups=0, flags=0)
    case = make_case(seed, sizes, rules=False, ragged=False, greedy=True)
    same = case.candidates[:, :1].expand_as(case.candidates)
    mask = torch.arange(75).expand(8, 75) >= 2
    slates = decode(replace(case, candidates=same, mask=mask)).slates
    assert slates[:, 0].tolist() == [list(range(2, 11))] * 8


def test_greedy_ignores_the_seed(seed: int) -> None:
    case = make_case(seed, greedy=True)
    expect_equal(decode(case), decode(replace(case, seeds=case.seeds + 12345)))


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(batch=30, candidates=20, slots=10, width=64, attention_width=64, slates=2),
        Sizes(batch=13, candidates=33, slots=7, width=19, attention_width=40),
        Sizes(batch=9, candidates=150, slots=12, width=128, attention_width=128),
    ],
    ids=str,
)
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_request_is_answered_bitwise_alike_alone_in_batches_and_on_threads(
    seed: int, sizes: Sizes, scale: float
) -> None:
    case = make_case(seed, sizes, per_request_attention=True, scale=scale)
    together = decode(case)
    for b in range(sizes.batch):
        expect_equal(decode(case.rows([b])), Answer(*(part[b : b + 1] for part in together)))
    order = torch.randperm(sizes.batch, generator=torch.Generator().manual_seed(seed))
    expect_equal(decode(case.rows(order)), Answer(*(part[order] for part in together)))
    torch.set_num_threads(2)
    expect_equal(decode(case), together)


def test_padding_a_request_to_larger_sizes_changes_no_bit(seed: int) -> None:
    for offset in range(20):
        sizes = random_sizes(seed + offset)
        case = make_case(seed + offset, sizes)
        plain, padded = decode(case), decode(case.padded(sizes.candidates + 37, sizes.slots + 9))
        expect_equal(Answer(*(part[:, :, : sizes.slots] for part in padded)), plain)
        assert (padded.slates[:, :, sizes.slots :] == -1).all()


def test_what_padding_candidates_hold_changes_no_bit(seed: int) -> None:
    case = make_case(seed, Sizes(batch=20))
    expect_equal(decode(case.with_unseen_padding(1e6)), decode(case))


def test_permuted_candidates_give_permuted_greedy_slates(seed: int) -> None:
    for offset in range(10):
        sizes = replace(random_sizes(seed + offset), batch=17)
        case = make_case(seed + offset, sizes, greedy=True)
        clear = decision_margin(case) > 1e-4
        source = torch.Generator().manual_seed(seed)
        order = torch.rand(case.mask.shape, generator=source).argsort(1)  # [B, M]
        slates = decode(case).slates.flatten(1)
        permuted = decode(case.permuted(order)).slates.flatten(1)
        back = torch.where(permuted >= 0, order.gather(1, permuted.clamp(min=0)), -1)
        assert torch.equal(back[clear], slates[clear])


def test_strides_do_not_matter(seed: int) -> None:
    for per_request in (False, True):
        case = make_case(seed, Sizes(slates=2), per_request_attention=per_request)
        apart = ops.decode_slates(*(strided(value) for value in case.arguments()))
        expect_equal(Answer(*apart), decode(case))


def test_shared_attention_equals_the_same_parameters_for_each_request(seed: int) -> None:
    case = make_case(seed)
    views = replace(case, attention=case.attention.expand(8, -1, -1))
    expect_equal(decode(views), decode(case))
    expect_equal(decode(replace(views, attention=views.attention.clone())), decode(case))


def test_an_empty_batch_gives_empty_slates() -> None:
    answer = decode(make_case(0, Sizes(slates=3)).rows([]))
    assert [tuple(part.shape) for part in answer] == [(0, 3, 6)] * 3


def test_inputs_are_left_as_they_were(seed: int) -> None:
    case = make_case(seed)
    before = [v.clone() for v in case.arguments() if isinstance(v, torch.Tensor)]
    decode(case)
    after = [v for v in case.arguments() if isinstance(v, torch.Tensor)]
    assert all(torch.equal(left, right) for left, right in zip(before, after, strict=True))


@pytest.mark.parametrize("temperature", [1e-3, 1e3])
@pytest.mark.parametrize("size", [1e-20, 100.0, 1e10])
def test_finite_inputs_never_give_nan(seed: int, size: float, temperature: float) -> None:
    case = make_case(seed, Sizes(batch=20))
    case = replace(
        case,
        candidates=case.candidates * size,
        set_vector=case.set_vector * size,
        temperature=torch.full_like(case.temperature, temperature),
    )
    assert decode(case).log_prob.isfinite().all()
