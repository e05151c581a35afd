"""Shapes and dtypes of arguments, checked on the first lines of every function here.

Values are not looked at, for a training step would have to wait for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_axes(function: str, name: str, tensor: Tensor, axes: str) -> None:
    """`tensor` has one axis per letter of `axes`, none of them empty; "..." = any leading axes.

    Raises:
        ValueError: Naming function, argument, rule and shape.
    """
    letters = axes.removeprefix("...")
    fits = tensor.dim() >= len(letters) if axes != letters else tensor.dim() == len(letters)
    if not fits or 0 in tensor.shape:
        shown = ", ".join((["..."] if axes != letters else []) + list(letters))
        raise ValueError(
            f"{function}: {name} must be [{shown}] and not empty, got {list(tensor.shape)}"
        )


def check_shape(function: str, name: str, tensor: Tensor, shape: torch.Size) -> None:
    """`tensor` has exactly `shape`.

    Raises:
        ValueError: Naming function, argument, rule and shape.
    """
    if tensor.shape != shape:
        raise ValueError(
            f"{function}: {name} must be {list(shape)} like the others, got {list(tensor.shape)}"
        )


def check_mask(function: str, name: str, tensor: Tensor, shape: torch.Size) -> None:
    """`tensor` is bool and has exactly `shape`.

    Raises:
        ValueError: Naming function, argument, rule, and shape or dtype.
    """
    check_shape(function, name, tensor, shape)
    if tensor.dtype != torch.bool:
        raise ValueError(f"{function}: {name} must be bool, got {tensor.dtype}")


def check_floating(function: str, name: str, tensor: Tensor) -> None:
    """`tensor` holds real numbers.

    Raises:
        ValueError: Naming function, argument and dtype.
    """
    if not tensor.is_floating_point():
        raise ValueError(f"{function}: {name} must be floating point, got {tensor.dtype}")
