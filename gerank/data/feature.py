"""One feature of a user or of a candidate, and the number that stands for each of its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from gerank.data.scalars import is_real, is_truth, whole_number

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_FLOAT32_MAX = 3.4028234663852886e38

UNKNOWN_NAME = "<unknown>"
"""A fixed id that has a value of this name takes any text that is none of its names for it."""


class SchemaError(ValueError):
    """A schema that contradicts itself, or a value that does not fit its feature."""


class FeatureKind(StrEnum):
    """How a feature enters the model."""

    DENSE = "dense"
    ID = "id"


@dataclass(frozen=True)
class Feature:
    """One feature of a user or of a candidate.

    Attributes:
        name: As people write it in requests and logs.
        kind: `dense` (a float32) or `id` (an int64).
        vocabulary: Counts the values of a fixed id, or the embedding rows of a hashed one.
        hashed: Is True for an id that takes any 64-bit integer or string as a value.
        values: Name the values of a fixed id, in order; may be left out. With a value named
            `<unknown>` among them, any other text stands for that one.
        minimum, maximum: Bound what training saw of a dense feature; they only inform.
        default: The number that a request has which leaves the feature out; None = it must not.
    """

    name: str
    kind: FeatureKind
    vocabulary: int = 0
    hashed: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: float | int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise SchemaError("a feature needs a name")
        if self.kind is FeatureKind.ID and self.vocabulary < 1:
            raise SchemaError(f"feature {self.name!r}: vocabulary is {self.vocabulary}, not >= 1")
        if self.values and (self.hashed or len(self.values) != self.vocabulary):
            raise SchemaError(
                f"feature {self.name!r}: {len(self.values)} value names for a "
                f"{'hashed' if self.hashed else 'fixed'} vocabulary of {self.vocabulary}"
            )
        if self.default is not None:
            object.__setattr__(self, "default", self.encode(self.default))

    def encode(self, value: object) -> float | int:
        """The number that stands for `value` on the wire and in tensors.

        Raises:
            SchemaError: `value` does not fit; the message names feature and value.
        """
        return self._dense(value) if self.kind is FeatureKind.DENSE else self._id(value)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in reversed([*enumerate(self.values)])}

    def decode(self, number: Any) -> float | int | str:
        """What a person would write for a number that `encode` gives: the value's name, if any."""
        if self.kind is FeatureKind.DENSE:
            return float(number)
        return self.values[int(number)] if self.values else int(number)

    def _dense(self, value: object) -> float:
        if not is_real(value):
            raise SchemaError(f"feature {self.name!r}: {value!r} is not a number")
        try:
            number = float(value)
        except OverflowError:  # an integer beyond every float
            number = math.inf
        if not abs(number) <= _FLOAT32_MAX:  # false for NaN too
            raise SchemaError(f"feature {self.name!r}: {value!r} is not a finite float32")
        return number

    def _id(self, value: object) -> int:
        if isinstance(value, str):
            if self.hashed:
                return hash_id(value)
            for name in (value, UNKNOWN_NAME):
                if name in self._codes:
                    return self._codes[name]
            raise SchemaError(f"feature {self.name!r}: unknown value {value!r}")
        number = int(value) if is_truth(value) else whole_number(value)
        if number is None:
            raise SchemaError(f"feature {self.name!r}: {value!r} is not an integer or a string")
        low, high = (_INT64_MIN, _INT64_MAX) if self.hashed else (0, self.vocabulary - 1)
        if not low <= number <= high:
            raise SchemaError(f"feature {self.name!r}: {number} is outside [{low}, {high}]")
        return number


def named_id(name: str, values: tuple[str, ...]) -> Feature:
    """An id whose values, in this order, have names."""
    return Feature(name, FeatureKind.ID, vocabulary=len(values), values=values)


def hash_id(text: str) -> int:
    """FNV-1a, 64 bit, of the UTF-8 bytes, without its sign bit: any language repeats it easily.

    It is never negative: a negative id in a group key means "no group".
    """
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state & _INT64_MAX
