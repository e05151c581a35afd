"""What a mapping says of one feature: the settings of `[user.*]` and `[candidate.*]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from gerank.data.feature_block import EMPTY_NAME, Pool
from gerank.data.importing.choices import ColumnKind, TimeUnit
from gerank.data.importing.errors import ImportLogError
from gerank.data.schema import UNKNOWN_NAME


def _require(rule: str, holds: Callable[[Any], bool], settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not holds(value):
            raise ImportLogError(f"{name}: {value!r} is not {rule}")


@dataclass(frozen=True)
class FeatureColumn:
    """A feature of the user or of a candidate.

    Attributes:
        kind: `dense` (a number), `id` (a category), `flag` (yes or no), `vector` (a list of
            numbers, of fixed width), `ids` (a list of categories, of any length), or, of a time,
            `age_hours` (hours from it to the page's time, 0 where it lies ahead) and `hour` (the
            hour of the day, UTC, an id of 24).
        column: The column; empty = the feature's name. A name that ends with * stands for all
            columns that begin so, each a feature. The item's own column is the item's id.
        table: `items` or `users`: looked up there; empty = the log itself.
        values: Name all values of an id, in order.
        vocabulary: Counts the values or embedding rows of an id without names.
        hashed: Tells what an id without names takes: True = any text or integer; False =
            0..vocabulary - 1.
        integers: Whether texts are read as integers before they are hashed.
        min_count: Takes as values of texts those that the table holds so often at least, in a list
            each time; any other text stands for `<unknown>`. 0 = values are named or hashed.
        unknown: Whether any other text than `values` stands for one more value, `<unknown>`.
        width: Is the length of a vector.
        in_context: Whether each number of a candidate's vector has a rank and a z-score in the set.
        longest: How many entries of a list are kept, the first ones; an empty or a missing list
            has none. In a list of an id without names integers are >= 0.
        pool: What is made of the embeddings of a list's entries: `mean`, `sum`, or `attention`: a
            candidate weighs the entries of its own list, or those of the user's.
        time_unit: What the numbers of a time count; of timestamps and dates not needed.
        default: Stands where a value is missing; without one a missing value is an error.
        optional: Whether a request may leave the feature out; it then has the default.
        missing_flag: Whether a flag `<name>_missing` is made, to tell defaults from values.
        group: Whether rules may speak of it (spacing, diversity); of a candidate's id alone.
    """

    kind: ColumnKind
    column: str = ""
    table: str = ""
    values: tuple[str, ...] = ()
    vocabulary: int = 0
    hashed: bool = True
    integers: bool = False
    min_count: int = 0
    unknown: bool = False
    width: int = 0
    in_context: bool = False
    longest: int = 0
    pool: Pool = Pool.MEAN
    time_unit: TimeUnit | None = None
    default: bool | int | float | str | None = None
    optional: bool = False
    missing_flag: bool = False
    group: bool = False

    def __post_init__(self) -> None:
        _require("items, users or empty", lambda t: t in ("", "items", "users"), self, "table")
        if self.kind is ColumnKind.VECTOR:
            _require("in 1..4096, which a vector needs", lambda w: 1 <= w <= 4096, self, "width")
        if self.kind is ColumnKind.IDS:
            _require("in 1..256, which a list needs", lambda n: 1 <= n <= 256, self, "longest")
        if self.min_count:
            _require(">= 1", lambda least: least >= 1, self, "min_count")
            if self.values or self.vocabulary or self.integers:
                raise ImportLogError("min_count: is in place of values, vocabulary and integers")
        elif self.kind in (ColumnKind.ID, ColumnKind.IDS) and not self.values:
            rule = ">= 1, which an id without values needs"
            _require(rule, lambda rows: rows >= 1, self, "vocabulary")
        if self.unknown and not self.values:
            raise ImportLogError("unknown: is of ids with values; others know every value")
        if UNKNOWN_NAME in self.values or EMPTY_NAME in self.values:
            raise ImportLogError(f"values: {UNKNOWN_NAME} and {EMPTY_NAME} are names of gerank's")
        for name, kinds in _OF_KINDS.items():
            if getattr(self, name) != _FRESH[name] and self.kind not in kinds:
                raise ImportLogError(f"{name}: is of {' and '.join(kinds)}, not of {self.kind}")
        if self.kind is ColumnKind.IDS and (self.default is not None or self.missing_flag):
            raise ImportLogError("default: a list that is missing is empty and needs none")
        if self.time_unit is TimeUnit.ORDER:
            raise ImportLogError("time_unit: an order alone is no time")


_OF_KINDS = {
    "values": (ColumnKind.ID, ColumnKind.IDS),
    "min_count": (ColumnKind.ID, ColumnKind.IDS),
    "width": (ColumnKind.VECTOR,),
    "in_context": (ColumnKind.VECTOR,),
    "longest": (ColumnKind.IDS,),
    "pool": (ColumnKind.IDS,),
    "group": (ColumnKind.ID,),
    "time_unit": (ColumnKind.AGE_HOURS, ColumnKind.HOUR),
}
"""Settings of a feature that only some kinds have."""

_FRESH = {field.name: field.default for field in fields(FeatureColumn) if field.name in _OF_KINDS}
