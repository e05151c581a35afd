"""What a setting may be: rules, and the error that names the key and the value that break one."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any


class ConfigError(ValueError):
    """A setting that is unknown, malformed or out of range."""


def require(rule: str, holds: Callable[[Any], bool], settings: object, *names: str) -> None:
    """Raises ConfigError, key and value first, for the first of `names` that breaks the rule."""
    for name in names:
        value = getattr(settings, name)
        if not holds(value):
            raise ConfigError(f"{name}: {_as_written(value)!r} is not {rule}")


def _as_written(value: object) -> object:
    """A value as the file has it: lists for tuples, texts for their choices."""
    if isinstance(value, tuple):
        return [_as_written(each) for each in value]
    return str(value) if isinstance(value, StrEnum) else value


def seed_in_range(settings: object) -> None:
    """Raises ConfigError for a `seed` outside of 31 bits."""
    require("in 0..2147483647", lambda seed: 0 <= seed < 2**31, settings, "seed")


def at_least_one(settings: object, *names: str) -> None:
    """Raises ConfigError for the first of the counts `names` that is below 1."""
    require(">= 1", lambda count: count >= 1, settings, *names)


def widths(settings: object, *names: str) -> None:
    """Raises ConfigError for the first of the layer widths `names` that is outside of 1..512."""
    require("in 1..512", lambda width: 1 <= width <= 512, settings, *names)


def positive(settings: object, *names: str) -> None:
    """Raises ConfigError for the first of `names` that is not above 0, or infinite."""
    require("positive and finite", lambda value: 0 < value < math.inf, settings, *names)


def not_negative(settings: object, *names: str) -> None:
    """Raises ConfigError for the first of `names` that is below 0, or infinite."""
    require("finite and >= 0", lambda value: 0 <= value < math.inf, settings, *names)
