"""pointer_step: one masked choice, its log-probability, and the gradients of both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank import ops, reference
from gerank.reference.philox import uniforms
from gerank.reference.pointer_step import attention_logits
from tests.ops.layouts import strided
from tests.ops.parity import TOLERANCE, expect_close, tolerance_at
from tests.ops.step_cases import StepCase, make_step, without_impossible

SHAPES = [(8, 12, 16, 6), (3, 1, 1, 0), (1, 512, 64, 3), (17, 33, 20, 9), (2, 100, 128, 40)]


def expect_same_step(case: StepCase, tolerance: float = TOLERANCE) -> None:
    """The op's answer is the float64 reference's, up to ties within `tolerance`."""
    choice, log_prob, entropy, probs = ops.pointer_step(*case)
    exact = case.to(torch.float64)
    logits = attention_logits(*exact[:5])
    noise = -torch.log(-torch.log(uniforms(case.seeds, logits.shape[1], case.slot, case.slate)))
    sampled = logits / exact.temperature[:, None] + noise
    scores = torch.where(case.greedy[:, None], logits, sampled).masked_fill(~case.mask, -torch.inf)
    free = (case.forced < 0) & case.mask.any(1)
    assert torch.equal(choice[~free], case.forced[~free])
    chosen = scores.gather(1, choice.clamp(min=0)[:, None])[:, 0]
    regret = ((scores.amax(1) - chosen) / scores.amax(1).abs().clamp(min=1))[free]
    assert (regret <= tolerance).all(), f"chose {regret.amax():.2e} below the best"
    # The distribution of the choice that was made, so that a near tie hides nothing.
    expected = reference.pointer_step(*exact._replace(forced=choice))
    expect_close(log_prob, expected.log_prob, tolerance)
    expect_close(entropy, expected.entropy, tolerance)
    expect_close(probs, expected.probs, tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_reference(
    seed: int, shape: tuple[int, ...], per_request: bool, dtype: torch.dtype
) -> None:
    for offset in range(10):
        case = make_step(seed + offset, *shape, per_request_attention=per_request, dtype=dtype)
        if offset % 2 == 0:
            case = without_impossible(case)
        expect_same_step(case)


@pytest.mark.parametrize("scale", [3.0, 30.0, 1000.0])
def test_equals_the_reference_at_large_arguments(seed: int, scale: float) -> None:
    for offset in range(10):
        case = make_step(seed + offset)
        large = case._replace(keys=case.keys * scale, query=case.query * scale)
        expect_same_step(large, tolerance_at(scale))


def weighted_outputs(case: StepCase, op, seed: int) -> Tensor:
    """A scalar of log_prob and entropy with random weights, for gradients."""
    source = torch.Generator().manual_seed(seed)
    batch = len(case.mask)
    weights = torch.randn((2, batch), generator=source).to(case.keys.dtype)
    _, log_prob, entropy, _ = op(*case)
    finite = torch.where(log_prob.isfinite(), log_prob, 0.0)
    return (weights[0] * finite + weights[1] * entropy).sum()


@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_equal_autograds(seed: int, shape: tuple[int, ...], per_request: bool) -> None:
    case = make_step(seed, *shape, per_request_attention=per_request)
    choice = ops.pointer_step(*case)[0]
    case = case._replace(forced=choice).requiring_grad()
    exact = case.to(torch.float64).requiring_grad()
    actual = torch.autograd.grad(
        weighted_outputs(case, ops.pointer_step, seed), case.differentiable
    )
    expected = torch.autograd.grad(
        weighted_outputs(exact, reference.pointer_step, seed), exact.differentiable
    )
    for mine, other in zip(actual, expected, strict=True):
        size = float(other.abs().amax()) if other.numel() else 1.0
        torch.testing.assert_close(mine.double(), other, rtol=1e-5, atol=1e-5 * max(size, 0.1))


@pytest.mark.parametrize("per_request", [False, True])
def test_gradcheck(seed: int, per_request: bool) -> None:
    case = make_step(seed, 3, 5, 4, 3, per_request_attention=per_request, dtype=torch.float64)
    case = without_impossible(case)
    case = case._replace(forced=ops.pointer_step(*case)[0]).requiring_grad()

    def outputs(keys: Tensor, query: Tensor, w_context: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        _, log_prob, entropy, _ = ops.pointer_step(
            *case._replace(keys=keys, query=query, w_context=w_context, v=v)
        )
        return log_prob, entropy

    assert torch.autograd.gradcheck(outputs, case.differentiable)


def test_probs_and_choice_have_no_gradient(seed: int) -> None:
    choice, log_prob, entropy, probs = ops.pointer_step(*make_step(seed).requiring_grad())
    assert log_prob.requires_grad and entropy.requires_grad
    assert not choice.requires_grad and not probs.requires_grad


def test_probs_are_zero_outside_the_mask_and_sum_to_one(seed: int) -> None:
    case = make_step(seed, batch=50)
    probs = ops.pointer_step(*case)[3]
    assert not probs[~case.mask].any()
    torch.testing.assert_close(probs.sum(1), case.mask.any(1).float())


def test_a_row_without_candidates_is_all_zero_with_zero_gradient(seed: int) -> None:
    case = make_step(seed)
    mask = case.mask.clone()
    mask[2] = False
    case = case._replace(mask=mask, forced=torch.full_like(case.forced, -1)).requiring_grad()
    choice, log_prob, entropy, probs = ops.pointer_step(*case)
    assert choice[2] == -1 and log_prob[2] == 0 and entropy[2] == 0 and not probs[2].any()
    grads = torch.autograd.grad((log_prob + entropy).sum(), case.differentiable)
    assert all(grad.isfinite().all() for grad in grads)
    assert not grads[0][2].any() and not grads[1][2].any()


def test_a_forced_candidate_outside_the_mask_is_impossible_with_zero_gradient(seed: int) -> None:
    case = without_impossible(make_step(seed))
    mask, forced = case.mask.clone(), case.forced.clone()
    mask[1], forced[1] = True, 4
    mask[1, 4] = False
    case = case._replace(mask=mask, forced=forced).requiring_grad()
    choice, log_prob, entropy, probs = ops.pointer_step(*case)
    assert choice[1] == 4 and log_prob[1] == -torch.inf
    assert entropy[1] > 0 and probs[1].sum().item() == pytest.approx(1)
    grads = torch.autograd.grad(log_prob.sum(), case.differentiable)
    assert all(grad.isfinite().all() for grad in grads)
    assert not grads[0][1].any() and not grads[1][1].any()


def test_the_only_candidate_has_log_prob_and_entropy_zero(seed: int) -> None:
    case = make_step(seed)
    only = torch.arange(12) == torch.arange(8)[:, None]
    case = case._replace(mask=only, forced=torch.full_like(case.forced, -1))
    choice, log_prob, entropy, _ = ops.pointer_step(*case)
    assert choice.tolist() == list(range(8))
    assert not log_prob.any() and not entropy.any()


def test_ties_go_to_the_lower_index(seed: int) -> None:
    case = make_step(seed, candidates=40)
    same = case._replace(
        keys=case.keys[:, :1].expand(-1, 40, -1),
        context=case.context[:, :1].expand(-1, 40, -1),
        mask=torch.arange(40).expand(8, 40) >= 3,
        greedy=torch.ones(8, dtype=torch.bool),
        forced=torch.full((8,), -1),
    )
    assert ops.pointer_step(*same)[0].tolist() == [3] * 8


def test_what_is_masked_is_not_seen_whatever_it_holds(seed: int) -> None:
    case = without_impossible(make_step(seed))
    clean = ops.pointer_step(*case)
    for garbage in (1e30, -1e30):
        keys = torch.where(case.mask[:, :, None], case.keys, garbage)
        context = torch.where(case.mask[:, :, None], case.context, garbage)
        dirty = ops.pointer_step(*case._replace(keys=keys, context=context))
        assert torch.equal(dirty[0], clean[0])
        for mine, other in zip(dirty[1:], clean[1:], strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 50.0, 1e4, 1e30])
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
def test_finite_inputs_never_give_nan(seed: int, size: float, temperature: float) -> None:
    case = without_impossible(make_step(seed))
    case = case._replace(
        keys=case.keys * size,
        query=-case.query * size,
        temperature=torch.full_like(case.temperature, temperature),
    ).requiring_grad()
    _, log_prob, entropy, probs = ops.pointer_step(*case)
    grads = torch.autograd.grad((log_prob + entropy).sum(), case.differentiable)
    for value in (log_prob, entropy, probs, *grads):
        assert value.isfinite().all()


def test_strides_do_not_matter(seed: int) -> None:
    for per_request in (False, True):
        case = make_step(seed, per_request_attention=per_request)
        apart = StepCase(*(strided(value) for value in case))
        for mine, other in zip(ops.pointer_step(*apart), ops.pointer_step(*case), strict=True):
            assert torch.equal(mine, other)


def test_gradients_arrive_whatever_the_strides(seed: int) -> None:
    case = make_step(seed, per_request_attention=True).requiring_grad()
    apart = case._replace(
        keys=strided(case.keys), query=strided(case.query),
        w_context=strided(case.w_context), v=strided(case.v),
    )  # fmt: skip
    expected = torch.autograd.grad(
        weighted_outputs(case, ops.pointer_step, seed), case.differentiable
    )
    actual = torch.autograd.grad(
        weighted_outputs(apart, ops.pointer_step, seed), case.differentiable
    )
    for mine, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_shared_attention_equals_the_same_parameters_for_each_request(seed: int) -> None:
    shared = make_step(seed)
    views = shared._replace(w_context=shared.w_context.expand(8, -1, -1), v=shared.v.expand(8, -1))
    copies = views._replace(w_context=views.w_context.clone(), v=views.v.clone())
    for other in (views, copies):
        for mine, theirs in zip(ops.pointer_step(*shared), ops.pointer_step(*other), strict=True):
            assert torch.equal(mine, theirs)


def test_a_row_does_not_depend_on_its_batch_or_the_threads(seed: int) -> None:
    case = make_step(seed, batch=40, candidates=50, per_request_attention=True)
    together = ops.pointer_step(*case)
    torch.set_num_threads(2)
    threaded = ops.pointer_step(*case)
    for b in (0, 7, 39):
        alone = StepCase(*(v[b : b + 1] if isinstance(v, Tensor) else v for v in case))
        for mine, theirs, other in zip(ops.pointer_step(*alone), together, threaded, strict=True):
            assert torch.equal(mine[0], theirs[b])
            assert torch.equal(mine[0], other[b])


def test_an_empty_batch_gives_empty_outputs() -> None:
    case = make_step(0)
    empty = StepCase(
        *(
            v[:0] if isinstance(v, Tensor) and name not in {"w_context", "v"} else v
            for name, v in case._asdict().items()
        )
    )
    choice, log_prob, entropy, probs = ops.pointer_step(*empty)
    assert choice.shape == log_prob.shape == entropy.shape == (0,)
    assert probs.shape == (0, 12)
