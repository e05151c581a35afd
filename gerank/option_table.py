"""What a server and an engine can be told: the table that the build writes from C++.

`server/native/options/option_table.cpp` is its one definition; the build prints it into
`gerank/lib/options.json`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "lib" / "options.json"


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: As in `server.toml`; `--max-batch` on a command line is `max_batch`.
        default: A number, a text, true or false, or an empty table of names, which tells what it
            may be.
        description: What it is for, in a few words.
        low: The lowest number that it may be; None = it is no number.
        high: The highest.
        words: The texts that it may be; empty = any.
    """

    name: str
    default: Any
    description: str
    low: int | None = None
    high: int | None = None
    words: tuple[str, ...] = ()


@functools.cache
def option_table() -> Mapping[str, Option]:
    """Option by name, in the order of the table.

    Raises:
        ImportError: gerank was not built.
    """
    try:
        entries = json.loads(_FILE.read_bytes())
    except FileNotFoundError:
        raise ImportError(f"{_FILE} is missing: run `make build`") from None
    return {
        entry["name"]: Option(**entry | {"words": tuple(entry.get("words", ()))})
        for entry in entries
    }


def default(name: str) -> Any:
    """What an option is where nobody says otherwise."""
    return option_table()[name].default


def number_range(name: str) -> tuple[int, int]:
    """The lowest and the highest number that an option may be."""
    option = option_table()[name]
    assert option.low is not None and option.high is not None
    return option.low, option.high
