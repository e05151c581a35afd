"""Code that users name as `package.module:name`: looked up, and told of where it fails."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from typing import Any

import torch

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
