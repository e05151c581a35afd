"""The second look at the records: pages and their feedback become the log's file, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.exposure_parquet import log_schema, log_writer
from gerank.data.feedback_kind import FeedbackKind
from gerank.data.importing.sql import quoted
from gerank.data.joining.contracts import ContractFolders
from gerank.data.joining.feedback_rows import CLICK, MATCHED
from gerank.data.joining.served_page import ServedPage
from gerank.data.joining.slots_above import columns_above
from gerank.data.log_columns import (
    ABOVE_PREFIX,
    CANDIDATE_ID,
    CANDIDATE_PREFIX,
    FEEDBACK_PREFIX,
    LOG_PROPENSITY,
    PAGE_ID,
    PAGES_PER_ROW_GROUP,
    PERSON_ID,
    PLACEMENT_PROPENSITY,
    SLATE,
    TIMESTAMP,
    USER_PREFIX,
    column_types,
)
from gerank.data.schema import FeatureSchema
from gerank.data.whole_file import whole_file

_CANDIDATES_AT_ONCE = 1_000_000

NumberedPage = tuple[int, str, ServedPage]
"""A page with its number and its id."""


class LogWriter:
    """Writes joined pages.

    Args:
        connection: Has the matched feedback.
        schema: The log's, with its kinds of feedback.
        contracts: The artifacts that answered have them.
        person: The user feature that tells whose a page is; empty = the request is the person.
        tells_above: Whether the log says what stood above its pages: of all of them, or of none.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schema: FeatureSchema,
        contracts: ContractFolders,
        person: str,
        *,
        tells_above: bool,
    ) -> None:
        self._connection, self._schema, self._contracts = connection, schema, contracts
        self._person = next((feature for feature in schema.user if feature.name == person), None)
        self._kinds = {CLICK: FeedbackKind.FLAG} | {k.name: k.kind for k in schema.feedback}
        self._tells_above = tells_above
        self._types = {
            name: kind
            for name, kind in column_types(schema).items()
            if tells_above or not name.startswith(ABOVE_PREFIX)
        }
        self.pages = self.drawn = self.below_others = self.slots = 0
        self.clicks = 0.0

    def write(self, path: Path, pages: Iterator[NumberedPage]) -> None:
        """Writes the file, all or nothing.

        Raises:
            OSError: The file cannot be written.
        """
        facts = {
            "time_unit": "us",
            "feedback": {name: str(kind) for name, kind in self._kinds.items()},
        }
        arrow = log_schema(self._schema, self._types, facts)
        with (
            whole_file(path) as unfinished,
            unfinished.open("wb") as file,
            log_writer(file, arrow) as writer,
        ):
            for some in _parts(pages):
                writer.write_table(self._table(some, arrow))

    def _table(self, pages: list[NumberedPage], arrow: pa.Schema) -> pa.Table:
        columns = self._columns(pages)
        arrays = []
        for name, kind in self._types.items():
            values = columns[name]
            if not pa.types.is_list(kind):
                arrays.append(pa.array(values, kind))
                continue
            ends = np.cumsum([0, *map(len, values)])
            flat = [value for page in values for value in page] if name == CANDIDATE_ID else None
            inner = pa.array(np.concatenate(values) if flat is None else flat, kind.value_type)
            arrays.append(pa.ListArray.from_arrays(pa.array(ends, pa.int32()), inner, type=kind))
        return pa.Table.from_arrays(arrays, schema=arrow)

    def _columns(self, pages: list[NumberedPage]) -> dict[str, list[Any]]:
        """Name of each column -> a value or a list of values per page."""
        columns: dict[str, list[Any]] = {name: [] for name in self._types}
        for _, page_id, page in pages:
            contract = self._contracts.of_version(page.record.model_version)
            columns[PAGE_ID].append(page_id)
            columns[TIMESTAMP].append(page.record.time_us)
            user = page.user_columns(contract.schema)
            columns[PERSON_ID].append(self._person_of(page, user))
            for name, values in user.items():
                columns[f"{USER_PREFIX}{name}"].append(values[0])
            columns[CANDIDATE_ID].append(page.candidate_names)
            for name, values in page.candidate_columns(contract.schema).items():
                columns[f"{CANDIDATE_PREFIX}{name}"].append(values)
            columns[SLATE].append(np.array(page.slate.candidates, np.int32))
            propensity = page.log_propensity(contract)
            columns[LOG_PROPENSITY].append(propensity)
            columns[PLACEMENT_PROPENSITY].append(np.full_like(propensity, np.nan))
            if self._tells_above:
                for name, values in columns_above(page.query, contract.schema).items():
                    columns[name].append(values)
            self.drawn += page.was_drawn(contract)
            self.below_others += page.is_below_others
        self._add_feedback(columns, pages)
        self.pages += len(pages)
        return columns

    def _person_of(self, page: ServedPage, user: dict[str, NDArray[Any]]) -> str:
        if self._person is None:
            return str(page.record.request_id)
        return str(self._person.decode(user[self._person.name][0]))

    def _add_feedback(self, columns: dict[str, list[Any]], pages: list[NumberedPage]) -> None:
        numbers = np.array([number for number, _, _ in pages])
        ends = np.cumsum([0, *map(len, columns[SLATE])])
        names = ", ".join(map(quoted, self._kinds))
        found: pa.Table = self._connection.sql(
            f"SELECT number, slot, {names} FROM {MATCHED} "
            f"WHERE number BETWEEN {numbers[0]} AND {numbers[-1]}"
        ).to_arrow_table()
        page = np.searchsorted(numbers, found["number"].to_numpy())
        kept = numbers[page] == found["number"].to_numpy()
        slots = (ends[page] + found["slot"].to_numpy())[kept]
        for name, kind in self._kinds.items():
            untold = math.nan if kind is FeedbackKind.AMOUNT else 0.0
            values = np.full(ends[-1], untold, np.float32)
            told = found[name].to_numpy().astype(np.float32)[kept]
            values[slots] = np.where(np.isnan(told), np.float32(untold), told)
            columns[f"{FEEDBACK_PREFIX}{name}"] = [values[a:b] for a, b in pairwise(ends)]
            if name == CLICK:
                self.clicks += float(values.sum())
        self.slots += int(ends[-1])


def _parts(pages: Iterator[NumberedPage]) -> Iterator[list[NumberedPage]]:
    """Neighbouring pages, as many as one row group holds."""
    some: list[NumberedPage] = []
    candidates = 0
    for numbered in pages:
        some.append(numbered)
        candidates += numbered[2].query.candidate_count
        if len(some) == PAGES_PER_ROW_GROUP or candidates >= _CANDIDATES_AT_ONCE:
            yield some
            some, candidates = [], 0
    if some:
        yield some
