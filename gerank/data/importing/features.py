"""Features of a mapping, planned: which raw columns are read, and what they become."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gerank.data.feature_block import EMPTY_HASHED, EMPTY_NAME, Block, BlockKind
from gerank.data.importing import casts, feature_casts
from gerank.data.importing.casts import Cast
from gerank.data.importing.choices import ColumnKind, Layout
from gerank.data.importing.errors import MappingError
from gerank.data.importing.feature_column import FeatureColumn
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.sql import quoted
from gerank.data.missing_flag import MISSING_SUFFIX, YES_NO
from gerank.data.schema import UNKNOWN_NAME, Feature, FeatureKind, FeatureSchema, SchemaError

CUT_SUFFIX = " (cut)"
"""What a column that counts lists is named behind the list; it is in no log."""
_HOURS_OF_A_DAY = 24
HASH_FUNCTION = "gerank_hash_id"


@dataclass(frozen=True)
class PlannedFeature:
    """One feature of the log and where it comes from.

    Attributes:
        side: `user` or `candidate`.
        column: What the mapping says of it; never a pattern.
        feature: As the schema has it.
        part: Tells which number of a vector or entry of a list it takes, from 0; None = the whole
            value.
        default: What stands for a missing value; None = a missing value is an error.
        missing: The flag that tells defaults from values.
        block: Names the block that it is a column of; empty = of none.
        separator: What stands between the entries of a list that is a text.
        counts_cut: Whether it is no feature of the log, but counts lists that were cut.
    """

    side: str
    column: FeatureColumn
    feature: Feature
    part: int | None = None
    default: float | int | None = None
    missing: Feature | None = None
    block: str = ""
    separator: str = ""
    counts_cut: bool = False

    @property
    def key(self) -> str:
        """The name of the feature's column in the log and in our tables."""
        return f"{self.side}.{self.feature.name}"

    @property
    def source_key(self) -> str:
        """What the mapping calls it: the block, or the feature itself."""
        return f"{self.side}.{self.block or self.feature.name}"

    @property
    def held_type(self) -> str:
        """The DuckDB type of what `cast` gives."""
        number = self.feature.kind is FeatureKind.DENSE
        return "FLOAT" if number and self.column.kind is not ColumnKind.AGE_HOURS else "BIGINT"

    def cast(self, value: str, kind: str) -> Cast:
        """The feature's number from a value of the source; of an age, the moment it counts from.

        Args:
            value: SQL of the value.
            kind: Its DuckDB type.

        Raises:
            MappingError: A column of this type does not fit.
        """
        column, where, place = self.column, self.source_key, self.part or 0
        if self.counts_cut:
            return feature_casts.is_cut(value, kind, where, column.longest, self.separator)
        if column.kind is ColumnKind.VECTOR:
            return feature_casts.vector_number(
                value, kind, where, column.width, place, self.separator
            )
        if column.kind is ColumnKind.IDS:
            empty = int(self.default or 0)
            return feature_casts.list_entry(
                value, kind, where, place, empty, self.separator, self._id
            )
        if column.kind is ColumnKind.AGE_HOURS:
            return feature_casts.moment(value, kind, where, column.time_unit)
        if column.kind is ColumnKind.HOUR:
            return feature_casts.hour_of_day(value, kind, where, column.time_unit)
        if column.kind is ColumnKind.DENSE:
            return casts.number(value, kind, where)
        if column.kind is ColumnKind.FLAG:
            return casts.flag(value, kind, where)
        return self._id(value, kind)

    def final(self, page_time: str) -> str:
        """SQL of the feature in the log, of the column that holds what `cast` gives.

        Args:
            page_time: SQL of the page's time, in microseconds.
        """
        found = quoted(self.key)
        if self.column.kind is ColumnKind.AGE_HOURS:
            found = feature_casts.hours_before(page_time, found)
        default = "" if self.default is None else f", {self.default!r}"
        kind = "FLOAT" if self.feature.kind is FeatureKind.DENSE else "BIGINT"
        return f"CAST(coalesce({found}{default}) AS {kind})"

    def _id(self, value: str, kind: str) -> Cast:
        column, where = self.column, self.source_key
        if column.values:
            unknown = len(column.values) if column.unknown else None
            return casts.category(value, kind, where, column.values, unknown)
        if column.hashed and casts.is_text(kind) and not column.integers:
            return Cast(f"{HASH_FUNCTION}(CAST({value} AS VARCHAR))")
        cast = casts.integer(value, kind, where)
        if column.hashed:
            if column.kind is ColumnKind.IDS:
                return cast.also(f"({cast.sql}) < 0", "is negative, and ids of lists are not")
            return cast
        outside = f"({cast.sql}) NOT BETWEEN 0 AND {column.vocabulary - 1}"
        return cast.also(outside, f"is outside its vocabulary, 0 to {column.vocabulary - 1}")


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
                planned += _planned(side, single_name, single, _separator(mapping, side, single))
    return tuple(planned)


