"""A utility that a user wrote: `package.module:function`, looked up and watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gerank.own_code import look_up, place, told
from gerank.train.judged import JudgedSlates
from gerank.train.setting_rules import ConfigError


class UtilityError(ValueError):
    """A user's function that failed, or answered something else than a utility."""


def user_utility(
    name: str, path: str, options: Mapping[str, Any]
) -> Callable[[JudgedSlates], Tensor]:
    """`function(judged, **options)` of a JudgedSlates -> floats, checked at every call.

    A function that answers [B, G] speaks of whole slates. One that answers [B, G, N] says what each
    slot adds, and its utility is the sum over slots: then a choice learns from what it and later
    ones earned, not from what stood before it. What slot n adds should depend on the candidates of
    slots 1..n alone. The function need not be differentiable: it is called without gradient.

    Args:
        name: Names the utility in messages.
        path: `package.module:function`; the module must be on Python's path.
        options: Passed on as keywords.

    Raises:
        ConfigError: The module does not import, or has no such function.
    """
    function = _look_up(name, path)

    def utility(judged: JudgedSlates) -> Tensor:
        try:
            answer = function(judged, **options)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the user's function does
            raise UtilityError(_failure(name, path, function, error)) from error
        return _checked(name, f"{path}{_defined(function)}", answer, judged)

    return utility


def _look_up(name: str, path: str) -> Callable[..., Any]:
    where = f"reward.{name}.utility: {path!r}"
    module_name, _, function_name = path.partition(":")
    try:
        function = look_up(path, "function")
    except ValueError as error:
        colon = "" if str(error).startswith("is ") else ":"
        raise ConfigError(f"{where}{colon} {error}") from error
    if not callable(function):
        found = "is missing" if function is None else f"is {function!r}, not a function"
        raise ConfigError(f"{where}: {function_name!r} {found} in module {module_name!r}")
    return function  # type: ignore[no-any-return]


def _failure(name: str, path: str, function: object, error: BaseException) -> str:
    """Says what a function raised, and at which line of the user's code."""
    # It may not even have been entered: an option that it does not take.
    where = place(error) or _defined(function)
    return f"utility {name!r} ({path}) failed{where}: {told(error)}"


def _defined(function: object) -> str:
    """Where a function begins, as " at FILE:LINE"; nothing for one that has no Python source."""
    code = getattr(function, "__code__", None)
    return f" at {code.co_filename}:{code.co_firstlineno}" if code else ""


def _checked(name: str, source: str, result: object, judged: JudgedSlates) -> Tensor:
    where, shape = f"utility {name!r} ({source})", judged.slates.shape
    if not isinstance(result, Tensor):
        raise UtilityError(f"{where} answered a {type(result).__name__}, not a tensor")
    if result.shape not in (shape[:2], shape):
        wanted = f"[B, G] = {list(shape[:2])} or [B, G, N] = {list(shape)}"
        raise UtilityError(f"{where} answered the shape {list(result.shape)}, not {wanted}")
    if not result.is_floating_point():
        raise UtilityError(f"{where} answered {result.dtype}, not floating point")
    if result.layout != torch.strided or result.device != judged.slates.device:
        raise UtilityError(
            f"{where} answered a tensor of layout {result.layout} on device {result.device}, not "
            f"{torch.strided} on {judged.slates.device}"
        )
    result = result.to(torch.float32)
    finite = result.isfinite()
    if not finite.all():
        page, slate, *slot = (~finite).nonzero()[0].tolist()
        raise UtilityError(
            f"{where} answered {result[(page, slate, *slot)].item()} for "
            f"{f'slot {slot[0]} of ' if slot else ''}slate "
            f"{judged.slates[page, slate].tolist()} of page {page} of its batch"
        )
    return result
