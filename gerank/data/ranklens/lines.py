"""JSON lines, plain or gzipped: one object a line, and where each was read."""

from __future__ import annotations

import gzip
import json
import reprlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO


class RankLensError(ValueError):
    """RankLens events that cannot be converted; the message names file, line and value."""


@dataclass(frozen=True)
class Line:
    """One JSON object, and the place that messages about it name.

    Attributes:
        path: The file.
        number: 1-based.
        content: The object.
    """

    path: Path
    number: int
    content: Mapping[str, Any]

    def error(self, rule: str) -> RankLensError:
        """The error to raise when this line breaks `rule`."""
        return RankLensError(f"{self.path}, line {self.number}: {rule}")

    def text(self, field: str) -> str:
        """A field that must be a string, and not an empty one.

        Raises:
            RankLensError: The field is missing or something else.
        """
        return self.checked_text(self.content.get(field), field)

    def checked_text(self, value: object, field: str) -> str:
        """`value`, if it is a string that names something.

        Raises:
            RankLensError: It is not; the message names `field`.
        """
        if not isinstance(value, str) or not value or not _storable(value):
            raise self.error(f"{field!r} is {shown(value)}, not a string with content")
        return value

    def number_from(self, value: object, field: str, low: float, high: float) -> float:
        """`value`, if it is a number in [low, high].

        Raises:
            RankLensError: It is not; the message names `field`.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(f"{field!r} is {shown(value)}, not a number")
        if not low <= value <= high:
            raise self.error(f"{field!r} is {shown(value)}, not in [{low:g}, {high:g}]")
        return float(value)


def read_lines(path: Path) -> Iterator[Line]:
    """The objects of a file; blank lines are skipped.

    Args:
        path: `.jsonl`, or gzipped when its name ends in `.gz`.

    Raises:
        RankLensError: No such file, damaged gzip, or a line that is no JSON object.
    """
    number = 0
    try:
        with _open(path) as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield Line(path, number, _parse(path, number, text))
    except FileNotFoundError as error:
        raise RankLensError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise RankLensError(f"{path}, after line {number}: not readable: {error}") from error


def shown(value: object) -> str:
    """A value as messages show it: short, whatever it is."""
    return reprlib.repr(value)


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")


def _parse(path: Path, number: int, text: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RankLensError(f"{path}, line {number}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RankLensError(f"{path}, line {number}: {shown(content)} is not a JSON object")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _storable(text: str) -> bool:
    """False for what neither UTF-8 nor a numpy string can hold: lone surrogates, NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
