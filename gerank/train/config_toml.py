"""A training run's TOML file: read with the settings' types, written with all defaults."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gerank.data.settings import SettingsReader
from gerank.train.config import TrainConfig
from gerank.train.setting_rules import ConfigError

_READER = SettingsReader(ConfigError)

build_settings = _READER.build
"""Reads a table of a run's TOML file as a dataclass; what does not fit is a ConfigError."""


def read_config(path: Path) -> TrainConfig:
    """Reads a TOML file.

    Raises:
        ConfigError: The file is missing or not TOML, or a key or value does not fit.
    """
    config: TrainConfig = _READER.read(TrainConfig, path)
    log = (path.parent / config.data.log).resolve()
    tables = {
        name: dataclasses.replace(table, file=(path.parent / table.file).resolve())
        for name, table in config.tables.items()
    }
    data = dataclasses.replace(config.data, log=log)
    return dataclasses.replace(config, data=data, tables=tables)


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


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
