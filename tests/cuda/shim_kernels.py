"""The CUDA kernels, run on the CPU, with the signatures of the ops."""

from __future__ import annotations

import ctypes
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.weights import unpack_weights
from tests.cuda.shim_build import build_shim
from tests.ops.cases import DecodeCase, Sizes
from tests.ops.parity import Answer
from tests.ops.step_cases import StepCase

MARGIN = 32
"""Numbers before and behind every output that must stay as they are."""


class LaunchError(Exception):
    """A launch that the shim stopped: what a GPU would not have told."""


@dataclass(frozen=True)
class Plan:
    """A device and what to change of the plan made for it; -1 = as planned."""

    multiprocessors: int = 4
    shared_bytes: int = 227 * 1024
    sequences: int = -1
    threads: int = 64  # fewer fibers than on a GPU, the same arithmetic
    max_rows: int = -1
    resident: int = -1
    shared_keys: int = -1
    capacity: int = -1
    slates_per_item: int = -1
    blocks: int = -1
    groups: int = -1


class Planned(NamedTuple):
    """What the planner decides for decoding: csrc/ops/cuda/plan.h."""

    capacity: int
    sequences: int
    blocks: int
    threads: int
    slates_per_item: int
    max_rows: int
    resident: int
    shared_keys: int
    shared_bytes: int


class Saved(NamedTuple):
    """What `slate_log_prob_forward` gives: log_prob, entropy, and what its backward reads."""

    log_prob: Tensor
    entropy: Tensor
    probs: Tensor
    hidden: Tensor
    gates: Tensor
    projection: Tensor


