"""Sources as views of DuckDB: files of every format, and tables in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.files import Files, find_files
from gerank.data.importing.mapping import SourceOptions
from gerank.data.importing.same_columns import check_same_columns
from gerank.data.importing.sql import FILE, ROW, first_row, literal, quoted
from gerank.data.importing.svmlight import load_svmlight

FILTERED = "_filtered"
"""Ends the name of a view that has some rows of another one only."""


class Source(NamedTuple):
    """A view or table that holds a source.

    Attributes:
        table: Its name in DuckDB. It has the source's columns, the row's number and its file.
        files: Its files; empty for a table in memory.
        text_only: Whether all columns are texts because the format knows no other (CSV).
        partitions: Columns that the names of folders hold.
    """

    table: str
    files: tuple[str, ...] = ()
    text_only: bool = False
    partitions: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """How messages call it."""
        if not self.files:
            return "the table"
        return self.files[0] if len(self.files) == 1 else f"{self.files[0]} and others"


def open_source(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    source: object,
    options: SourceOptions | None = None,
    typed: bool = False,
    where: str = "",
) -> Source:
    """Makes a source a view.

    Args:
        connection: Where the view is made.
        table: The name of the view.
        source: Paths, globs, folders and URLs (a text or a list of them), or a table of pandas,
            polars, pyarrow or whatever else has `__arrow_c_stream__`.
        options: How files are read.
        typed: Whether the columns of CSV files get types, by all of their rows.
        where: A condition on the rows; the others are passed over.

    Raises:
        ImportLogError: The source cannot be read, is empty, or its files disagree.
    """
    options = options or SourceOptions()
    if isinstance(source, (str, list, tuple)):
        named: Sequence[str] = [source] if isinstance(source, str) else [str(s) for s in source]
        opened = _open_files(connection, table, list(named), options, typed)
    else:
        connection.register(f"{table}_arrow", _without_halves(arrow_table(source)))
        _make_view(connection, table, f"SELECT *, NULL::VARCHAR AS {FILE} FROM {table}_arrow")
        opened = Source(table)
    if where:
        opened = _filtered(connection, opened, where)
        table = opened.table
    try:
        some = first_row(connection, f"SELECT 1 FROM {quoted(table)} LIMIT 1")
    except duckdb.Error as error:
        raise read_error(opened.title, error) from None
    if not some:
        raise ImportLogError(f"{opened.title}: no rows{f' where {where}' if where else ''}")
    return opened


def _filtered(connection: duckdb.DuckDBPyConnection, source: Source, where: str) -> Source:
    """The same source without the rows of which the condition does not hold; counted as before."""
    table = f"{source.table}{FILTERED}"
    try:
        connection.execute(
            f"CREATE OR REPLACE VIEW {quoted(table)} AS SELECT * FROM {quoted(source.table)} "
            f"WHERE {where}"
        )
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise ImportLogError(f"where: {where!r} is no condition that fits: {reason}") from None
    return source._replace(table=table)


def arrow_table(table: Any) -> Any:
    """A table of any library as one of pyarrow.

    Raises:
        ImportLogError: It is no table.
    """
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    if hasattr(table, "collect") and hasattr(table, "lazy"):  # a LazyFrame of polars
        table = table.collect()
    if type(table).__module__.startswith("pandas"):
        try:
            return pa.Table.from_pandas(table, preserve_index=False)
        except pa.ArrowException as error:
            hint = "cells of several dimensions must be lists of lists"
            raise ImportLogError(f"a table of pandas: {' '.join(error.args)}; {hint}") from None
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    raise ImportLogError(f"a table of pandas, polars or pyarrow is needed, not {type(table)}")


def _without_halves(table: Any) -> Any:
    """The table with columns of half precision as float32, for DuckDB knows no others of Arrow."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.float32()) if pa.types.is_float16(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields, table.schema.metadata))


def read_error(title: str, error: Exception) -> ImportLogError:
    """What DuckDB or Arrow says of a source that cannot be read, in one line."""
    return ImportLogError(f"{title}: cannot be read: {' '.join(str(error).split())[:400]}")


def _open_files(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    sources: list[str],
    options: SourceOptions,
    typed: bool,
) -> Source:
    files = find_files(connection, sources, options.format)
    text_only = files.format in ("csv", "tsv") and not typed
    opened = Source(table, tuple(files.names), text_only, files.partitions)
    if files.format == "svmlight":
        load_svmlight(connection, table, files.names)
        return opened
    try:
        check_same_columns(
            connection, files, lambda name: reader_sql(files._replace(names=[name]), options, typed)
        )
        reader = reader_sql(files, options, typed)
        if files.format == "jsonl":
            reader = _with_types(connection, files, reader)
        _make_view(connection, table, f"SELECT * FROM {reader}")
    except duckdb.Error as error:
        raise read_error(opened.title, error) from None
    return opened


def reader_sql(files: Files, options: SourceOptions, typed: bool) -> str:
    """The table function that reads the files, all columns of all files by name."""
    names = f"[{', '.join(map(literal, files.names))}]"
    general = [f"filename = {literal(FILE)}", "union_by_name = true"]
    if files.partitions:
        general += ["hive_partitioning = true", "hive_types_autocast = false"]
    if files.format == "parquet":
        return f"read_parquet({', '.join([names, *general, 'binary_as_string = true'])})"
    if files.format == "jsonl":
        return f"read_json({', '.join([names, *general, 'sample_size = -1'])})"
    own = ["sample_size = -1"] if typed else ["all_varchar = true"]
    delimiter = options.delimiter or ("\t" if files.format == "tsv" else "")
    if delimiter:
        own.append(f"delim = {literal(delimiter)}")
    if options.columns:
        own.append(f"names = [{', '.join(map(literal, options.columns))}]")
    own.append(f"header = {str(options.header and not options.columns).lower()}")
    return f"read_csv({', '.join([names, *general, *own])})"


def _with_types(connection: duckdb.DuckDBPyConnection, files: Files, reader: str) -> str:
    """The same reader with the types that all lines of JSON give: they are looked at once."""
    found = connection.sql(f"SELECT * FROM {reader} LIMIT 0")
    types = {
        name: "VARCHAR" if str(kind) == '"NULL"' else str(kind)
        for name, kind in zip(found.columns, found.types, strict=True)
        if name != FILE and name not in files.partitions
    }
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    told = reader.replace(", sample_size = -1)", f", columns = {{{columns}}})")
    return told.replace("union_by_name = true, ", "")


def _make_view(connection: duckdb.DuckDBPyConnection, table: str, select: str) -> None:
    connection.execute(
        f"CREATE OR REPLACE VIEW {quoted(table)} AS "
        f"SELECT *, row_number() OVER () AS {ROW} FROM ({select})"
    )
