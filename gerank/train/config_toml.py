"""A training run's TOML file: read with the settings' types, written with all defaults."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from gerank.train.config import ConfigError, TrainConfig


def read_config(path: Path) -> TrainConfig:
    """Reads a TOML file.

    Raises:
        ConfigError: The file is missing or not TOML, or a key or value does not fit.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        config: TrainConfig = build_settings(TrainConfig, document, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    log = (path.parent / config.data.log).resolve()
    return dataclasses.replace(config, data=dataclasses.replace(config.data, log=log))


def to_toml(config: TrainConfig) -> str:
    """The same settings as a TOML file, defaults written out: a run keeps what it ran with."""
    lines: list[str] = []
    _write_table(dataclasses.asdict(config), "", lines)
    return "\n".join(lines).strip() + "\n"


def config_differences(before: TrainConfig, now: TrainConfig) -> list[str]:
    """A clause for every setting that two configurations have otherwise, by its dotted key."""
    ours, theirs = (dict(_settings(dataclasses.asdict(c), "")) for c in (before, now))
    found = []
    for key in dict.fromkeys([*ours, *theirs]):
        was, is_now = ours.get(key, "not set"), theirs.get(key, "not set")
        if was != is_now:
            found.append(f"{key} was {was} and is {is_now} now")
    return found


def _settings(table: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Dotted key -> value as TOML writes it."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, _dotted(name, _key(key)))
        else:
            yield _dotted(name, _key(key)), _literal(value)


def _write_table(table: dict[str, Any], name: str, lines: list[str]) -> None:
    if name:
        lines += ["", f"[{name}]"]
    for key, value in table.items():
        if not isinstance(value, dict):
            lines.append(f"{_key(key)} = {_literal(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            _write_table(value, _dotted(name, _key(key)), lines)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _literal(value: object) -> str:
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)  # TOML's basic strings are JSON's
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_literal(v)}' for key, v in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def build_settings(kind: Any, table: object, where: str) -> Any:
    """`table` as a dataclass `kind`; `where` is the dotted key it was found under.

    Raises:
        ConfigError: A key that is unknown or missing, or a value that does not fit.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{where or 'file'}: {table!r} is not a table")
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(hints)}"
            raise ConfigError(f"unknown key {_dotted(where, key)!r}{hint}")
    settings = {key: _value(hints[key], table[key], _dotted(where, key)) for key in table}
    for entry in dataclasses.fields(kind):
        required = entry.default is entry.default_factory is dataclasses.MISSING
        if required and entry.name not in settings:
            raise ConfigError(f"missing key {_dotted(where, entry.name)!r}")
    try:
        return kind(**settings)
    except ConfigError as error:
        raise ConfigError(_dotted(where, str(error))) from None


def _value(kind: Any, value: object, where: str) -> Any:
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return build_settings(kind, value, where)
    if isinstance(kind, types.UnionType):
        return _one_of(typing.get_args(kind), value, where)
    if isinstance(kind, types.GenericAlias):
        return _collection(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if not isinstance(value, str) or value not in list(kind):
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(kind)}")
        return kind(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: {value!r} is not of type {kind.__name__}")
    return value


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    """`value` as the first of the kinds that it fits; None is the absence of a key."""
    named = [kind for kind in kinds if kind is not types.NoneType]
    for kind in named[:-1]:
        with contextlib.suppress(ConfigError):
            return _value(kind, value, where)
    return _value(named[-1], value, where)


def _collection(kind: types.GenericAlias, value: object, where: str) -> Any:
    """`dict[str, kind]` from a table, `tuple[kind, ...]` from an array."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {value!r} is not a table")
        named = value.items()
        return {key: _value(arguments[1], entry, _dotted(where, key)) for key, entry in named}
    if not isinstance(value, list):
        raise ConfigError(f"{where}: {value!r} is not an array")
    return tuple(_value(arguments[0], e, f"{where}[{n}]") for n, e in enumerate(value))


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
