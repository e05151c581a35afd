"""Writes docs/settings.md: every key of the TOML files, from the dataclasses that read them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from gerank.compare.config import CompareConfig
from gerank.data.importing.mapping import Mapping
from gerank.train.config import TrainConfig
from gerank.train.utilities import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
_TRAINING = frozenset({"data", "evaluator", "judge", "reward", "train"})
_HEAD = """# Settings

Written by `tools/write_settings.py` from the dataclasses that read the files; a test holds both
together. A key that is not here is refused by name.
"""


def page() -> str:
    """The whole document."""
    lines = [_HEAD, "## The file of `gerank train`\n"]
    lines += _tables(TrainConfig, "")
    lines += ["## Options of utilities: `[reward.NAME.options]`\n"]
    for name, kind in KINDS.items():
        if dataclasses.fields(kind.options):
            lines += [f"### `{name}`: {kind.meaning}\n", *_table(kind.options)]
    lines += ["## The file of `gerank compare`\n"]
    lines += ["Tables that the file of `gerank train` has, too, are as above.\n"]
    lines += _tables(CompareConfig, "", known=_TRAINING)
    lines += ["## The mapping of `gerank import`\n"]
    lines += _tables(Mapping, "")
    return "\n".join(lines).rstrip() + "\n"


def _tables(settings: type[Any], path: str, known: frozenset[str] = frozenset()) -> Iterator[str]:
    """The table of a class, then the tables of the classes below it, but for `known` ones."""
    hints = get_type_hints(settings)
    nested = [(f.name, *_nested(hints[f.name])) for f in dataclasses.fields(settings)]
    below = {name: (kind, named) for name, kind, named in nested if kind is not None}
    title = f"### `[{path}]`" if path else "### At the top"
    yield f"{title}: {_first_line(settings)}\n"
    yield from _table(settings, skip=set(below))
    for name, (kind, named) in below.items():
        if name in known:
            continue
        yield from _tables(kind, f"{path}{'.' if path else ''}{name}{'.NAME' if named else ''}")


def _table(settings: type[Any], skip: set[str] | None = None) -> Iterator[str]:
    fields = [f for f in dataclasses.fields(settings) if f.name not in (skip or set())]
    if not fields:
        return
    meaning, hints = _meanings(settings), get_type_hints(settings)
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for entry in fields:
        value, default = _value(hints[entry.name]), _default(entry)
        yield f"| `{entry.name}` | {value} | {default} | {meaning.get(entry.name, '')} |"
    yield ""


def _nested(hint: Any) -> tuple[type[Any] | None, bool]:
    """The class of settings below a key, and whether it is one of many by name."""
    if get_origin(hint) is dict:
        kind = get_args(hint)[1]
        return (kind, True) if dataclasses.is_dataclass(kind) else (None, False)
    for kind in (hint, *get_args(hint)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind, False
    return None, False


def _meanings(settings: type[Any]) -> dict[str, str]:
    """Key -> what `Attributes:` of the docstring says of it."""
    text = inspect.getdoc(settings) or ""
    told: dict[str, str] = {}
    names: list[str] = []
    for line in text.partition("Attributes:\n")[2].splitlines():
        begins = re.match(r"    (\w[\w, ]*): (.*)", line)
        if begins:
            names = [name.strip() for name in begins[1].split(",")]
            told |= dict.fromkeys(names, begins[2])
        elif line.startswith("        ") and names:
            told |= {name: f"{told[name]} {line.strip()}" for name in names}
    return {name: meaning.replace("|", "\\|") for name, meaning in told.items()}


def _value(hint: Any) -> str:
    """The type as people write it in TOML."""
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(f'`"{word}"`' for word in hint)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_value(kind) for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is tuple:
        return f"list of {_value(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "table"
    names = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "path"}
    return names.get(hint, "any")


def _default(entry: dataclasses.Field[Any]) -> str:
    if entry.default is not dataclasses.MISSING:
        value = entry.default
    elif entry.default_factory is not dataclasses.MISSING:
        value = entry.default_factory()
    else:
        return "needed"
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f'`"{value}"`' if isinstance(value, str) else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return str([str(entry) if isinstance(entry, StrEnum) else entry for entry in value])


def _first_line(settings: type[Any]) -> str:
    first: str = (inspect.getdoc(settings) or "").splitlines()[0]
    return first[0].lower() + first[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
