"""`server.toml`: the options of a server in a file, by the names of `gerank.option_table`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gerank.option_table import option_table
from gerank_server.model_files import ModelFiles
from gerank_server.options import OptionError, ServerOptions

_OF_THE_COMMAND = ("model", "models", "address")


def read_server_toml(path: Path) -> dict[str, Any]:
    """Option -> value, as the file says; what it may be `ServerOptions` checks.

    Raises:
        OptionError: The file cannot be read, is not TOML, or names something that is no option.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise OptionError(f"{path}: not TOML: {error}") from None
    for name, value in told.items():
        if name not in option_table():
            raise OptionError(f"{path}: {name}: is no option of the server, got {value!r}")
    return told


def checked_server_toml(path: Path) -> dict[str, Any]:
    """The same, each option checked by itself, so that a wrong one is told with the file's name.

    Raises:
        OptionError: As for `read_server_toml`, or an option is out of its range.
    """
    told = read_server_toml(path)
    try:
        ModelFiles.told((), told.get("model"), told.get("models", {}))
        for name, value in told.items():
            if name not in _OF_THE_COMMAND:
                ServerOptions.check(name, value)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None
    return told
