"""Files of one source must have the same columns: what differs is told by name."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.files import Files

_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)")
_TIME = re.compile(r"DATE|TIMESTAMP.*")


def check_same_columns(
    connection: duckdb.DuckDBPyConnection, files: Files, reader: Callable[[str], str]
) -> None:
    """Refuses files whose columns differ in name, or in what kind of value they hold.

    JSON lines leave keys out as they please, so only columnar formats are held to it; numbers of
    any width agree, and a column without a value agrees with any.

    Args:
        connection: Where files are looked at.
        files: All of them.
        reader: File -> the table function that reads it.

    Raises:
        ImportLogError: Names both files and the column.
    """
    if files.format == "jsonl" or len(files.names) == 1:
        return
    first = files.names[0]
    expected = _columns(connection, reader(first))
    known = {name: (kind, first) for name, kind in expected.items()}
    for name in files.names[1:]:
        found = _columns(connection, reader(name))
        for column in [*expected, *found]:
            if column not in found:
                raise ImportLogError(f"{name}: has no column {column!r}, which {first} has")
            if column not in expected:
                raise ImportLogError(f"{name}: has a column {column!r}, which {first} has not")
            kind, where = known[column]
            if kind == "NULL":
                known[column] = (found[column], name)
            elif found[column] != "NULL" and not _agree(kind, found[column]):
                raise ImportLogError(
                    f"{name}: column {column!r} is {found[column]}, and in {where} it is {kind}"
                )


def _columns(connection: duckdb.DuckDBPyConnection, reader: str) -> dict[str, str]:
    relation = connection.sql(f"SELECT * FROM {reader} LIMIT 0")
    return {
        name: str(kind).strip('"')
        for name, kind in zip(relation.columns, relation.types, strict=True)
    }


def _agree(one: str, other: str) -> bool:
    lists = one.endswith("]"), other.endswith("]")
    if all(lists):
        return _agree(one[: one.rindex("[")], other[: other.rindex("[")])
    same_family = any(
        family.fullmatch(one) and family.fullmatch(other) for family in (_NUMBER, _TIME)
    )
    return one == other or same_family
