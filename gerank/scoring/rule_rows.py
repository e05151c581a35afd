"""What rows say beside features, as queries: rules, weights, and what stands above a page.

Most rows of a file say the same, which is then read once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank._engine import Query, StatusError
from gerank.data.contract import RequestContract
from gerank.data.native_query import native_query
from gerank.data.request import Request, RequestError
from gerank.data.request_json import read_above, read_rules
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.request_rows import plain_value
from gerank.unknown_features import UnknownFeatures

RULE_KEYS = (
    *("preset", "slots", "pins", "above", "spacing", "quotas", "weights"),
    *("seed", "mode", "temperature"),
)
"""The keys of a request that are read here."""

_OF_ONE_PAGE = {"pins", "above"}
"""These keys speak of the candidates of their page, so that no other page can share them."""


class RuleReader:
    """Reads the rules of rows for one artifact.

    Args:
        contract: What it asks of a request.
        unknown: What becomes of features that it does not know.
    """

    def __init__(self, contract: RequestContract, unknown: UnknownFeatures) -> None:
        self._contract, self._unknown = contract, unknown

    def read(
        self,
        rows: pa.RecordBatch,
        candidate_ids: pa.Array,
        offsets: NDArray[np.int64],
        keys: pa.DictionaryArray | None,
    ) -> tuple[list[Query], NDArray[np.bool_]]:
        """A query without candidates for each page, and whether its slate may be drawn.

        Args:
            rows: [P] The requests.
            candidate_ids: [C] Those of all pages in turn.
            offsets: [P + 1] Where the candidates of each page begin.
            keys: [C] The candidates' dedup keys, in whose numbering those above are told.

        Returns:
            No queries where no row says anything.

        Raises:
            NotColumnarError: A row says what cannot be.
        """
        given = _values(rows)
        if not given:
            return [], np.zeros(rows.num_rows, np.bool_)
        numbers = _numbers(keys) if "above" in given else {}
        shared: dict[str, tuple[Query, bool]] = {}
        queries, sampled = [], np.zeros(rows.num_rows, np.bool_)
        for page in range(rows.num_rows):
            told = {name: v[page] for name, v in given.items() if v[page] is not None}
            if not _OF_ONE_PAGE.isdisjoint(told):
                ids = candidate_ids[offsets[page] : offsets[page + 1]].to_pylist()
                query, sampled[page] = self._read(told, tuple(ids), numbers)
            else:
                text = repr(told)
                if text not in shared:
                    shared[text] = self._read(told, (), {})
                query, sampled[page] = shared[text]
            queries.append(query)
        return queries, sampled

    def _read(
        self, told: dict[str, Any], candidate_ids: tuple[str | int, ...], numbers: dict[str, int]
    ) -> tuple[Query, bool]:
        try:
            above = read_above(told.get("above", ()), self._contract, self._unknown, numbers)
            rules = read_rules(told, self._contract, candidate_ids)
            request = Request("", (), above=above, **rules)
            query = native_query(request, self._contract)
        except (RequestError, StatusError) as error:
            raise NotColumnarError(str(error)) from None
        greedy = request.preset is None if request.greedy is None else request.greedy
        return query, not greedy


def _values(rows: pa.RecordBatch) -> dict[str, list[Any]]:
    """The values of each key that any row has."""
    values = {}
    for name in RULE_KEYS:
        place = rows.schema.get_field_index(name)
        if place < 0 or rows.column(place).null_count == rows.num_rows:
            continue
        try:
            column = rows.column(place).to_pylist(maps_as_pydicts="lossy")
        except UnicodeDecodeError as error:
            raise NotColumnarError(str(error)) from None
        values[name] = [plain_value(name, value) for value in column]
    return values


def _numbers(keys: pa.DictionaryArray | None) -> dict[str, int]:
    """Each dedup key as text -> its number."""
    if keys is None:
        return {}
    return {str(key): number for number, key in enumerate(keys.dictionary.to_pylist())}
