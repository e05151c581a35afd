"""Where networks compute, and how batches come there; a log stays in the memory of the host.

Whatever is drawn is drawn on the CPU and moved, checkpoints lie on the CPU, and what leaves a
network for a table, a file or numpy comes back to it: so a run is the same on all devices, up to
the rounding of sums.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

import gerank.ops  # noqa: F401  loads the ops whose kernels are asked about
from gerank.train.choices import Device, FitPrecision
from gerank.train.launch import Launch
from gerank.train.setting_rules import ConfigError

CPU = torch.device("cpu")

Item = TypeVar("Item")
Batch = TypeVar("Batch")


def chosen_device(wanted: Device, key: str = "train.device") -> torch.device:
    """The device that a setting means here; each process of torchrun takes its own GPU.

    Recurrent layers compute in full float32 on a GPU from then on, as all other layers do.

    Args:
        wanted: The setting.
        key: What it is called in messages.

    Raises:
        ConfigError: A GPU is asked for, and torch sees none, or fewer than torchrun has started
            processes here, or gerank has no kernels for it.
    """
    lacking = _lacking_for_cuda()
    if wanted is Device.CUDA and lacking:
        raise ConfigError(
            f"{key}: 'cuda' cannot be had: {'; and '.join(lacking)}; 'auto' takes the CPU then"
        )
    if wanted is Device.CPU or lacking:
        return CPU
    torch.backends.cudnn.allow_tf32 = False
    launch = Launch.of_this_process()
    if launch is not None:
        torch.cuda.set_device(launch.local_rank)
    return torch.device("cuda", torch.cuda.current_device())


def _lacking_for_cuda() -> list[str]:
    """A clause for each thing that a GPU needs and that is not there."""
    lacking, launch = [], Launch.of_this_process()
    if not torch.cuda.is_available():
        lacking.append(f"torch {torch.__version__} sees no CUDA device")
    elif launch is not None and launch.local_processes > torch.cuda.device_count():
        lacking.append(
            f"torchrun started {launch.local_processes} processes on a machine with "
            f"{torch.cuda.device_count()} CUDA devices"
        )
    if not _has_cuda_kernels():
        lacking.append("libgerank was built without CUDA (GERANK_CMAKE_ARGS=-DGERANK_CUDA=ON)")
    return lacking


def _has_cuda_kernels() -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key("gerank::decode_slates", "CUDA")


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters lie; all of them lie on one device."""
    return next(model.parameters()).device


def devices_told(before: str | None, device: torch.device) -> str:
    """What a run says of the devices that it computed on, in words.

    Args:
        before: What it said until now; None = it begins.
        device: Where it computes now.
    """
    name = "CPU"
    if device.type == "cuda":
        name = f"GPU ({torch.cuda.get_device_name(device)})"
    if before is None or before == name or before.endswith(f", then {name}"):
        return before or name
    return f"{before}, then {name}"


def products_in(precision: FitPrecision, device: torch.device) -> AbstractContextManager[Any]:
    """Multiplies matrices in a precision; what is given and what is learnt stays float32."""
    if precision is FitPrecision.FLOAT32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def moved(batch: Batch, device: torch.device) -> Batch:
    """A batch on a device.

    A copy from pinned memory to a GPU is not waited for.

    Args:
        batch: A tensor, or a tuple or NamedTuple of batches. A tensor that stands in it twice is
            copied once.
        device: Where to.
    """
    is_async = device.type == "cuda"
    return _changed(batch, lambda tensor: tensor.to(device, non_blocking=is_async))


def batches_on(
    device: torch.device, items: Iterable[Item], load: Callable[[Item], Batch]
) -> Iterator[tuple[Item, Batch]]:
    """What `load` makes of every item, on a device.

    For a GPU one batch is loaded ahead by a thread, into pinned memory, while the device computes;
    `load` is called in the order of the items in any case.

    Args:
        device: Where the batches are to lie.
        items: Such as places of pages.
        load: Makes a batch of an item, in the memory of the host.
    """
    if device.type != "cuda":
        for item in items:
            yield item, moved(load(item), device)
        return
    for item, batch in one_ahead((item, _pinned(load(item), device)) for item in items):
        yield item, moved(batch, device)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items; while one is worked on, a thread makes the next, and not more than that.

    What making one raises is raised where it would have been answered.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="gerank-batches") as thread:
        coming = thread.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, source, end)
            yield item  # type: ignore[misc]


def _pinned(batch: Batch, device: torch.device) -> Batch:
    """The batch in memory that the device can copy from by itself."""
    with torch.cuda.device(device):
        return _changed(batch, lambda tensor: tensor.contiguous().pin_memory())


def _changed(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """A batch of changed tensors; one that stands there twice is changed once."""
    done: dict[int, Tensor] = {}

    def of(part: Any) -> Any:
        if isinstance(part, Tensor):
            if id(part) not in done:
                done[id(part)] = change(part)
            return done[id(part)]
        parts = [of(each) for each in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)

    changed: Batch = of(batch)
    return changed
