"""Tables of a TOML file as frozen dataclasses: read by the types of their fields."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import tomllib
import types
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class SettingsReader:
    """Reads tables; what does not fit raises the given kind of error, by its dotted key.

    Attributes:
        error: Raised for a key that is unknown or missing and for a value that does not fit.
    """

    error: type[ValueError]

    def read(self, kind: Any, path: Path) -> Any:
        """The TOML file at `path` as a dataclass `kind`.

        Raises:
            ValueError: It is of the reader's kind and names the file: that is missing or not TOML,
                or a key or value does not fit.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise self.error(f"{path}: no such file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise self.error(f"{path}: not TOML: {error}") from None
        try:
            return self.build(kind, document, "")
        except self.error as error:
            raise self.error(f"{path}: {error}") from None

    def build(self, kind: Any, table: object, where: str) -> Any:
        """`table` as a dataclass `kind`; `where` is the dotted key it was found under.

        Raises:
            ValueError: It is of the reader's kind: a key is unknown or missing, or a value does
                not fit.
        """
        if not isinstance(table, dict):
            raise self.error(f"{where or 'file'}: {table!r} is not a table")
        hints = typing.get_type_hints(kind)
        for key in table:
            if key not in hints:
                near = difflib.get_close_matches(key, hints, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(hints)}"
                raise self.error(f"unknown key {_dotted(where, key)!r}{hint}")
        settings = {key: self._value(hints[key], table[key], _dotted(where, key)) for key in table}
        for entry in dataclasses.fields(kind):
            required = entry.default is entry.default_factory is dataclasses.MISSING
            if required and entry.name not in settings:
                raise self.error(f"missing key {_dotted(where, entry.name)!r}")
        try:
            return kind(**settings)
        except self.error as error:
            raise self.error(_dotted(where, str(error))) from None

    def _value(self, kind: Any, value: object, where: str) -> Any:
        if kind is Any:
            return value
        if dataclasses.is_dataclass(kind):
            return self.build(kind, value, where)
        if isinstance(kind, types.UnionType):
            return self._one_of(typing.get_args(kind), value, where)
        if isinstance(kind, types.GenericAlias):
            return self._collection(kind, value, where)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            if not isinstance(value, str) or value not in list(kind):
                raise self.error(f"{where}: {value!r} is not one of {', '.join(kind)}")
            return kind(value)
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not kind:
            raise self.error(f"{where}: {value!r} is not of type {kind.__name__}")
        return value

    def _one_of(self, kinds: tuple[Any, ...], value: object, where: str) -> Any:
        """`value` as the first of the kinds that it fits; None is the absence of a key."""
        named = [kind for kind in kinds if kind is not types.NoneType]
        for kind in named[:-1]:
            with contextlib.suppress(self.error):
                return self._value(kind, value, where)
        return self._value(named[-1], value, where)

    def _collection(self, kind: types.GenericAlias, value: object, where: str) -> Any:
        """`dict[str, kind]` from a table, `tuple[kind, ...]` from an array."""
        arguments = typing.get_args(kind)
        if typing.get_origin(kind) is dict:
            if not isinstance(value, dict):
                raise self.error(f"{where}: {value!r} is not a table")
            return {
                key: self._value(arguments[1], entry, _dotted(where, key))
                for key, entry in value.items()
            }
        if not isinstance(value, list):
            raise self.error(f"{where}: {value!r} is not an array")
        return tuple(self._value(arguments[0], e, f"{where}[{n}]") for n, e in enumerate(value))


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
