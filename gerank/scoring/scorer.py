"""Rows of requests in, slates out, by one artifact in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from gerank._engine import StatusError
from gerank.data.native_query import native_query
from gerank.data.request import RequestError
from gerank.data.request_check import request_errors
from gerank.data.request_json import read_request
from gerank.data.slate import slate_document
from gerank.ranker import Ranker, slates_from_raw
from gerank.scoring.errors import NotColumnarError, ScoringError
from gerank.scoring.request_columns import PageReader, Pages
from gerank.scoring.request_rows import row_document
from gerank.scoring.slate_columns import slate_schema, slates_of_documents, slates_of_pages
from gerank.unknown_features import UnknownFeatures

if TYPE_CHECKING:
    from gerank._engine import RawPages

_AT_ONCE = 64  # pages of a forward pass: what it pads stays in a core's cache
_FEW = 8  # rows that are read one by one where not all of them become columns


class BadRow(NamedTuple):
    """A row that cannot be answered.

    Attributes:
        number: Its place in the file, from 0.
        reason: Names the field, the rule and the value.
    """

    number: int
    reason: str


class Scored(NamedTuple):
    """The slates of consecutive rows, without the bad ones."""

    slates: pa.RecordBatch
    bad: list[BadRow]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Scorer:
    """One loaded artifact.

    Args:
        ranker: It.
        unknown: What becomes of features that it does not know.
    """

    def __init__(self, ranker: Ranker, unknown: UnknownFeatures = UnknownFeatures.REFUSE) -> None:
        self._ranker, self._unknown = ranker, unknown
        self._reader = PageReader(ranker.contract, unknown)

    @classmethod
    def load(cls, model: Path, digest: str, unknown: UnknownFeatures) -> Self:
        """Loads the artifact whose digest is this one.

        Raises:
            ArtifactError: The file is refused.
            ScoringError: It is another file than the one that the job began with.
        """
        found = file_digest(model)
        if found != digest:
            raise ScoringError(f"{model}: SHA-256 was {digest} when the job began, and is {found}")
        return cls(Ranker.load(model), unknown)

    def score(self, rows: pa.RecordBatch, first_row: int = 0) -> Iterator[Scored]:
        """Answers rows, in pieces, in order.

        Args:
            rows: Requests; see `gerank.scoring.request_rows`.
            first_row: The number of the first one.

        Raises:
            StatusError: The model failed.
        """
        try:
            pages = self._reader.read(rows)
        except NotColumnarError:
            yield from self._halves(rows, first_row)
            return
        schema, begin = slate_schema(rows.schema), 0
        answered: list[RawPages] = []
        for first in range(0, rows.num_rows, _AT_ONCE):
            last = min(first + _AT_ONCE, rows.num_rows)
            try:
                answered.append(self._ranker.native.rank_pages(pages.native, first, last))
            except StatusError as error:
                if error.code != "INVALID_ARGUMENT":
                    raise
                yield self._told(answered, pages, begin, schema)
                yield from self._halves(rows.slice(first, last - first), first_row + first)
                answered, begin = [], last
        yield self._told(answered, pages, begin, schema)

    def _told(
        self, answered: list[RawPages], pages: Pages, begin: int, schema: pa.Schema
    ) -> Scored:
        version = self._ranker.model_version
        return Scored(slates_of_pages(answered, pages, begin, version, schema), [])

    def _halves(self, rows: pa.RecordBatch, first_row: int) -> Iterator[Scored]:
        """Rows of which one is bad or does not become columns: the others still may."""
        if rows.num_rows <= _FEW:
            yield self._one_by_one(rows, first_row)
            return
        middle = rows.num_rows // 2
        yield from self.score(rows.slice(0, middle), first_row)
        yield from self.score(rows.slice(middle), first_row + middle)

    def _one_by_one(self, rows: pa.RecordBatch, first_row: int) -> Scored:
        documents, bad = [], list[BadRow]()
        for row in range(rows.num_rows):
            try:
                documents.append(self._answer(rows, row))
            except RequestError as error:
                bad.append(BadRow(first_row + row, str(error)))
        return Scored(slates_of_documents(documents, slate_schema(rows.schema)), bad)

    def _answer(self, rows: pa.RecordBatch, row: int) -> dict[str, object]:
        document = row_document(rows, row)
        request = read_request(document, self._ranker.contract, self._unknown)
        with request_errors():
            query = native_query(request, self._ranker.contract)
            self._ranker.native.check(query)
        [slate] = slates_from_raw(self._ranker.native.rank([query]), self._ranker.model_version)
        return slate_document(request, slate)
