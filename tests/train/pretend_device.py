"""A device that does not exist: its tensors are computed on the CPU, and do not mix with the CPU's.

It stands in for a GPU where there is none. Unlike torch's fake tensors it has numbers, so that a
whole training can run on it, and must end with the CPU's bits.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

PRETEND = torch.device("meta")
"""Where tensors say that they lie: autograd knows no device that torch was not built for."""

CPU = torch.device("cpu")
_MOVES = ("aten::to", "aten::_to_copy")
_FUSED = "_get_fused_kernels_supported_devices"
_MIX = (torch.ops.aten.copy_.default, torch.ops.aten._pack_padded_sequence.default)
"""Ops that may be given tensors of both: a GPU copies, and takes lengths from the CPU."""


class MixedDevicesError(AssertionError):
    """An op was given tensors of the CPU and of the pretended device."""


class Away(Tensor):
    """A tensor on the pretended device; `here` holds its numbers."""

    here: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here: Tensor) -> Away:
        made: Away = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=PRETEND,
        )
        return made

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __repr__(self) -> str:
        return f"Away({self.here!r})"

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["here"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: object) -> Away:
        return Away(inner["here"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Pretending(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    every = tree_flatten((args, kwargs))[0]
    given = [each for each in every if isinstance(each, Tensor)]
    away = [each for each in given if isinstance(each, Away)]
    to = next((each for each in every if isinstance(each, torch.device)), None)
    is_move = func.name().partition(".")[0] in _MOVES
    if not is_move and func not in _MIX:
        _refuse_mixed(func, given, away)
    answer = func(*tree_map(_here, args), **tree_map(_here, kwargs))
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if func is torch.ops.aten._pack_padded_sequence.default and away:
        return Away(answer[0]), answer[1]  # the batch sizes, which recurrent layers want here
    if to == CPU or not (away or to == PRETEND):
        return answer
    answer = tree_map(lambda each: Away(each) if isinstance(each, Tensor) else each, answer)
    return answer if is_move else return_and_correct_aliasing(func, args, kwargs, answer)


def _refuse_mixed(func: Any, given: list[Tensor], away: list[Away]) -> None:
    others = [each for each in given if not isinstance(each, Away)]
    if any(each.device == PRETEND for each in others):
        raise NotImplementedError(
            f"{func}: torch.tensor made a tensor there; make it here, move it"
        )
    if away and any(each.dim() > 0 for each in others):
        told = [("away" if isinstance(e, Away) else "CPU", list(e.shape)) for e in given]
        raise MixedDevicesError(f"{func} of tensors on several devices: {told}")


def _here(value: Any) -> Any:
    if isinstance(value, Away):
        return value.here
    return CPU if isinstance(value, torch.device) and value == PRETEND else value


@contextmanager
def pretending() -> Iterator[torch.device]:
    """Within it `PRETEND` can be used as a device, by fused optimizers too."""
    optimizers, name = importlib.import_module("torch.optim.optimizer"), _FUSED
    known = getattr(optimizers, name)()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), _Pretending():
        warnings.filterwarnings("ignore", message=".*to a meta parameter.*is a no-op")
        patch.setattr(optimizers, name, lambda: [*known, PRETEND.type])
        patch.setattr(torch, "inference_mode", torch.no_grad)  # wrappers have version counters
        yield PRETEND
