"""Judged documents in svmlight form (LETOR, libsvm), as a table of DuckDB.

A line is `grade qid:7 1:0.5 3:0.25 # docid = D12`. Where lines have no qid, a file of query sizes
beside the log tells them: for `rank.train` (or `rank.train.gz`), `rank.train.query`.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.files import base_name
from gerank.data.importing.sql import FILE, ROW, quoted

GRADE, QUERY, DOCUMENT = "grade", "query", "document"
"""Columns of the table, beside `feature_1` to the highest one of the files."""
FEATURE_PREFIX = "feature_"

_LINES_AT_ONCE = 8_192
_MOST_FEATURES = 10_000
_DOCUMENT_IN_COMMENT = re.compile(r"doc_?id\s*[=:]\s*(\S+)", re.IGNORECASE)


class Line(NamedTuple):
    """One judged document."""

    number: int
    grade: float
    query: str
    document: str
    features: dict[int, float]


def load_svmlight(connection: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> None:
    """Makes the table, in two passes: the first one counts the features.

    Raises:
        ImportLogError: A line is malformed, or queries are not told.
    """
    width = max((max(line.features, default=0) for _, line in _lines(names)), default=0)
    if not 1 <= width <= _MOST_FEATURES:
        raise ImportLogError(f"{names[0]}: has {width} features, not 1 to {_MOST_FEATURES}")
    columns = ", ".join(f"{FEATURE_PREFIX}{place} FLOAT" for place in range(1, width + 1))
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted(table)} ({GRADE} DOUBLE, {QUERY} VARCHAR, "
        f"{DOCUMENT} VARCHAR, {columns}, {FILE} VARCHAR, {ROW} BIGINT)"
    )
    lines = _lines(names)
    while some := list(islice(lines, _LINES_AT_ONCE)):
        _insert(connection, table, some, width)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, lines: list[tuple[str, Line]], width: int
) -> None:
    import pyarrow as pa

    features = np.zeros((len(lines), width), dtype=np.float32)
    for place, (_, line) in enumerate(lines):
        features[place, [column - 1 for column in line.features]] = [*line.features.values()]
    columns: dict[str, Any] = {
        GRADE: [line.grade for _, line in lines],
        QUERY: [line.query for _, line in lines],
        DOCUMENT: [line.document for _, line in lines],
    }
    columns |= {f"{FEATURE_PREFIX}{place + 1}": features[:, place] for place in range(width)}
    columns |= {FILE: [name for name, _ in lines], ROW: [line.number for _, line in lines]}
    connection.register("_svmlight_lines", pa.table(columns))
    connection.execute(f"INSERT INTO {quoted(table)} SELECT * FROM _svmlight_lines")
    connection.unregister("_svmlight_lines")


def _lines(names: list[str]) -> Iterator[tuple[str, Line]]:
    for name in names:
        sizes = _query_sizes(name)
        places: dict[str, int] = {}
        query, left = -1, 0
        for number, text in _texts(name):
            while left == 0 and sizes is not None:
                query, left = query + 1, next(sizes, -1)
            left -= 1
            if sizes is not None and left < 0:
                raise ImportLogError(f"{name}:{number}: more lines than its query sizes sum to")
            counted = None if sizes is None else str(query)
            line = _parse(name, number, text, counted)
            place = places[line.query] = places.get(line.query, -1) + 1
            yield name, line._replace(document=line.document or f"{line.query}-{place}")
        if sizes is not None and (left > 0 or next(sizes, None) is not None):
            raise ImportLogError(f"{name}: fewer lines than its query sizes sum to")


def _parse(name: str, number: int, text: str, counted: str | None) -> Line:
    body, _, comment = text.partition("#")
    grade, *tokens = body.split()
    query = counted
    if tokens and tokens[0].startswith("qid:"):
        query = tokens.pop(0).removeprefix("qid:")
    if query is None:
        raise ImportLogError(
            f"{name}:{number}: the line has no qid, and there is no file of query sizes "
            f"{base_name(name)}.query"
        )
    document = _DOCUMENT_IN_COMMENT.search(comment)
    features = {}
    try:
        for token in tokens:
            column, value = token.split(":")
            features[int(column)] = float(value)
        line = Line(number, float(grade), query, document.group(1) if document else "", features)
    except ValueError:
        raise ImportLogError(f"{name}:{number}: {body.strip()[:60]!r} is not svmlight") from None
    if min(features, default=1) < 1:
        raise ImportLogError(f"{name}:{number}: features are counted from 1, not {min(features)}")
    return line


def _texts(name: str) -> Iterator[tuple[int, str]]:
    opener: Any = gzip.open if name.endswith(".gz") else open
    try:
        with opener(name, "rt", encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                if text.split("#")[0].strip():
                    yield number, text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ImportLogError(f"{name}: cannot be read: {error}") from None


def _query_sizes(name: str) -> Iterator[int] | None:
    path = Path(f"{base_name(name)}.query")
    if not path.is_file():
        return None
    try:
        return iter([int(size) for size in path.read_text(encoding="utf-8").split()])
    except ValueError as error:
        raise ImportLogError(f"{path}: {error}") from None
