"""Features of a mapping, planned: which raw columns are read, and what they become."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gerank.data.importing import casts
from gerank.data.importing.casts import Cast
from gerank.data.importing.choices import ColumnKind
from gerank.data.importing.errors import MappingError
from gerank.data.importing.mapping import FeatureColumn, Mapping
from gerank.data.schema import Feature, FeatureKind, FeatureSchema, SchemaError

YES_NO = ("no", "yes")
MISSING_SUFFIX = "_missing"
HASH_FUNCTION = "gerank_hash_id"


@dataclass(frozen=True)
class PlannedFeature:
    """One feature of the log and where it comes from.

    Attributes:
        side: `user` or `candidate`.
        column: What the mapping says of it; never a pattern.
        feature: As the schema has it.
        part: Tells which number of a vector it takes, from 0; None = the whole value.
        default: What stands for a missing value; None = a missing value is an error.
        missing: The flag that tells defaults from values.
    """

    side: str
    column: FeatureColumn
    feature: Feature
    part: int | None = None
    default: float | int | None = None
    missing: Feature | None = None

    @property
    def key(self) -> str:
        """The name of the feature's column in the log and in our tables."""
        return f"{self.side}.{self.feature.name}"

    def cast(self, value: str, kind: str) -> Cast:
        """The feature's number from a value of the source.

        Args:
            value: SQL of the value.
            kind: Its DuckDB type.
        """
        column, where = self.column, self.key
        if column.kind is ColumnKind.VECTOR:
            return self._part(value, kind)
        if column.kind is ColumnKind.DENSE:
            return casts.number(value, kind, where)
        if column.kind is ColumnKind.FLAG:
            return casts.flag(value, kind, where)
        if column.values:
            return casts.category(value, kind, where, column.values)
        if column.hashed and casts.is_text(kind) and not column.integers:
            return Cast(f"{HASH_FUNCTION}(CAST({value} AS VARCHAR))")
        cast = casts.integer(value, kind, where)
        if column.hashed:
            return cast
        outside = f"({cast.sql}) NOT BETWEEN 0 AND {column.vocabulary - 1}"
        return cast.also(outside, f"is outside its vocabulary, 0 to {column.vocabulary - 1}")

    def _part(self, value: str, kind: str) -> Cast:
        width, place = self.column.width, self.part or 0
        if not casts.is_list(kind) and not casts.is_text(kind):
            raise MappingError(f"{self.key}: a column of type {kind} is not a list of numbers")
        numbers = f"TRY_CAST({value} AS DOUBLE[])"
        element = casts.number(f"({numbers})[{place + 1}]", "DOUBLE", self.key)
        if place:
            return element
        return element.also(
            f"{value} IS NOT NULL AND {numbers} IS NULL", "is not a list of numbers"
        ).also(f"len({numbers}) <> {width}", f"is not of the width {width}")


def plan_features(
    mapping: Mapping, columns_of: Callable[[str], Iterable[str]]
) -> tuple[PlannedFeature, ...]:
    """All features of a log, those of the user first.

    Args:
        mapping: What a person wrote.
        columns_of: Table ("", "items", "users") -> its columns, which patterns are matched with.

    Raises:
        MappingError: A default does not fit, a pattern matches nothing, or a name is there twice.
    """
    planned: list[PlannedFeature] = []
    for side in ("user", "candidate"):
        for name, column in getattr(mapping, side).items():
            for single_name, single in _matched(side, name, column, columns_of):
                planned += _planned(side, single_name, single)
    return tuple(planned)


def schema_of(planned: Iterable[PlannedFeature]) -> FeatureSchema:
    """The schema of a log with these features.

    Raises:
        MappingError: A name is there twice.
    """
    planned = tuple(planned)

    def of(side: str) -> tuple[Feature, ...]:
        pairs = [(f.feature, f.missing) for f in planned if f.side == side]
        return tuple(feature for pair in pairs for feature in pair if feature is not None)

    candidate = [f for f in planned if f.side == "candidate"]
    flags = [f.feature.name for f in candidate if f.column.kind is ColumnKind.FLAG]
    flags += [f.missing.name for f in candidate if f.missing is not None]
    groups = tuple(f.feature.name for f in candidate if f.column.group)
    try:
        return FeatureSchema(of("user"), of("candidate"), groups, tuple(flags))
    except SchemaError as error:
        raise MappingError(str(error)) from None


def _matched(
    side: str, name: str, column: FeatureColumn, columns_of: Callable[[str], Iterable[str]]
) -> list[tuple[str, FeatureColumn]]:
    pattern = column.column or name
    if not pattern.endswith("*") or pattern.startswith("="):
        return [(name, dataclasses.replace(column, column=pattern))]
    beginning = pattern.removesuffix("*")
    found = [c for c in columns_of(column.table) if c.startswith(beginning)]
    if not found:
        raise MappingError(f"{side}.{name}: no column begins with {beginning!r}")
    return [(one, dataclasses.replace(column, column=one)) for one in found]


def _planned(side: str, name: str, column: FeatureColumn) -> list[PlannedFeature]:
    missing = None
    if column.missing_flag:
        if column.default is None:
            raise MappingError(f"{side}.{name}: missing_flag: needs a default beside it")
        missing = Feature(f"{name}{MISSING_SUFFIX}", FeatureKind.ID, 2, values=YES_NO)
    parts: list[int | None] = [None]
    names = [name]
    if column.kind is ColumnKind.VECTOR:
        parts = [*range(column.width)]
        names = [f"{name}_{part}" for part in range(column.width)]
    features = [_feature(one, column) for one in names]
    default = _default(side, name, features[0], column)
    if column.optional:
        if default is None:
            raise MappingError(f"{side}.{name}: optional: needs a default beside it")
        features = [dataclasses.replace(feature, default=default) for feature in features]
        missing = missing and dataclasses.replace(missing, default=1)
    return [
        PlannedFeature(side, column, feature, part, default, missing if place == 0 else None)
        for place, (feature, part) in enumerate(zip(features, parts, strict=True))
    ]


def _feature(name: str, column: FeatureColumn) -> Feature:
    if column.kind in (ColumnKind.DENSE, ColumnKind.VECTOR):
        return Feature(name, FeatureKind.DENSE)
    if column.kind is ColumnKind.FLAG:
        return Feature(name, FeatureKind.ID, 2, values=YES_NO)
    if column.values:
        return Feature(name, FeatureKind.ID, len(column.values), values=column.values)
    return Feature(name, FeatureKind.ID, column.vocabulary, hashed=column.hashed)


def _default(side: str, name: str, feature: Feature, column: FeatureColumn) -> float | int | None:
    if column.default is None:
        return None
    try:
        return feature.encode(column.default)
    except SchemaError as error:
        raise MappingError(f"{side}.{name}: default: {error}") from None
