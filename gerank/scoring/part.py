"""One file of requests becomes one file of slates, a piece of it in memory at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gerank._engine import StatusError
from gerank.data.regular_file import NotRegularFileError, open_regular
from gerank.data.whole_file import whole_file
from gerank.scoring.errors import ScoringError
from gerank.scoring.job import METADATA_KEY, ScoringJob
from gerank.scoring.scorer import BadRow, Scorer
from gerank.scoring.slate_columns import slate_schema

_PIECE_BYTES = 8 << 20  # of a file, unpacked; a worker holds several times as much
_MOST_ROWS = 4096
_BUFFER_BYTES = 1 << 18  # per column of a file, so that a long row group is not read at once
_ROWS_OF_GROUP = 1 << 15
_SETTINGS = {
    "compression": "zstd",
    "write_page_checksum": True,
    "write_statistics": ["id"],
    # The values of these columns repeat; to look for repeats elsewhere costs more than it saves.
    "use_dictionary": [
        *("model_version", "slate.list.element.slot", "slate.list.element.relaxed.list.element"),
        *("unmet.list.element.rule", "unmet.list.element.name"),
    ],
}


class PartResult(NamedTuple):
    """How one part went.

    Attributes:
        name: The file, as a path within the source.
        slates: Rows that were answered.
        left_out: Rows that were not.
        error: Why there is no file of slates; empty where there is one.
        busy_s, cpu_s: Seconds that its worker spent on it, by the clock and by the processor.
    """

    name: str
    slates: int = 0
    left_out: int = 0
    error: str = ""
    busy_s: float = 0.0
    cpu_s: float = 0.0


def score_part(job: ScoringJob, name: str, scorer: Scorer) -> PartResult:
    """Writes the slates of a part, and the list of rows that were left out before them."""
    clock, processor = time.perf_counter(), time.process_time()
    try:
        done = _score(job, name, scorer)
        return done._replace(
            busy_s=time.perf_counter() - clock, cpu_s=time.process_time() - processor
        )
    except (ScoringError, NotRegularFileError, OSError, pa.ArrowException) as error:
        return PartResult(name, error=_naming(job.source_of(name), error))
    except StatusError as error:
        return PartResult(name, error=f"{job.source_of(name)}: {error}")


def _naming(source: Path, error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, ScoringError) else f"{source}: {text}"


def _score(job: ScoringJob, name: str, scorer: Scorer) -> PartResult:
    source, slates, bad = job.source_of(name), 0, list[BadRow]()
    facts = job.facts_of(name)
    with open_regular(source) as file, whole_file(job.target_of(name)) as draft:
        with _reading(source):
            requests = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES)
        schema = slate_schema(requests.schema_arrow)
        schema = schema.with_metadata({METADATA_KEY: json.dumps(facts)})
        with _Slates(draft, schema) as written:
            first = 0
            for rows in _pieces(requests, source):
                for scored in scorer.score(rows, first):
                    written.add(scored.slates)
                    slates += scored.slates.num_rows
                    bad += scored.bad
                    if bad and not job.skip_bad:
                        raise ScoringError(f"{source}: row {bad[0].number}: {bad[0].reason}")
                first += rows.num_rows
        if job.facts_of(name) != facts:
            raise ScoringError(f"{source}: the file was changed while it was read")
        _write_list(job.left_out_of(name), bad)
    return PartResult(name, slates, len(bad))


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Names the file in errors of its pages, which name none, in one line."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise ScoringError(f"{source}: {' '.join(str(error).split())}") from error


def _pieces(requests: pq.ParquetFile, source: Path) -> Iterator[pa.RecordBatch]:
    """The rows, so many at once as are `_PIECE_BYTES`."""
    groups = (requests.metadata.row_group(i) for i in range(requests.metadata.num_row_groups))
    of_row = max((g.total_byte_size / g.num_rows for g in groups if g.num_rows), default=1.0)
    at_once = max(1, min(_MOST_ROWS, int(_PIECE_BYTES / max(of_row, 1.0))))
    batches = requests.iter_batches(batch_size=at_once, use_threads=False)
    while True:
        with _reading(source):
            rows = next(batches, None)
        if rows is None:
            return
        yield rows


class _Slates:
    """Writes slates in row groups; as a context, it ends the file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, **_SETTINGS)
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def __enter__(self) -> _Slates:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write()
        self._writer.close()

    def add(self, slates: pa.RecordBatch) -> None:
        self._waiting.append(slates)
        self._rows += slates.num_rows
        if self._rows >= _ROWS_OF_GROUP:
            self._write()

    def _write(self) -> None:
        if self._rows:
            batches = [batch.cast(self._schema) for batch in self._waiting]
            self._writer.write_table(pa.Table.from_batches(batches, self._schema))
        self._waiting, self._rows = [], 0


def _write_list(path: Path, bad: list[BadRow]) -> None:
    """Writes the list; one of an earlier job goes where there is nothing to list."""
    if not bad:
        path.unlink(missing_ok=True)
        return
    rows = ({"row": number, "reason": reason} for number, reason in bad)
    with whole_file(path) as draft:
        draft.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