def schema_of(planned: Iterable[PlannedFeature]) -> FeatureSchema:
    """The schema of a log with these features.

    Raises:
        MappingError: A name is there twice.
    """
    planned = tuple(f for f in planned if not f.counts_cut)

    def of(side: str) -> tuple[Feature, ...]:
        pairs = [(f.feature, f.missing) for f in planned if f.side == side]
        return tuple(feature for pair in pairs for feature in pair if feature is not None)

    candidate = [f for f in planned if f.side == "candidate"]
    flags = [f.feature.name for f in candidate if f.column.kind is ColumnKind.FLAG]
    flags += [f.missing.name for f in candidate if f.missing is not None]
    groups = tuple(f.feature.name for f in candidate if f.column.group)
    try:
        blocks = _blocks(planned)
        return FeatureSchema(of("user"), of("candidate"), groups, tuple(flags), blocks=blocks)
    except SchemaError as error:
        raise MappingError(str(error)) from None


def _blocks(planned: tuple[PlannedFeature, ...]) -> tuple[Block, ...]:
    parts: dict[tuple[str, str], list[PlannedFeature]] = {}
    for feature in planned:
        if feature.block:
            parts.setdefault((feature.side, feature.block), []).append(feature)
    return tuple(
        Block(
            side,
            name,
            BlockKind(columns[0].column.kind),
            tuple(f.feature.name for f in columns),
            columns[0].column.in_context,
            columns[0].column.pool,
        )
        for (side, name), columns in parts.items()
    )


def _separator(mapping: Mapping, side: str, column: FeatureColumn) -> str:
    """That of texts with lists; a list within another list of a wide table has brackets."""
    inner = side == "candidate" and not column.table and mapping.layout is Layout.WIDE
    return "" if inner else mapping.source.list_separator


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


def _planned(side: str, name: str, column: FeatureColumn, separator: str) -> list[PlannedFeature]:
    missing = None
    if column.missing_flag:
        if column.default is None:
            raise MappingError(f"{side}.{name}: missing_flag: needs a default beside it")
        missing = Feature(f"{name}{MISSING_SUFFIX}", FeatureKind.ID, 2, values=YES_NO)
    if column.kind is ColumnKind.IDS:
        return _planned_list(side, name, column, separator)
    parts: list[int | None] = [None]
    names, block = [name], ""
    if column.kind is ColumnKind.VECTOR:
        parts, block = [*range(column.width)], name
        names = [f"{name}_{part}" for part in range(column.width)]
    features = [_feature(one, column) for one in names]
    default = _default(side, name, features[0], column)
    if column.optional:
        if default is None:
            raise MappingError(f"{side}.{name}: optional: needs a default beside it")
        features = [dataclasses.replace(feature, default=default) for feature in features]
        missing = missing and dataclasses.replace(missing, default=1)
    flags = [missing, *[None] * (len(parts) - 1)]
    return [
        PlannedFeature(side, column, feature, part, default, flag, block, separator)
        for feature, part, flag in zip(features, parts, flags, strict=True)
    ]


def _planned_list(
    side: str, name: str, column: FeatureColumn, separator: str
) -> list[PlannedFeature]:
    """The columns of a list, and the count of lists that were cut."""
    entry = _feature(name, column)
    if entry.hashed:
        empty, like = EMPTY_HASHED, entry
    else:
        empty, values = entry.vocabulary, (*entry.values, EMPTY_NAME) if entry.values else ()
        like = dataclasses.replace(entry, vocabulary=empty + 1, values=values)
    planned = [
        PlannedFeature(
            side,
            column,
            dataclasses.replace(like, name=f"{name}_{part}", default=empty),
            part,
            empty,
            block=name,
            separator=separator,
        )
        for part in range(column.longest)
    ]
    count = Feature(f"{name}{CUT_SUFFIX}", FeatureKind.ID, 2)
    return [
        *planned,
        PlannedFeature(
            side, column, count, None, 0, block=name, separator=separator, counts_cut=True
        ),
    ]


def _feature(name: str, column: FeatureColumn) -> Feature:
    if column.kind in (ColumnKind.DENSE, ColumnKind.VECTOR, ColumnKind.AGE_HOURS):
        return Feature(name, FeatureKind.DENSE)
    if column.kind is ColumnKind.FLAG:
        return Feature(name, FeatureKind.ID, 2, values=YES_NO)
    if column.kind is ColumnKind.HOUR:
        return Feature(name, FeatureKind.ID, _HOURS_OF_A_DAY)
    if column.values:
        values = (*column.values, UNKNOWN_NAME) if column.unknown else column.values
        return Feature(name, FeatureKind.ID, len(values), values=values)
    return Feature(name, FeatureKind.ID, column.vocabulary, hashed=column.hashed)


def _default(side: str, name: str, feature: Feature, column: FeatureColumn) -> float | int | None:
    if column.default is None:
        return None
    try:
        return feature.encode(column.default)
    except SchemaError as error:
        raise MappingError(f"{side}.{name}: default: {error}") from None
