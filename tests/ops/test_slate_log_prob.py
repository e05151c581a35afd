"""slate_log_prob: the log-probability of given slates, with every gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank import ops, reference
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes
from tests.ops.layouts import strided
from tests.ops.parity import expect_close

DIFFERENTIABLE = ("candidates", "set_vector", "weights", "attention")


def with_slates(seed: int, sizes: Sizes, **options: object) -> tuple[DecodeCase, Tensor]:
    """A case and slates of it: decoded ones, but some choices swapped, so that rules are broken."""
    case = make_case(seed, sizes, **options)
    slates = reference.decode_slates(*case.to(torch.float32).arguments()).slates
    source = torch.Generator().manual_seed(seed)
    other = torch.randint(sizes.candidates, slates.shape, generator=source)
    swap = (torch.rand(slates.shape, generator=source) < 0.1) & (slates >= 0)
    skip = torch.rand(slates.shape, generator=source) < 0.05
    return case, torch.where(skip, -1, torch.where(swap, other, slates))


@pytest.mark.parametrize("part", range(4))
def test_equals_the_reference(seed: int, part: int) -> None:
    for offset in range(25):
        sizes = random_sizes(seed + offset)
        case, slates = with_slates(seed + offset, sizes, per_request_attention=offset % 2 == 0)
        log_prob, entropy = ops.slate_log_prob(*case.along(slates))
        expected = reference.slate_log_prob(*case.to(torch.float64).along(slates))
        expect_close(log_prob, expected.log_prob)
        expect_close(entropy, expected.entropy)


@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_equals_the_reference_where_tanh_saturates(seed: int, scale: float) -> None:
    for offset in range(10):
        case, slates = with_slates(seed + offset, random_sizes(seed + offset), scale=scale)
        log_prob, entropy = ops.slate_log_prob(*case.along(slates))
        expected = reference.slate_log_prob(*case.to(torch.float64).along(slates))
        expect_close(log_prob, expected.log_prob)
        expect_close(entropy, expected.entropy)


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(batch=2, candidates=200, slots=50, width=128, attention_width=128, slates=2),
        Sizes(batch=1, candidates=512, slots=20, width=100, attention_width=60, groups=8, flags=16),
        Sizes(batch=2, candidates=30, slots=5, width=512, attention_width=512),
    ],
    ids=str,
)
def test_equals_the_reference_at_large_sizes(seed: int, sizes: Sizes) -> None:
    case, slates = with_slates(seed, sizes)
    log_prob, entropy = ops.slate_log_prob(*case.along(slates))
    expected = reference.slate_log_prob(*case.to(torch.float64).along(slates))
    expect_close(log_prob, expected.log_prob)
    expect_close(entropy, expected.entropy)


def test_decoded_slates_have_the_log_prob_that_decoding_gave(seed: int) -> None:
    for offset in range(20):
        case = make_case(seed + offset, random_sizes(seed + offset))
        slates, log_prob, _ = ops.decode_slates(*case.arguments())
        expect_close(ops.slate_log_prob(*case.along(slates))[0], log_prob)


def leaves_of(case: DecodeCase) -> tuple[DecodeCase, list[Tensor]]:
    leaves = [getattr(case, name).detach().clone().requires_grad_() for name in DIFFERENTIABLE]
    return replace(case, **dict(zip(DIFFERENTIABLE, leaves, strict=True))), leaves


def gradients(op, case: DecodeCase, slates: Tensor, seed: int) -> tuple[Tensor, ...]:
    """Differentiates a randomly weighted sum of all finite log-probabilities and entropies."""
    case, leaves = leaves_of(case)
    log_prob, entropy = op(*case.along(slates))
    source = torch.Generator().manual_seed(seed)
    weights = torch.randn((2, *slates.shape), generator=source).to(log_prob.dtype)
    finite = torch.where(log_prob.isfinite(), log_prob, 0.0)
    return torch.autograd.grad((weights[0] * finite + weights[1] * entropy).sum(), leaves)


def expect_close_gradients(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Within 1e-5 of the largest element of each tensor, or of 0.1 where all cancel."""
    for name, mine, other in zip(DIFFERENTIABLE, actual, expected, strict=True):
        bound = 1e-5 * max(0.1, float(other.abs().amax()) if other.numel() else 0.0)
        torch.testing.assert_close(
            mine.double(), other, rtol=1e-5, atol=bound, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("part", range(4))
def test_gradients_equal_autograds(seed: int, part: int) -> None:
    for offset in range(12):
        sizes = random_sizes(seed + offset)
        case, slates = with_slates(seed + offset, sizes, per_request_attention=offset % 2 == 0)
        expect_close_gradients(
            gradients(ops.slate_log_prob, case, slates, seed),
            gradients(reference.slate_log_prob, case.to(torch.float64), slates, seed),
        )


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(batch=2, candidates=100, slots=10, width=64, attention_width=64, slates=2),
        Sizes(batch=2, candidates=150, slots=20, width=128, attention_width=128),
        Sizes(batch=70, candidates=20, slots=10, width=64, attention_width=64),
    ],
    ids=str,
)
def test_gradients_equal_autograds_at_large_sizes(seed: int, sizes: Sizes) -> None:
    case, slates = with_slates(seed, sizes)
    expect_close_gradients(
        gradients(ops.slate_log_prob, case, slates, seed),
        gradients(reference.slate_log_prob, case.to(torch.float64), slates, seed),
    )


