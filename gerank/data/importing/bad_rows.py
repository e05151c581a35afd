"""Rows that cannot be imported: the first one is an error, or all are left out and listed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.sources import FILTERED, Source
from gerank.data.importing.sql import FILE, ROW, first_row, quoted
from gerank.data.whole_file import whole_file

FILE_NAME = "left_out.jsonl"
"""The file beside the log that lists what was left out, a line each."""

_LONGEST_VALUE = 200
_BAD = "bad_rows"


class BadRows:
    """What was found wrong so far.

    Attributes:
        skip: Whether bad rows are left out; else the first one raises.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, skip: bool) -> None:
        self.skip = skip
        self._connection = connection
        self._starts: dict[str, dict[str | None, int]] = {}
        connection.execute(
            f"CREATE OR REPLACE TABLE {_BAD} (source VARCHAR, row BIGINT, file VARCHAR, "
            "page VARCHAR, name VARCHAR, value VARCHAR, reason VARCHAR)"
        )

    def collect(self, source: Source, select: str) -> bool:
        """Takes what a query found.

        Args:
            source: What the rows are counted in.
            select: A query of row, file, page, column, value and reason.

        Returns:
            Whether anything was found.

        Raises:
            ImportLogError: Something was found and bad rows are not skipped.
        """
        before = self.count()
        self._connection.execute(
            f"INSERT INTO {_BAD} SELECT ?, found.* FROM ({select}) AS found", [source.table]
        )
        if self.count() == before:
            return False
        if not self.skip:
            first = self._found("ORDER BY row NULLS LAST LIMIT 1")[0]
            raise ImportLogError(self._sentence(source, first))
        return True

    def count(self) -> int:
        """How many complaints there are."""
        return int(first_row(self._connection, f"SELECT count(*) FROM {_BAD}")[0])

    def pages(self) -> str:
        """A query of the pages that are left out."""
        return f"SELECT page FROM {_BAD} WHERE page IS NOT NULL"

    def rows(self, source: Source) -> str:
        """A query of the rows of a source that are left out."""
        return f"SELECT row FROM {_BAD} WHERE row IS NOT NULL AND source = '{source.table}'"

    def reasons(self) -> dict[str, int]:
        """What was wrong -> how many rows or pages, the most frequent first."""
        found = self._connection.execute(f"SELECT name, reason FROM {_BAD}").fetchall()
        counted = Counter(f"column {name!r} {reason}" if name else reason for name, reason in found)
        return dict(counted.most_common())

    def write(self, directory: Path) -> Path:
        """Lists everything in `left_out.jsonl`, a JSON object a line."""
        path = directory / FILE_NAME
        with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            for entry in self._found("ORDER BY source, row"):
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return path

    def _found(self, order: str) -> list[dict[str, Any]]:
        names = ("source", "row", "file", "page", "column", "value", "reason")
        rows = self._connection.execute(f"SELECT * FROM {_BAD} {order}").fetchall()
        entries = [dict(zip(names, row, strict=True)) for row in rows]
        for entry in entries:
            entry["row"] = self._row_in_file(entry)
        return entries

    def _row_in_file(self, entry: dict[str, Any]) -> int | None:
        table, row = str(entry["source"]).removesuffix(FILTERED), entry["row"]
        if row is None:
            return None
        if table not in self._starts:
            sql = f"SELECT {FILE}, min({ROW}) FROM {quoted(table)} GROUP BY ALL"
            self._starts[table] = dict(self._connection.execute(sql).fetchall())
        return int(row) - self._starts[table][entry["file"]] + 1

    def _sentence(self, source: Source, entry: dict[str, Any]) -> str:
        parts = [str(entry["file"] or source.title)]
        if entry["row"] is not None:
            parts[0] += f", row {entry['row']}"
        if entry["page"] is not None:
            parts.append(f"page {entry['page']!r}")
        if entry["column"]:
            parts.append(f"column {entry['column']!r}")
        value = entry["value"]
        if value is not None and len(value) > _LONGEST_VALUE:
            value = value[:_LONGEST_VALUE] + "..."
        said = entry["reason"] if value is None else f"{value!r} {entry['reason']}"
        return f"{', '.join(parts)}: {said}"
