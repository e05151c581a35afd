"""From a table of pages to an exposure log: everything is checked before anything is written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from gerank.data.exposure_log import FILE_NAME, ExposureLog
from gerank.data.feedback_kind import FurtherFeedback
from gerank.data.importing.above import make_above
from gerank.data.importing.bad_rows import FILE_NAME as LEFT_OUT
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.database import DEFAULT_MEMORY, database
from gerank.data.importing.errors import ImportLogError, MappingError
from gerank.data.importing.features import PlannedFeature, plan_features, schema_of
from gerank.data.importing.files import is_url
from gerank.data.importing.frequent import with_frequent_values
from gerank.data.importing.joined import make_joined
from gerank.data.importing.layouts import long_rows
from gerank.data.importing.like import EarlierLog
from gerank.data.importing.mapping import JoinedTable, Mapping
from gerank.data.importing.mapping_toml import build_mapping, read_mapping
from gerank.data.importing.offered import make_offered
from gerank.data.importing.page_checks import check_pages
from gerank.data.importing.pool import PAGES, POOL, counted, make_pages, make_pool
from gerank.data.importing.shown import make_shown
from gerank.data.importing.sources import Source, open_source, read_error
from gerank.data.importing.sql import first_row, quoted, table_columns
from gerank.data.importing.write import write_log
from gerank.data.log_columns import CLICK

Table = Any
"""A table of pandas, polars or pyarrow; or paths, globs, folders or URLs of files."""


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        pages, slots, candidates: How many were written.
        below: Pages that something stands above, because they follow another in a feed.
        clicks: Clicks on all pages.
        further_feedback: Kinds beyond clicks.
        repeated: Rows that were dropped because their page shows the item further up.
        left_out: Reason -> rows or pages left out.
        missing: Feature -> values that were missing and have its default.
        cut: Feature -> lists that were cut to the longest that is kept.
        unknown: Feature -> values that are none of its names and stand for `<unknown>`.
    """

    pages: int
    slots: int
    candidates: int
    below: int
    clicks: float
    further_feedback: tuple[str, ...]
    repeated: int
    left_out: dict[str, int]
    missing: dict[str, int]
    cut: dict[str, int]
    unknown: dict[str, int]


def import_log(
    table: Table,
    mapping: Mapping | dict[str, Any] | Path | str,
    *,
    items: Table = None,
    users: Table = None,
    candidates: Table = None,
    skip_bad: bool = False,
    where: str = "",
    like: Path | str | None = None,
) -> ExposureLog:
    """A table of pages as an exposure log in memory.

    Args:
        table: The log: a table of pandas, polars or pyarrow, or a path, glob, folder or URL.
        mapping: What its columns mean: a mapping file, its tables, or a `Mapping`.
        items: The table of items, instead of the source that the mapping names.
        users: The same for people.
        candidates: The same for candidates.
        skip_bad: Whether pages that cannot be imported are left out.
        where: A condition of DuckDB on the rows of the table; others are passed over.
        like: Folder of an earlier log whose values and vocabularies are taken.

    Raises:
        ImportLogError: The mapping does not fit, or a row or page cannot be imported.
        ExposureLogError: `like` holds no log.
    """
    others = {"items": items, "users": users, "candidates": candidates}
    with tempfile.TemporaryDirectory(prefix="gerank-import-") as folder:
        write_imported(
            table,
            mapping,
            Path(folder),
            skip_bad=skip_bad,
            where=where,
            others=others,
            like=None if like is None else Path(like),
        )
        return ExposureLog.read(Path(folder))


def write_imported(
    table: Table,
    mapping: Mapping | dict[str, Any] | Path | str,
    directory: Path,
    *,
    skip_bad: bool = False,
    where: str = "",
    others: dict[str, Table] | None = None,
    memory: str = DEFAULT_MEMORY,
    like: Path | None = None,
) -> Imported:
    """Writes a table of pages as an exposure log; see `import_log`.

    Args:
        table: The log.
        mapping: What its columns mean.
        directory: Folder of the log. Beside the log, `left_out.jsonl` lists bad rows if there are
            any and they are skipped.
        skip_bad: Whether pages that cannot be imported are left out.
        where: A condition on the rows.
        others: `items`, `users`, `candidates` -> a table instead of the source that is named.
        memory: What DuckDB takes at most, as in 2GB.
        like: Folder of an earlier log. Ids take the values and vocabularies that they have there in
            place of those of the mapping, and a mapping that makes another schema is refused.

    Raises:
        ImportLogError: The mapping does not fit, or a row or page cannot be imported.
        ExposureLogError: `like` holds no log.
        OSError: The folder cannot be written.
    """
    base, title = Path(), ""
    if isinstance(mapping, (str, Path)):
        base, title = Path(mapping).parent, f"{mapping}: "
        mapping = read_mapping(Path(mapping))
    elif isinstance(mapping, dict):
        mapping = build_mapping(mapping)
    if like is not None and directory is not None and like.resolve() == directory.resolve():
        raise ImportLogError(f"{directory}: the earlier log would be replaced by the one like it")
    earlier = None if like is None else EarlierLog(like)
    with database(memory) as connection:
        job = _Import(connection, mapping, base, others or {}, skip_bad, earlier)
        source = open_source(connection, "log", table, mapping.source, where=where)
        try:
            return job.run(source, directory)
        except MappingError as error:
            raise MappingError(f"{title}{error}") from None