def test_gradients_where_tanh_saturates_are_as_exact_as_float32_allows(seed: int) -> None:
    ratios = []
    for offset in range(20):
        case, slates = with_slates(seed + offset, random_sizes(seed + offset), scale=30.0)
        exact = gradients(reference.slate_log_prob, case.to(torch.float64), slates, seed)
        plain = gradients(reference.slate_log_prob, case, slates, seed)
        fused = gradients(ops.slate_log_prob, case, slates, seed)
        for right, one, other in zip(exact, fused, plain, strict=True):
            assert one.isfinite().all()
            floor = 1e-6 * right.norm()
            ratios.append(((one - right).norm() + floor) / ((other - right).norm() + floor))
    ratios = torch.stack(ratios).nan_to_num(1.0)  # 0 / 0: nothing to be wrong about
    assert ratios.median() < 3


@pytest.mark.parametrize("per_request", [False, True])
def test_gradcheck_with_rules_active(seed: int, per_request: bool) -> None:
    sizes = Sizes(3, 6, 4, width=3, attention_width=4, groups=1, flags=1, slates=2)
    case = make_case(seed, sizes, per_request_attention=per_request, dtype=torch.float64)
    slates = ops.decode_slates(*case.arguments())[0]
    case, leaves = leaves_of(case)

    def outputs(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        there = replace(case, **dict(zip(DIFFERENTIABLE, inputs, strict=True)))
        return ops.slate_log_prob(*there.along(slates))

    assert torch.autograd.gradcheck(outputs, leaves)


def test_only_the_wanted_gradients_are_given(seed: int) -> None:
    case, slates = with_slates(seed, Sizes())
    full = gradients(ops.slate_log_prob, case, slates, seed)
    for position, name in enumerate(DIFFERENTIABLE):
        leaf = getattr(case, name).clone().requires_grad_()
        log_prob, entropy = ops.slate_log_prob(*replace(case, **{name: leaf}).along(slates))
        source = torch.Generator().manual_seed(seed)
        weights = torch.randn((2, *slates.shape), generator=source)
        finite = torch.where(log_prob.isfinite(), log_prob, 0.0)
        (weights[0] * finite + weights[1] * entropy).sum().backward()
        torch.testing.assert_close(leaf.grad, full[position], rtol=1e-5, atol=1e-6)


def test_a_choice_that_is_not_allowed_is_impossible_without_gradient() -> None:
    case = make_case(1, Sizes(batch=1, candidates=4, slots=3), rules=False, ragged=False)
    case = replace(case, pins=torch.tensor([[-1, 2, -1]]))
    case, leaves = leaves_of(case)
    slates = torch.tensor([[[0, 1, 0], [2, 2, 3], [0, 2, 1]]])  # not the pin; twice; in order
    log_prob, entropy = ops.slate_log_prob(*case.along(slates))
    impossible = [[False, True, True], [True, False, False], [False, False, False]]
    assert log_prob.isneginf()[0].tolist() == impossible
    assert entropy.isfinite().all() and (entropy[:, :, 1] == 0).all()
    impossible_alone = log_prob[0, 0, 1] + log_prob[0, 1, 0]
    for grad in torch.autograd.grad(impossible_alone, leaves):
        assert not grad.any()


def test_an_empty_slot_is_certain(seed: int) -> None:
    case = make_case(seed, ragged=False, rules=False)
    slates = torch.tensor([3, -1, 5, -1, -1, 0]).expand(8, 1, 6)
    log_prob, entropy = ops.slate_log_prob(*case.along(slates))
    empty = slates < 0
    assert not log_prob[empty].any() and not entropy[empty].any()
    assert (log_prob[~empty] < 0).all() and (entropy[~empty] > 0).all()


def test_a_request_is_answered_bitwise_alike_alone_in_batches_and_on_threads(seed: int) -> None:
    case, slates = with_slates(
        seed, Sizes(30, 20, 10, 64, 64, slates=2), per_request_attention=True
    )
    together = ops.slate_log_prob(*case.along(slates))
    for b in range(30):
        alone = ops.slate_log_prob(*case.rows([b]).along(slates[b : b + 1]))
        assert torch.equal(alone[0][0], together[0][b])
        assert torch.equal(alone[1][0], together[1][b])
    torch.set_num_threads(2)
    threaded = ops.slate_log_prob(*case.along(slates))
    assert torch.equal(threaded[0], together[0]) and torch.equal(threaded[1], together[1])


def test_gradients_of_a_request_do_not_depend_on_threads(seed: int) -> None:
    case, slates = with_slates(seed, Sizes(30, 20, 10, 64, 64), per_request_attention=True)
    single = gradients(ops.slate_log_prob, case, slates, seed)
    torch.set_num_threads(2)
    double = gradients(ops.slate_log_prob, case, slates, seed)
    for name, mine, other in zip(DIFFERENTIABLE, single, double, strict=True):
        if name == "weights":  # summed over the requests, in an order that may differ
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))
        else:
            assert torch.equal(mine, other), name


