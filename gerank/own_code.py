"""Code that users name as `package.module:name`: looked up, and told of where it fails."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

T = TypeVar("T")

_NOT_THE_USERS = (
    *(str(Path(str(package.__file__)).parent) for package in (torch, importlib)),
    str(Path(__file__).parent),
    "<frozen",
)


def look_up(path: str, what: str) -> Any:
    """What `package.module:name` names; None where the module has no such name.

    Args:
        path: The path.
        what: How messages call the name, as in `package.module:function`.

    Raises:
        ValueError: The path has another form, or the module does not import; it is not named.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"is not of the form package.module:{what}")
    try:
        return getattr(importlib.import_module(module_name), name, None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's module does when it is imported
        reason = f"{told(error)}{place(error)}"
        raise ValueError(f"module {module_name!r} does not import: {reason}") from error


def module_class(path: str) -> type[nn.Module]:
    """The class of `torch.nn.Module` that `package.module:Class` names.

    Raises:
        ValueError: The module does not import, or has no such class of `torch.nn.Module`.
    """
    try:
        kind = look_up(path, "Class")
    except ValueError as error:
        raise ValueError(f"{path!r}: {error}") from error
    if kind is None:
        raise ValueError(f"{path!r}: the module has no such name")
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ValueError(f"{path!r} names {kind!r}, which is no class of torch.nn.Module")
    return kind


def called(path: str, what: str, call: Callable[[], T]) -> T:
    """What a call of the user's code answers.

    Args:
        path: Names the code, for messages.
        what: Names the method, for messages.
        call: Calls it.

    Raises:
        ValueError: It raised something; the message says what, and where.
    """
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's class does
        reason = f"{told(error)}{place(error)}"
        raise ValueError(f"{path!r}: {what} failed: {reason}") from error


def place(error: BaseException) -> str:
    """The last line of the user's own code that an exception passed; empty where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_USERS)]
    return f" at {users[-1].filename}:{users[-1].lineno}" if users else ""


def told(error: BaseException) -> str:
    """What an exception says, in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its __str__ raises
        text = "it cannot say what"
    return f"{type(error).__name__}: {text}"
