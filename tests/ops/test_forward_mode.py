"""No op has a forward-mode derivative: asking for one is an error, never a silent zero or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from gerank import ops
from tests.ops.cases import Sizes, make_case
from tests.ops.encoder_cases import random_set
from tests.ops.step_cases import make_step, without_impossible

Function = Callable[[Tensor], Tensor]
SIZES = Sizes(4, 9, 5, width=8, attention_width=8, slates=2)
SLATE_ARGUMENTS = {"candidates": 0, "set_vector": 1, "weights": 3, "attention": 4}


def slate_log_prob(argument: str, seed: int) -> tuple[Function, Tensor]:
    case = make_case(seed, SIZES, dtype=torch.float64)
    given = list(case.along(ops.decode_slates(*case.arguments())[0]))
    place = SLATE_ARGUMENTS[argument]

    def function(value: Tensor) -> Tensor:
        log_prob, _ = ops.slate_log_prob(*given[:place], value, *given[place + 1 :])
        return torch.where(log_prob.isfinite(), log_prob, 0).sum()

    return function, given[place].clone()


def decode_slates(seed: int) -> tuple[Function, Tensor]:
    case = make_case(seed, SIZES, dtype=torch.float64)
    return lambda value: ops.decode_slates(value, *case.arguments()[1:])[1].sum(), case.candidates


def pointer_step(seed: int) -> tuple[Function, Tensor]:
    keys, *rest = without_impossible(make_step(seed))
    return lambda value: ops.pointer_step(value, *rest)[1].sum(), keys


def encode_set(seed: int) -> tuple[Function, Tensor]:
    candidates, *rest = random_set(seed, (3, 7, 5, 2), 8)
    return lambda value: ops.encode_set(value, *rest)[1].sum(), candidates


def set_features(seed: int) -> tuple[Function, Tensor]:
    values = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed))
    mask, zeros, ones = torch.ones(2, 4, dtype=torch.bool), torch.zeros(3), torch.ones(3)
    return lambda value: ops.set_features(value, mask, zeros, ones).sum(), values


OPS: dict[str, Callable[[int], tuple[Function, Tensor]]] = {
    **{
        f"slate_log_prob in {name}": lambda seed, name=name: slate_log_prob(name, seed)
        for name in SLATE_ARGUMENTS
    },
    "decode_slates": decode_slates,
    "pointer_step": pointer_step,
    "encode_set": encode_set,
    "set_features": set_features,
}


def jvp(function: Function, at: Tensor) -> object:
    return torch.func.jvp(function, (at,), (torch.ones_like(at),))[1]


def jacfwd(function: Function, at: Tensor) -> object:
    return torch.func.jacfwd(function)(at)


def dual(function: Function, at: Tensor) -> object:
    with forward_ad.dual_level():
        result = function(forward_ad.make_dual(at, torch.ones_like(at)))
        return forward_ad.unpack_dual(result).tangent


def dual_of_a_parameter(function: Function, at: Tensor) -> object:
    return dual(function, at.clone().requires_grad_())


@pytest.mark.parametrize("way", [jvp, jacfwd, dual, dual_of_a_parameter])
@pytest.mark.parametrize("op", OPS)
def test_forward_mode_is_an_error_that_names_the_op_and_the_way_out(
    op: str, way: Callable[[Function, Tensor], object], seed: int
) -> None:
    function, at = OPS[op](seed)
    if op == "encode_set" and way is dual_of_a_parameter:
        pytest.skip("refused already because it requires a gradient")
    name, _, argument = op.partition(" in ")
    with pytest.raises(NotImplementedError) as caught:
        way(function, at)
    message = str(caught.value).splitlines()[0]
    assert message.startswith(f"gerank::{name}: has no forward-mode derivative, but ")
    assert f"{argument} carries a tangent; " in message


def test_forward_over_reverse_is_an_error_too(seed: int) -> None:
    function, at = slate_log_prob("candidates", seed)
    with pytest.raises(RuntimeError):
        jvp(torch.func.grad(function), at)


@pytest.mark.parametrize("argument", SLATE_ARGUMENTS)
def test_reverse_mode_stays_what_it_was_within_a_dual_level(argument: str, seed: int) -> None:
    function, at = slate_log_prob(argument, seed)
    outside = torch.autograd.grad(function(leaf := at.clone().requires_grad_()), leaf)[0]
    with forward_ad.dual_level():
        inside = torch.autograd.grad(function(leaf := at.clone().requires_grad_()), leaf)[0]
    assert torch.equal(outside, inside)


def test_the_step_decoder_refuses_tangents_too(seed: int) -> None:
    case = make_case(seed, replace(SIZES, slates=1), dtype=torch.float64)
    arguments = case.arguments()[:15]
    with forward_ad.dual_level():
        dual_candidates = forward_ad.make_dual(case.candidates, torch.ones_like(case.candidates))
        with pytest.raises(RuntimeError, match="StepDecoder: has no forward-mode derivative"):
            ops.StepDecoder(dual_candidates, *arguments[1:], SIZES.context_window)
        decoder = ops.StepDecoder(*arguments, SIZES.context_window)
        logits = decoder.logits()
        with pytest.raises(RuntimeError, match="but logits carries a tangent"):
            decoder.step(logits=forward_ad.make_dual(logits, torch.ones_like(logits)))