def test_strides_do_not_matter(seed: int) -> None:
    case, slates = with_slates(seed, Sizes(slates=2), per_request_attention=True)
    expected = ops.slate_log_prob(*case.along(slates))
    actual = ops.slate_log_prob(*(strided(value) for value in case.along(slates)))
    assert torch.equal(actual[0], expected[0]) and torch.equal(actual[1], expected[1])


def test_gradients_of_expanded_attention_add_up(seed: int) -> None:
    case, slates = with_slates(seed, Sizes())
    shared = gradients(ops.slate_log_prob, case, slates, seed)[3]
    attention = case.attention.expand(8, -1, -1)
    each = gradients(ops.slate_log_prob, replace(case, attention=attention), slates, seed)[3]
    torch.testing.assert_close(each.sum(0, keepdim=True), shared, rtol=1e-4, atol=1e-5)


def test_an_empty_batch_gives_empty_outputs_and_zero_gradients() -> None:
    case, leaves = leaves_of(make_case(0).rows([]))
    slates = torch.zeros((0, 1, 6), dtype=torch.int64)
    log_prob, entropy = ops.slate_log_prob(*case.along(slates))
    assert log_prob.shape == entropy.shape == (0, 1, 6)
    for leaf, grad in zip(leaves, torch.autograd.grad(log_prob.sum(), leaves), strict=True):
        assert grad.shape == leaf.shape and not grad.any()