class _Import:
    """One import, step by step."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        mapping: Mapping,
        base: Path,
        others: dict[str, Table],
        skip_bad: bool,
        earlier: EarlierLog | None,
    ) -> None:
        self.connection, self.mapping, self.base, self.others = connection, mapping, base, others
        self.bad, self.earlier = BadRows(connection, skip_bad), earlier

    def run(self, source: Source, directory: Path) -> Imported:
        connection, mapping, bad = self.connection, self.mapping, self.bad
        tables = {
            "": source,
            "items": self._other("items", mapping.items),
            "users": self._other("users", mapping.users),
        }
        candidates = self._candidates()
        if self.earlier is not None:
            mapping = self.earlier.with_its_values(mapping)
        self.mapping = mapping = with_frequent_values(connection, mapping, tables)
        features = self._plan(tables)
        schema = replace(schema_of(features), feedback=_further_feedback(mapping))
        if self.earlier is not None:
            self.earlier.check(schema)
        try:
            rows = long_rows(connection, source, mapping, features, bad)
            make_shown(connection, source, mapping, features, rows, bad)
            repeated = check_pages(connection, source, mapping, features, bad)
            for name, joined in (("items", mapping.items), ("users", mapping.users)):
                table = tables[name]
                if joined is not None and table is not None:
                    make_joined(connection, name, table, joined.key, features, bad)
            offered = make_offered(connection, source, candidates, mapping, features, bad)
            missing = make_pages(connection, source, mapping, features, bad)
            missing |= make_pool(connection, source, mapping, features, offered, bad)
            below = make_above(connection, mapping, schema)
        except duckdb.Error as error:
            raise read_error(source.title, error) from None
        done = self._count(repeated, missing, features, below)
        if not done.pages:
            raise ImportLogError(
                f"{source.title}: no page is left; the first was left out for "
                f"{next(iter(done.left_out), 'nothing')!r}"
            )
        path, feeds = directory / FILE_NAME, bool(mapping.page.feed)
        write_log(connection, path, schema, self._facts(done), feeds=feeds)
        if done.left_out:
            bad.write(directory)
        else:
            (directory / LEFT_OUT).unlink(missing_ok=True)
        return done

    def _other(self, name: str, joined: JoinedTable | None) -> Source | None:
        given = self.others.get(name)
        if joined is None:
            if given is not None:
                raise MappingError(f"{name}: a table is given, and the mapping has no [{name}]")
            return None
        if given is None and not joined.source:
            raise MappingError(f"{name}.source: is missing, and no table is given")
        return open_source(self.connection, name, self._path(joined.source, given))

    def _candidates(self) -> Source | None:
        given = self.others.get("candidates")
        named = self.mapping.candidates.source
        if given is None and not named:
            return None
        if not (self.mapping.candidates.page and self.mapping.candidates.item):
            raise MappingError("candidates: a table of them needs page and item")
        return open_source(self.connection, "candidates", self._path(named, given))

    def _path(self, source: str, given: Table) -> Table:
        if given is not None:
            return given
        return source if is_url(source) else str(self.base / source)

    def _plan(self, tables: dict[str, Source | None]) -> tuple[PlannedFeature, ...]:
        def columns_of(name: str) -> list[str]:
            table = tables[name]
            return [] if table is None else table_columns(self.connection, table.table)

        return plan_features(self.mapping, columns_of)

    def _count(
        self,
        repeated: int,
        missing: dict[str, int],
        features: tuple[PlannedFeature, ...],
        below: int,
    ) -> Imported:
        found = first_row(
            self.connection,
            f"SELECT (SELECT count(*) FROM {PAGES}), count(slot), count(*), "
            f"coalesce(sum({quoted(CLICK)}), 0) FROM {POOL}",
        )
        return Imported(
            pages=int(found[0]),
            slots=int(found[1]),
            candidates=int(found[2]),
            below=below,
            clicks=float(found[3]),
            further_feedback=tuple(k for k in self.mapping.feedback if k != "click"),
            repeated=repeated,
            left_out=self.bad.reasons(),
            missing=missing,
            cut=counted(self.connection, [f for f in features if f.counts_cut], lambda _: 1),
            unknown=counted(
                self.connection,
                [f for f in features if f.column.unknown and not f.counts_cut],
                lambda f: len(f.column.values),
            ),
        )

    def _facts(self, done: Imported) -> dict[str, Any]:
        """What the log's metadata says beside the schema."""
        return {
            "time_unit": "us" if self.mapping.page.has_time else None,
            "feedback": {name: str(f.kind) for name, f in self.mapping.feedback.items()},
            "missing": done.missing,
        }


def _further_feedback(mapping: Mapping) -> tuple[FurtherFeedback, ...]:
    return tuple(
        FurtherFeedback(name, column.kind)
        for name, column in mapping.feedback.items()
        if name != "click"
    )
