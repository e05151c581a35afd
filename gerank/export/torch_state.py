"""The state of torch that artifacts are written and checked in, whatever the caller has on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import _disable_current_modes


@contextmanager
def own_torch_state() -> Iterator[None]:
    """No autocast, no gradients, no dispatch modes (FakeTensorMode), the CPU as default device."""
    with (
        torch.device("cpu"),
        torch.autocast("cpu", enabled=False),
        torch.no_grad(),
        _disable_current_modes(),
    ):
        yield


def torchscript_is_off() -> str | None:
    """Why TorchScript cannot be used in this process, in words; None where it can."""
    setting = os.environ.get("PYTORCH_JIT", "1")
    if not setting.startswith("0"):
        return None
    return (
        f"PYTORCH_JIT={setting} switches TorchScript off, and an artifact is TorchScript: "
        "unset PYTORCH_JIT and start again"
    )
