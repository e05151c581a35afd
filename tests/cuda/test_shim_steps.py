"""The CUDA kernels of pointer_step and set_features, run on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank import ops
from gerank.reference.philox import uniforms
from gerank.reference.pointer_step import attention_logits
from tests.cuda.agreement import NEAR_TIE, expect_close_gradients
from tests.cuda.shim_kernels import Shim
from tests.ops.parity import TOLERANCE, expect_close, tolerance_at
from tests.ops.step_cases import StepCase, make_step, without_impossible

SHAPES = [(8, 12, 16, 6), (3, 1, 1, 0), (1, 512, 64, 3), (17, 33, 20, 9), (2, 100, 128, 40)]


def margins(case: StepCase) -> Tensor:
    """The distance of the two best scores of each row: [B]."""
    exact = case.to(torch.float64)
    logits = attention_logits(*exact[:5])
    noise = -torch.log(-torch.log(uniforms(case.seeds, logits.shape[1], case.slot, case.slate)))
    sampled = logits / exact.temperature[:, None] + noise
    scores = torch.where(case.greedy[:, None], logits, sampled).masked_fill(~case.mask, -torch.inf)
    if scores.shape[1] < 2:
        return torch.full_like(exact.temperature, torch.inf)
    first, second = scores.topk(2, dim=1).values.unbind(1)
    return torch.where(second.isfinite(), first - second, torch.inf)


def expect_same_step(shim: Shim, case: StepCase, tolerance: float = TOLERANCE) -> None:
    choice, log_prob, entropy, probs = shim.pointer_step(case)
    expected = ops.pointer_step(*case)
    clear = margins(case) > NEAR_TIE * tolerance / TOLERANCE
    assert torch.equal(choice[clear], expected[0][clear])
    expect_close(log_prob[clear], expected[1][clear], tolerance)
    expect_close(entropy, expected[2], tolerance)
    expect_close(probs, expected[3], tolerance)


@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_pointer_step_equals_the_cpu_op(
    shim: Shim, seed: int, shape: tuple[int, ...], per_request: bool
) -> None:
    for offset in range(6):
        case = make_step(seed + offset, *shape, per_request_attention=per_request)
        expect_same_step(shim, case if offset % 2 else without_impossible(case))


def test_pointer_step_equals_the_cpu_op_at_large_arguments(shim: Shim, seed: int) -> None:
    for scale in (30.0, 1000.0):
        case = make_step(seed)
        large = case._replace(keys=case.keys * scale, query=case.query * scale)
        expect_same_step(shim, large, tolerance_at(scale))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_pointer_step_equal_the_cpu_ops(
    shim: Shim, seed: int, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    for offset in range(4):
        case = make_step(seed + offset, *shape, per_request_attention=offset % 2 == 0, dtype=dtype)
        results = ops.pointer_step(*case)
        grads = tuple(torch.randn((2, shape[0])).to(dtype))
        expected = torch.ops.gerank.pointer_step_backward(
            *grads, case.keys, case.query, case.context, case.w_context, case.v,
            case.temperature, *results,
        )  # fmt: skip
        expect_close_gradients(shim.pointer_step_backward(case, grads, results), expected)


def test_what_is_masked_is_not_seen_whatever_it_holds(shim: Shim, seed: int) -> None:
    case = without_impossible(make_step(seed))
    clean = shim.pointer_step(case)
    seen = case.mask[:, :, None]
    dirty = case._replace(
        keys=torch.where(seen, case.keys, torch.nan),
        context=torch.where(seen, case.context, torch.nan),
    )
    for mine, other in zip(shim.pointer_step(dirty), clean, strict=True):
        assert torch.equal(mine, other)
    ones = torch.ones(len(case.mask))
    for grad in shim.pointer_step_backward(dirty, (ones, ones), clean):
        assert grad.isfinite().all()


def test_noise_in_float32_is_exact_to_rounding_at_both_ends(shim: Shim, seed: int) -> None:
    steps = torch.arange(300)
    middle = torch.randint(2**24, (5000,), generator=torch.Generator().manual_seed(seed))
    half = 2**23 + torch.arange(-300, 300)
    words = 256 * torch.cat([steps, 2**24 - 1 - steps, half, middle])
    uniform = ((words >> 8).double() + 0.5) / 2**24
    expected = -torch.log(-torch.log(uniform))
    torch.testing.assert_close(shim.gumbel_noise(words).double(), expected, rtol=5e-7, atol=5e-7)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("size", [1e-30, 50.0, 1e30])
def test_finite_inputs_never_give_nan(
    shim: Shim, seed: int, size: float, temperature: float
) -> None:
    case = without_impossible(make_step(seed))
    case = case._replace(
        keys=case.keys * size,
        query=-case.query * size,
        temperature=torch.full_like(case.temperature, temperature),
    )
    results = shim.pointer_step(case)
    ones = torch.ones(len(case.mask))
    for value in (*results, *shim.pointer_step_backward(case, (ones, ones), results)):
        assert value.isfinite().all()


@pytest.mark.parametrize(("name", "value"), [("forced", 12), ("forced", -2), ("temperature", 0)])
def test_a_row_that_breaks_a_promise_gets_nan(
    shim: Shim, seed: int, name: str, value: float
) -> None:
    case = make_step(seed)
    changed = getattr(case, name).clone()
    changed[5] = value
    choice, log_prob, entropy, probs = shim.pointer_step(case._replace(**{name: changed}))
    assert choice[5] == -1 and log_prob[5].isnan() and entropy[5].isnan() and not probs[5].any()
    assert log_prob.isnan().sum() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 20, 7), (3, 1, 2), (2, 512, 3), (4, 13, 0), (9, 33, 17)])
def test_set_features_equals_the_cpu_op(
    shim: Shim, seed: int, shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    source = torch.Generator().manual_seed(seed)
    values = (3 * torch.randn(shape, generator=source)).round().to(dtype)
    mask = torch.rand(shape[:2], generator=source) < torch.rand((shape[0], 1), generator=source)
    values = torch.where(mask[:, :, None], values, torch.nan)
    mean = torch.randn(shape[2], generator=source, dtype=dtype)
    deviation = 0.2 + torch.rand(shape[2], generator=source, dtype=dtype)
    expected = ops.set_features(values, mask, mean, deviation)
    found = shim.set_features(values, mask, mean, deviation)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
