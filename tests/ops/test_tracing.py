"""PyTorch's own checks of the ops, and the compilers that meet them: script, compile, export."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, library, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gerank import ops
from tests.ops.cases import DecodeCase, Sizes, make_case
from tests.ops.encoder_cases import random_set
from tests.ops.step_cases import make_step, without_impossible
from tests.ops.test_slate_log_prob import leaves_of

gerank_ops = torch.ops.gerank


def small_case(seed: int, dtype: torch.dtype = torch.float32) -> DecodeCase:
    return make_case(seed, Sizes(3, 7, 4, width=8, attention_width=8, slates=2), dtype=dtype)


class Recorder(TorchDispatchMode):
    """Keeps the arguments of every call of the ops of gerank."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, tuple[Any, ...]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "gerank":
            self.calls[func.name()] = args
        return func(*args, **(kwargs or {}))


def test_opcheck_set_features(seed: int) -> None:
    values = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(seed))
    arguments = (values, values[:, :, 0] > 0, torch.zeros(2), torch.ones(2))
    library.opcheck(gerank_ops.set_features.default, arguments)


def test_opcheck_encode_set(seed: int) -> None:
    library.opcheck(gerank_ops.encode_set.default, tuple(random_set(seed, (3, 7, 5, 2), 8)))


def test_opcheck_pointer_step(seed: int) -> None:
    case = without_impossible(make_step(seed))
    library.opcheck(gerank_ops.pointer_step.default, tuple(case))
    # opcheck's sum over the outputs fails on an integer one that comes first, so its comparison of
    # gradients under AOTAutograd is made by test_gradients_flow_through_compile instead.
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    leaves = tuple(case.requiring_grad())
    library.opcheck(gerank_ops.pointer_step.default, leaves, test_utils=checks)


def test_opcheck_decode_slates(seed: int) -> None:
    library.opcheck(gerank_ops.decode_slates.default, small_case(seed).arguments())


def test_opcheck_slate_log_prob(seed: int) -> None:
    case = small_case(seed)
    slates = ops.decode_slates(*case.arguments())[0]
    library.opcheck(gerank_ops.slate_log_prob.default, case.along(slates))
    leaves, _ = leaves_of(case)
    library.opcheck(gerank_ops.slate_log_prob.default, leaves.along(slates))


def test_opcheck_backward_ops(seed: int) -> None:
    step = without_impossible(make_step(seed)).requiring_grad()
    case, _ = leaves_of(small_case(seed))
    slates = ops.decode_slates(*case.arguments())[0]
    with Recorder() as recorder:
        _, log_prob, entropy, _ = ops.pointer_step(*step)
        (log_prob + 2 * entropy).sum().backward()
        log_prob, entropy = ops.slate_log_prob(*case.along(slates))
        (log_prob + 2 * entropy).sum().backward()
    backward = {name: args for name, args in recorder.calls.items() if "backward" in name}
    assert set(backward) == {"gerank::pointer_step_backward", "gerank::slate_log_prob_backward"}
    for name, args in recorder.calls.items():
        op = getattr(gerank_ops, name.removeprefix("gerank::")).default
        detached = tuple(a.detach().clone() if isinstance(a, Tensor) else a for a in args)
        library.opcheck(op, detached, test_utils=("test_schema", "test_faketensor"))


class Decoder(nn.Module):
    """Calls of the ops as a scripted generator makes them."""

    def forward(
        self,
        candidates: Tensor,
        set_vector: Tensor,
        mask: Tensor,
        weights: Tensor,
        attention: Tensor,
        flags: Tensor,
        groups: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        slates, log_prob, relaxed = torch.ops.gerank.decode_slates(
            candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
            spacing, quotas, slots, temperature, seeds, greedy, 2, 3,
        )  # fmt: skip
        return slates, log_prob + 1, relaxed


class Step(nn.Module):
    def forward(
        self,
        keys: Tensor,
        query: Tensor,
        context: Tensor,
        w_context: Tensor,
        v: Tensor,
        mask: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
        forced: Tensor,
    ) -> tuple[Tensor, Tensor]:
        choice, log_prob, entropy, _ = torch.ops.gerank.pointer_step(
            keys, query, context, w_context, v, mask, temperature, seeds, greedy, forced, 3, 0
        )
        return choice, log_prob + entropy


def decoder_arguments(seed: int) -> tuple[Tensor, ...]:
    return tuple(a for a in small_case(seed).arguments() if isinstance(a, Tensor))


def step_arguments(seed: int) -> tuple[Tensor, ...]:
    return tuple(a for a in make_step(seed, batch=5) if isinstance(a, Tensor))


MODULES: list[tuple[nn.Module, Callable[[int], tuple[Tensor, ...]]]] = [
    (Decoder(), decoder_arguments),
    (Step(), step_arguments),
]


def expect_equal(mine: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> None:
    assert all(torch.equal(left, right) for left, right in zip(mine, other, strict=True))


@pytest.mark.parametrize(("module", "arguments"), MODULES, ids=["decode_slates", "pointer_step"])
class TestCompilers:
    """Each way of capturing a module gives bitwise what the module gives."""

    def test_script_saved_and_loaded(self, seed: int, module: nn.Module, arguments) -> None:
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(module), file)
        file.seek(0)
        inputs = arguments(seed)
        expect_equal(torch.jit.load(file)(*inputs), module(*inputs))

    def test_compile_without_graph_breaks(self, seed: int, module: nn.Module, arguments) -> None:
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        inputs = arguments(seed)
        expect_equal(compiled(*inputs), module(*inputs))

    def test_export(self, seed: int, module: nn.Module, arguments) -> None:
        inputs = arguments(seed)
        exported = torch.export.export(module, inputs)
        other = arguments(seed + 1)
        expect_equal(exported.module()(*other), module(*other))


def test_gradients_flow_through_compile(seed: int) -> None:
    step = without_impossible(make_step(seed))

    def loss(*arguments: Tensor) -> Tensor:
        return Step()(*arguments)[1].sum()

    expected = step.requiring_grad()
    loss(*expected[:10]).backward()
    actual = step.requiring_grad()
    compiled = torch.compile(loss, fullgraph=True, dynamic=True, backend="aot_eager")
    compiled(*actual[:10]).backward()
    for mine, other in zip(actual.differentiable, expected.differentiable, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_one_compiled_graph_serves_all_batch_sizes(seed: int) -> None:
    batch = torch.export.Dim("batch", min=1, max=1024)
    case = small_case(seed)
    inputs = decoder_arguments(seed)
    shared = {"weights", "attention"}
    names = [name for name, value in vars(case).items() if isinstance(value, Tensor)]
    shapes = [None if name in shared else {0: batch} for name in names]
    exported = torch.export.export(Decoder(), inputs, dynamic_shapes=tuple(shapes)).module()
    one = tuple(a for a in case.rows([1]).arguments() if isinstance(a, Tensor))
    expect_equal(exported(*one), Decoder()(*one))
