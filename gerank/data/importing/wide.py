"""A wide table, a row per page with lists in cells, as a row per shown item."""

from __future__ import annotations

from dataclasses import dataclass

from gerank.data.importing import casts
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.choices import ColumnKind, SlotsOf
from gerank.data.importing.errors import MappingError
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.raw_columns import (
    PLACE,
    LongRows,
    RawColumns,
    Value,
    element_type,
    list_sql,
)
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, literal, quoted

_FEEDBACK = "feedback."


def wide_rows(
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
    raw: RawColumns,
    columns: dict[str, str],
) -> LongRows:
    """Unnests the lists; pages whose lists do not fit each other are bad rows.

    Args:
        source: The log.
        mapping: What its columns mean.
        features: All that are planned.
        bad: Learns of pages whose lists do not fit.
        raw: The columns that are read.
        columns: Key of the mapping -> its column.

    Raises:
        ImportLogError: The column of shown items holds no lists; or a page does not fit and bad
            rows are not skipped.
    """
    lists = _lists(source, mapping, features, raw, columns)
    if "shown.item" not in lists:
        kind = raw.types[mapping.shown.item]
        raise MappingError(f"shown.item: a column of type {kind} is no list of shown items")
    base = f"SELECT {ROW}, {FILE}, {raw.select()} FROM {quoted(source.table)}"
    page = raw.aliases.get(mapping.page.id, ROW)
    _check_lists(source, mapping, bad, raw, columns, lists, base, page)
    entries = {
        key: _entry(mapping, key, raw.aliases[column], raw.types[column], lists)
        for key, column in columns.items()
    }
    chosen = ", ".join(f"{entry.sql} AS v{n}" for n, entry in enumerate(entries.values()))
    left = f"WHERE {ROW} NOT IN ({bad.rows(source)})" if bad.skip else ""
    select = (
        f"SELECT {ROW}, {FILE}, place - 1 AS {PLACE}, {chosen} FROM ({base} {left}), "
        f"unnest(range(1, len({lists['shown.item']}) + 1)) AS places(place)"
    )
    values = {
        key: Value(f"v{n}", entry.kind, columns[key])
        for n, (key, entry) in enumerate(entries.items())
    }
    if not mapping.page.id:
        values["page.id"] = Value(ROW, "BIGINT", "row")
    return LongRows(select, values)


@dataclass(frozen=True)
class _Complaint:
    """What is wrong with a page when a condition holds."""

    condition: str
    column: str
    value: str
    reason: str

    def sql(self) -> str:
        return (
            f"WHEN {self.condition} THEN {{'name': {literal(self.column)}, "
            f"'value': CAST({self.value} AS VARCHAR), 'reason': {literal(self.reason)}}}"
        )


def _lists(
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    raw: RawColumns,
    columns: dict[str, str],
) -> dict[str, str]:
    """Key -> the list in SQL, of all columns that have an entry per shown item."""
    kinds = (ColumnKind.VECTOR, ColumnKind.IDS)
    lists = {f.key: f"{f.side}.{f.block}" for f in features if f.column.kind in kinds}
    found = {}
    for key, column in columns.items():
        kind = raw.types[column]
        if _has_entries(source, mapping, lists, key, kind):
            found[key] = list_sql(raw.aliases[column], kind, mapping.source.list_separator)
    return found


def _has_entries(
    source: Source, mapping: Mapping, lists: dict[str, str], key: str, kind: str
) -> bool:
    if key == "shown.item":
        return casts.is_list(kind) or casts.is_text(kind)
    if key.startswith(("page.", "user.")) or _belongs_to_clicked(mapping, key):
        return False
    if source.text_only or _is_ids(mapping, key):
        return True
    if key not in lists:
        return casts.is_list(kind)
    inner = kind if casts.is_text(kind) else element_type(kind)
    if casts.is_list(inner) or casts.is_text(inner):
        return True
    raise MappingError(
        f"{lists[key]}: a column of type {kind} has no list for each shown item; in a wide table "
        "it is a list of lists"
    )


def _belongs_to_clicked(mapping: Mapping, key: str) -> bool:
    name = key.removeprefix(_FEEDBACK)
    return key.startswith(_FEEDBACK) and mapping.feedback[name].slots is SlotsOf.CLICKED


def _is_ids(mapping: Mapping, key: str) -> bool:
    return key.startswith(_FEEDBACK) and bool(mapping.feedback[key.removeprefix(_FEEDBACK)].ids)


def _check_lists(
    source: Source,
    mapping: Mapping,
    bad: BadRows,
    raw: RawColumns,
    columns: dict[str, str],
    lists: dict[str, str],
    base: str,
    page: str,
) -> None:
    items, item = lists["shown.item"], mapping.shown.item
    complaints = [
        _Complaint(f"{items} IS NULL", item, raw.aliases[item], "is no list of shown items"),
        _Complaint(f"len({items}) = 0", item, raw.aliases[item], "is a page without slots"),
    ]
    for key, values in lists.items():
        value, column = raw.aliases[columns[key]], columns[key]
        no_list = f"{value} IS NOT NULL AND {values} IS NULL"
        complaints.append(_Complaint(no_list, column, value, "is not a list"))
        if _is_ids(mapping, key):
            strange = (
                f"list_filter({_texts(values)}, lambda x: NOT list_contains({_texts(items)}, x))"
            )
            complaints.append(
                _Complaint(f"len({strange}) > 0", column, f"{strange}[1]", "was not shown")
            )
        elif key != "shown.item":
            differs = f"{value} IS NOT NULL AND len({values}) <> len({items})"
            counts = f"concat(len({values}), ' entries for ', len({items}), ' shown items')"
            complaints.append(_Complaint(differs, column, counts, "do not fit each other"))
    cases = " ".join(complaint.sql() for complaint in complaints)
    bad.collect(
        source,
        f"SELECT {ROW}, {FILE}, page, said.name, said.value, said.reason FROM (SELECT {ROW}, "
        f"{FILE}, CAST({page} AS VARCHAR) AS page, CASE {cases} END AS said FROM ({base})) "
        "WHERE said IS NOT NULL",
    )


def _entry(mapping: Mapping, key: str, alias: str, kind: str, lists: dict[str, str]) -> Value:
    """The value of one shown item, in SQL over the page and the place, counted from 1."""
    if _is_ids(mapping, key):
        shown = f"CAST(({lists['shown.item']})[place] AS VARCHAR)"
        return Value(f"list_contains({_texts(lists[key])}, {shown})", "BOOLEAN", "")
    if key in lists:
        return Value(f"({lists[key]})[place]", element_type(kind), "")
    return Value(alias, kind, "")


def _texts(values: str) -> str:
    return f"CAST({values} AS VARCHAR[])"
