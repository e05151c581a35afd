"""`server.toml`: the options of a server in a file, by the names of `gerank.option_table`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gerank.option_table import option_table
from gerank_server.options import OptionError


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