class Output:
    """A tensor for a kernel to fill, with margins that it must not touch."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, *, zero: bool = False) -> None:
        size = torch.Size(shape).numel()
        self._untouched = torch.tensor(-77, dtype=dtype)
        self._whole = self._untouched.repeat(size + 2 * MARGIN)
        self.tensor = self._whole[MARGIN : MARGIN + size].view(shape)
        if zero:
            self.tensor.zero_()

    def taken(self) -> Tensor:
        """The filled tensor."""
        margins = torch.cat([self._whole[:MARGIN], self._whole[len(self._whole) - MARGIN :]])
        assert (margins == self._untouched).all(), "a write beyond an output"
        return self.tensor


class Shim:
    """The library of kernels; `schedule` seeds the order in which threads run."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.shim_error.restype = ctypes.c_char_p
        self._library.shim_met_barriers.restype = ctypes.c_char_p
        self._library.shim_schedule.argtypes = [ctypes.c_uint64]

    def schedule(self, seed: int) -> None:
        self._library.shim_schedule(seed)

    def skip_barrier(self, site: str) -> None:
        """Passes the barrier at "block:file.cuh:12" as if it were not there; "" for none."""
        self._library.shim_skip_barrier(site.encode())

    def met_barriers(self) -> list[str]:
        """Every barrier that a kernel has met since the library was loaded."""
        return self._library.shim_met_barriers().decode().split()

    def plan(self, sizes: Sizes, multiprocessors: int, shared_bytes: int) -> Planned:
        """The plan for float32 on a device."""
        s = sizes
        given = (ctypes.c_int64 * 8)(
            s.batch, s.candidates, s.slots, s.width, s.attention_width, s.flags, s.groups, s.slates
        )
        made = (ctypes.c_int64 * len(Planned._fields))()
        self._library.shim_plan(given, (ctypes.c_int64 * 2)(multiprocessors, shared_bytes), made)
        return Planned(*made)

    def gumbel_noise(self, words: Tensor) -> Tensor:
        """The float32 noise of 32-bit words, which come as int64."""
        noise = torch.empty(words.shape, dtype=torch.float32)
        self._library.shim_gumbel_noise(
            ctypes.c_void_p(words.data_ptr()), ctypes.c_int64(words.numel()),
            ctypes.c_void_p(noise.data_ptr()),
        )  # fmt: skip
        return noise

    def decode_slates(self, case: DecodeCase, plan: Plan = Plan()) -> Answer:
        shape = (len(case.mask), case.num_slates, case.pins.shape[1])
        dtype = case.candidates.dtype
        outputs = [Output(shape, torch.int64), Output(shape, dtype), Output(shape, torch.int64)]
        tensors = [v for v in case.arguments() if isinstance(v, Tensor)]
        self._launch("decode_slates", _sizes(case, case.num_slates), tensors, outputs, plan)
        return Answer(*(output.taken() for output in outputs))

    def slate_log_prob(
        self,
        case: DecodeCase,
        slates: Tensor,
        plan: Plan = Plan(),
    ) -> Saved:
        (batch, groups, slots), candidates = slates.shape, case.mask.shape[1]
        width, attention_width = case.candidates.shape[2], case.attention.shape[2]

        def zeros(rows: int, columns: int) -> Output:
            return Output((batch, groups, rows, columns), case.candidates.dtype, zero=True)

        outputs = [
            Output((batch, groups, slots), case.candidates.dtype),
            Output((batch, groups, slots), case.candidates.dtype),
            zeros(slots, candidates),
            zeros(slots + 1, width),
            zeros(slots, 4 * width),
            zeros(slots, attention_width),
        ]
        tensors = [*case.request(), slates]
        self._launch("slate_log_prob", _sizes(case, groups), tensors, outputs, plan)
        return Saved(*(output.taken() for output in outputs))

    def slate_log_prob_backward(
        self,
        case: DecodeCase,
        slates: Tensor,
        grads: tuple[Tensor, Tensor],
        saved: Saved,
        plan: Plan = Plan(),
    ) -> tuple[Tensor, ...]:
        """Gradients of candidates, set_vector, weights and attention."""
        (batch, groups, slots), candidates = slates.shape, case.mask.shape[1]
        d, h, dtype = case.candidates.shape[2], case.attention.shape[2], case.candidates.dtype
        shapes = (
            (batch, candidates, h), (batch, candidates, d), (batch, d), (batch, d),
            (batch, *case.attention.shape[1:]), (batch, groups, slots, h),
            (batch, groups, slots, case.flags.shape[2] + 1),
            (batch, groups, slots + 1, 3 * d + h), (batch, groups, slots, 3 * d),
            (batch, groups, slots, d),
        )  # fmt: skip
        outputs = [Output(shape, dtype, zero=True) for shape in shapes]
        tensors = [
            *grads, case.candidates, case.weights, case.attention, case.flags, case.groups,
            case.slots, case.temperature, slates, *saved,
        ]  # fmt: skip
        self._launch("slate_log_prob_backward", _sizes(case, groups), tensors, outputs, plan)
        return _assemble(case, saved.hidden, [output.taken() for output in outputs])

    def pointer_step(self, case: StepCase) -> tuple[Tensor, ...]:
        (batch, candidates), dtype = case.mask.shape, case.keys.dtype
        outputs = [
            Output((batch,), torch.int64),
            Output((batch,), dtype),
            Output((batch,), dtype),
            Output((batch, candidates), dtype),
        ]
        tensors = [v for v in case if isinstance(v, Tensor)]
        self._launch("pointer_step", _step_sizes(case), tensors, outputs, Plan())
        return tuple(output.taken() for output in outputs)

    def pointer_step_backward(
        self, case: StepCase, grads: tuple[Tensor, Tensor], results: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Gradients of keys, query, w_context and v."""
        batch, dtype = len(case.mask), case.keys.dtype
        shapes = (case.keys.shape, case.query.shape, (batch, *case.w_context.shape[1:]),
                  case.query.shape)  # fmt: skip
        outputs = [Output(tuple(shape), dtype) for shape in shapes]
        tensors = [*grads, case.keys, case.query, case.context, case.w_context, case.v,
                   case.temperature, *results]  # fmt: skip
        self._launch("pointer_step_backward", _step_sizes(case), tensors, outputs, Plan())
        keys, query, w_context, v = (output.taken() for output in outputs)
        return keys, query, _as_given(w_context, case.w_context), _as_given(v, case.v)

    def set_features(self, values: Tensor, mask: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        output = Output((*values.shape[:2], 3 * values.size(2)), values.dtype)
        tensors = [values, mask, mean, deviation]
        self._launch("set_features", list(values.shape), tensors, [output], Plan())
        return output.taken()

    def _launch(
        self, op: str, sizes: list[int], tensors: list[Tensor], outputs: list[Output], plan: Plan
    ) -> None:
        inputs = [tensor.contiguous() for tensor in tensors]
        pointers = [t.data_ptr() for t in (*inputs, *(output.tensor for output in outputs))]
        dtype = next(t.dtype for t in inputs if t.is_floating_point())
        error = getattr(self._library, f"shim_{op}")(
            int(dtype == torch.float64),
            (ctypes.c_int64 * len(sizes))(*sizes),
            (ctypes.c_void_p * len(pointers))(*pointers),
            (ctypes.c_int64 * 11)(*astuple(plan)),
        )
        if error:
            raise LaunchError(f"{op}: {self._library.shim_error().decode()}")


def load_shim() -> Shim:
    """Builds the library if need be."""
    return Shim(build_shim())


def _sizes(case: DecodeCase, slates: int) -> list[int]:
    attention = case.attention
    stride = attention[0].numel() if attention.shape[0] > 1 else 0
    return [
        *case.mask.shape, case.pins.shape[1], case.candidates.shape[2], attention.shape[2],
        case.flags.shape[2], case.groups.shape[2], slates, case.context_window, stride,
    ]  # fmt: skip


def _step_sizes(case: StepCase) -> list[int]:
    strides = [t[0].numel() if t.shape[0] > 1 else 0 for t in (case.w_context, case.v)]
    return [*case.keys.shape, case.context.shape[2], *strides, case.slot, case.slate]


def _assemble(case: DecodeCase, hidden: Tensor, factors: list[Tensor]) -> tuple[Tensor, ...]:
    """What the glue does with torch: products of the factors over all slots."""
    keys, candidates, set_vector, start, attention, query, terms, state, inp, inputs = factors
    width = case.candidates.shape[2]
    w_e_t = unpack_weights(case.weights, width, case.attention.shape[2], case.flags.shape[2]).w_e_t

    def products(a: Tensor, b: Tensor) -> Tensor:
        return (a.flatten(0, -2).T @ b.flatten(0, -2)).flatten()

    weights = torch.cat([
        start.sum(0), products(inputs, inp), products(hidden, state), inp.flatten(0, -2).sum(0),
        state.flatten(0, -2).sum(0)[: 3 * width], products(case.candidates, keys),
        products(terms, query),
    ])  # fmt: skip
    return (
        candidates + keys @ w_e_t.T,
        set_vector,
        weights,
        _as_given(attention, case.attention),
    )


def _as_given(per_request: Tensor, parameter: Tensor) -> Tensor:
    same = parameter.shape[0] == per_request.shape[0]
    return per_request if same else per_request.sum(0, keepdim=True)
