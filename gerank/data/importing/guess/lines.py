"""Features of a guessed mapping, as lines of TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from gerank.data.importing import casts
from gerank.data.importing.guess import names
from gerank.data.importing.guess.facts import ColumnFacts
from gerank.data.importing.guess.roles import numbered_stem

_ALIKE_COLUMNS = 8
"""From so many numbered columns on, one pattern stands for all."""
_LISTED = r"(?i)s?(_?(id|key|no|sku)s?)?(_?(in_?view|shown|displayed|impress\w*))?$"
"""What a column of lists adds to the name of an item."""
_LONGEST_LIST = 32
_EXACT_INTEGERS = 2**24
_MOST_ROWS_OF_A_TABLE = 2**20
_VALUES_OF_A_TEXT = 0.5
"""Share of distinct values from which a text is taken as free text."""


def key(name: str) -> str:
    """A name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def string(text: str) -> str:
    """A text as a value of TOML."""
    return json.dumps(text, ensure_ascii=False)


def vocabulary(distinct: int) -> int:
    """Rows of the table of an id: four for every value seen, so that few share one."""
    return int(min(_MOST_ROWS_OF_A_TABLE, max(16, 2 ** (4 * max(1, distinct) - 1).bit_length())))


def feature_lines(side: str, columns: list[ColumnFacts]) -> Iterator[str]:
    """The tables of features, and comments for columns that can be none.

    Args:
        side: `user` or `candidate`.
        columns: What is known of them. A list is one feature; of lists with an entry per shown
            item that is what is known of an entry.
    """
    patterns = _patterns(columns)
    for beginning, alike in patterns.items():
        yield f"[{side}.{string(beginning + '*')}]  # {len(alike)} columns"
        yield 'kind = "dense"'
        if any(column.present < column.rows for column in alike):
            yield "default = 0.0"
        yield ""
    told = {column.name for alike in patterns.values() for column in alike}
    for column in columns:
        if column.name not in told:
            yield from _feature(side, column)


def unsure_lines(side: str, column: ColumnFacts, why: str) -> Iterator[str]:
    """The table of a feature as comments, which a person may take in."""
    yield f"# {column.name} is left out: {why}"
    yield from (
        line if line.startswith("#") else f"# {line}" for line in _feature(side, column) if line
    )
    yield ""


def item_id_lines(column: ColumnFacts, rows_per_item: float) -> Iterator[str]:
    """The item's own id as a feature, where items come back often enough."""
    name = re.sub(_LISTED, "", column.name) + "_id" if column.is_list else column.name
    lines = [f"[candidate.{key(name)}]", *_id(column, "")]
    if column.is_list:
        lines.insert(1, f"column = {string(column.name)}")
    if rows_per_item < 5:
        yield f"# Each item is there {rows_per_item:.1f} times, too few to learn from its id:"
        yield from (f"# {line}" for line in lines)
    else:
        yield from lines
    yield ""


def _patterns(columns: list[ColumnFacts]) -> dict[str, list[ColumnFacts]]:
    found: dict[str, list[ColumnFacts]] = {}
    for column in columns:
        stem = numbered_stem(column.name)
        if stem and casts.is_real(column.entry_kind) and not column.width:
            found.setdefault(stem, []).append(column)
    return {name: alike for name, alike in found.items() if len(alike) >= _ALIKE_COLUMNS}


def _feature(side: str, column: ColumnFacts) -> Iterator[str]:
    kind, header = column.kind, f"[{side}.{key(column.name)}]"
    listed = column.is_list
    if casts.is_moment(column.kind):
        yield f"# {column.name}: a time; how old it was when the page was shown may tell something:"
        yield from (f"# {line}" for line in (header, 'kind = "age_hours"', "default = 0.0"))
    elif column.is_number and not listed and column.entry_kind != "BOOLEAN" and not column.is_flag:
        yield header
        yield from _number(column)
    elif column.is_flag and not listed:
        yield header
        yield 'kind = "flag"'
        yield from _default(column, "false")
    elif casts.is_list(kind) and column.width and column.is_number:
        yield header
        yield 'kind = "vector"'
        yield f"width = {column.width}"
        yield from _default(column, "0.0")
    elif casts.is_text(column.entry_kind) and not listed:
        yield from _text(side, header, column)
    elif listed and _is_category(column.entry_kind):
        yield header
        yield 'kind = "ids"'
        longest = max(1, min(_LONGEST_LIST, column.longest))
        yield f"longest = {longest}  # entries that are kept; the longest list has {column.longest}"
        rows = vocabulary(column.distinct)
        yield f"vocabulary = {rows}  # rows of its table; about {column.distinct} values"
        if casts.is_integer(column.entry_kind) and (column.lowest or 0) < 0:
            yield "# Integers of lists are >= 0: add to them by an expression."
    else:
        yield f"# {column.name} ({kind}) is left out; name it yourself if it is"
        yield '# kind = "vector" (numbers of one width) or "ids" (a list of categories);'
        yield '# parts of it can be: column = "=list_contains(...)", "=len(...)", "=record.field"'
    yield ""


def _is_category(kind: str) -> bool:
    return casts.is_text(kind) or casts.is_integer(kind)


def _text(side: str, header: str, column: ColumnFacts) -> Iterator[str]:
    group = side == "candidate" and names.is_named(column.name, names.GROUP)
    lines = [header, *_id(column, "group = true  # rules may speak of it" if group else "")]
    free = column.distinct > 1000 and column.distinct > _VALUES_OF_A_TEXT * column.present
    if free:
        yield f"# {column.name} is left out: nearly every row has a text of its own"
        lines = [f"# {line}" for line in lines]
    yield from lines


def _number(column: ColumnFacts) -> Iterator[str]:
    whole = casts.is_integer(column.entry_kind)
    large = max(abs(column.lowest or 0), abs(column.highest or 0)) > _EXACT_INTEGERS
    if whole and (large or names.is_named(column.name, names.CATEGORY)):
        yield from _id(column, "")
        return
    yield 'kind = "dense"'
    yield from _default(column, "0.0")


def _id(column: ColumnFacts, last: str) -> Iterator[str]:
    yield 'kind = "id"'
    rows = vocabulary(column.distinct)
    yield f"vocabulary = {rows}  # rows of its table; about {column.distinct} values"
    if casts.is_integer(column.entry_kind):
        yield "integers = true"
        if column.present < column.rows:
            yield "default = -1  # where it is missing"
    elif column.present < column.rows:
        yield 'default = "unknown"  # where it is missing'
    if last:
        yield last


def _default(column: ColumnFacts, value: str) -> Iterator[str]:
    lacking = column.rows - column.present
    if lacking:
        yield f"default = {value}  # missing in {lacking} of {column.rows} rows"
        yield "missing_flag = true"
