"""Pages that were really shown: they are read, checked, selected, batched and written.

On disk an `ExposureLog` is a folder with `exposures.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch, ShownSlots, SlotsAbove
from gerank.data.column_store import DEFAULT_MEMORY_MB
from gerank.data.exposure_checks import (
    ExposureLogError,
    check_exposures,
    check_page_ids,
    check_shapes,
)
from gerank.data.exposure_columns import columns_of, fields_of
from gerank.data.exposure_fields import ExposureFields, LoggedAbove
from gerank.data.exposure_parquet import write_columns
from gerank.data.exposure_reading import read_columns
from gerank.data.flat_lists import checked_rows, padded, padded_in_front
from gerank.data.log_selection import Selection, window
from gerank.data.schema import Feature, FeatureKind
from gerank.data.texts import text_column

__all__ = ["FILE_NAME", "ExposureLog", "ExposureLogError"]

FILE_NAME = "exposures.parquet"
"""The one file in a log's folder that this module writes has this name."""

PARTS = "exposures-*.parquet"
"""A log that others write may be in several files, named like this, in the order of their names."""

_PAGES_OF_A_WINDOW = 1 << 16


@dataclass(frozen=True)
class ExposureLog(ExposureFields):
    """E logged pages, checked, and what is done with them."""

    def __post_init__(self) -> None:
        for name in ("page_ids", "person_ids", "candidate_names"):
            object.__setattr__(self, name, text_column(getattr(self, name)))
        check_shapes(self)

    def select(self, rows: NDArray[Any]) -> ExposureLog:
        """The pages `rows`, in that order.

        Args:
            rows: [R] integers in [0, E), repeats allowed, or [E] bool.

        Raises:
            IndexError: A row is outside the log.
        """
        rows = checked_rows(rows, len(self))
        chosen = Selection(self.store, rows, self._page_bytes)
        items, slots = self.candidate_offsets, self.slate_offsets
        return ExposureLog(
            schema=self.schema,
            page_ids=chosen.of_pages(self.page_ids),
            person_ids=chosen.of_pages(self.person_ids),
            timestamps=chosen.of_pages(self.timestamps),
            candidate_offsets=chosen.offsets(items),
            slate_offsets=chosen.offsets(slots),
            user={name: chosen.of_pages(values) for name, values in self.user.items()},
            candidate={name: chosen.of_lists(v, items) for name, v in self.candidate.items()},
            candidate_names=chosen.of_lists(self.candidate_names, items),
            slates=chosen.of_lists(self.slates, slots),
            clicks=chosen.of_lists(self.clicks, slots),
            log_propensity=chosen.of_lists(self.log_propensity, slots),
            placement_propensity=chosen.of_lists(self.placement_propensity, slots),
            feedback={name: chosen.of_lists(v, slots) for name, v in self.feedback.items()},
            above=None if self.above is None else _selected(self.above, chosen),
            store=chosen.store,
        )

    def windows(self) -> Iterator[ExposureLog]:
        """The pages in parts of neighbours, which share memory with the log; one where it fits.

        What was read of a part is given back to the system when the next one is asked for.
        """
        if not self.store.is_mapped:
            yield self
            return
        for first in range(0, len(self), _PAGES_OF_A_WINDOW):
            yield self._window(first, min(first + _PAGES_OF_A_WINDOW, len(self)))
            self.store.release_memory()

    def _window(self, first: int, after: int) -> ExposureLog:
        pages = slice(first, after)
        items = slice(*self.candidate_offsets[[first, after]].tolist())
        slots = slice(*self.slate_offsets[[first, after]].tolist())
        return replace(
            self,
            page_ids=window(self.page_ids, pages),
            person_ids=window(self.person_ids, pages),
            timestamps=self.timestamps[pages],
            candidate_offsets=self.candidate_offsets[first : after + 1] - items.start,
            slate_offsets=self.slate_offsets[first : after + 1] - slots.start,
            user={name: values[pages] for name, values in self.user.items()},
            candidate={name: values[items] for name, values in self.candidate.items()},
            candidate_names=window(self.candidate_names, items),
            slates=self.slates[slots],
            clicks=self.clicks[slots],
            log_propensity=self.log_propensity[slots],
            placement_propensity=self.placement_propensity[slots],
            feedback={name: values[slots] for name, values in self.feedback.items()},
            above=None if self.above is None else _part(self.above, first, after),
        )

    def batch(self, rows: NDArray[Any], max_slots: int | None = None) -> ExposureBatch:
        """Padded tensors of the pages `rows`.

        Args:
            rows: [B] integers in [0, E), or [E] bool.
            max_slots: Slates are cut to their first `max_slots` slots.

        Returns:
            M and N are the longest of these pages; ids are as logged, not yet hashed to rows.

        Raises:
            IndexError: A row is outside the log.
            ValueError: `max_slots` is below 1.
        """
        rows = checked_rows(rows, len(self))
        items, item_mask = padded(self.candidate_offsets, rows, None)
        user = {name: values[rows] for name, values in self.user.items()}
        candidate = {
            name: np.where(item_mask, values[items], values.dtype.type(0))
            for name, values in self.candidate.items()
        }
        self.store.read(self.candidate_offsets[rows], len(self.candidate) + 4)
        return ExposureBatch(
            _stacked(user, self.schema.user_dense, np.float32, rows.shape),
            _stacked(user, self.schema.user_ids, np.int64, rows.shape),
            _stacked(candidate, self.schema.candidate_dense, np.float32, items.shape),
            _stacked(candidate, self.schema.candidate_ids, np.int64, items.shape),
            torch.from_numpy(item_mask),
            *self.shown(rows, max_slots),
            *self.slots_above(rows),
        )

    def shown(self, rows: NDArray[Any], max_slots: int | None = None) -> ShownSlots:
        """What the pages `rows` showed, without their candidates; the arguments are as in `batch`.

        Raises:
            IndexError: A row is outside the log.
            ValueError: `max_slots` is below 1.
        """
        if max_slots is not None and max_slots < 1:
            raise ValueError(f"max_slots is {max_slots}, not >= 1")
        slots, mask = padded(self.slate_offsets, checked_rows(rows, len(self)), max_slots)

        def of_slots(values: NDArray[Any], padding: float) -> Tensor:
            return torch.from_numpy(np.where(mask, values[slots], values.dtype.type(padding)))

        return ShownSlots(
            slates=of_slots(self.slates, -1),
            clicks=of_slots(self.clicks, 0),
            log_propensity=of_slots(self.log_propensity, 0),
            placement_propensity=of_slots(self.placement_propensity, np.nan),
        )

    def slots_above(self, rows: NDArray[Any]) -> SlotsAbove:
        """What stood above the pages `rows`; their last slots side by side, padding in front.

        An item that the page showed again has no dedup key: what a log shows must be possible for
        those who learn from it.

        Raises:
            IndexError: A row is outside the log.
        """
        rows = checked_rows(rows, len(self))
        width = len(self.schema.candidate_ids)
        if self.above is None:
            return SlotsAbove.nothing(len(rows), width)
        places, mask = padded_in_front(self.above.offsets, rows)
        ids = np.zeros((*mask.shape, width), np.int64)
        for place, feature in enumerate(self.schema.candidate_ids):
            if feature.name in self.above.features:
                ids[..., place] = np.where(mask, self.above.features[feature.name][places], 0)
        slots, filled = padded(self.slate_offsets, rows, None)
        shown = np.where(filled, self.slates[slots], -1)
        keys = np.where(mask, self.above.dedup_keys[places], -1)
        keys[(keys[:, :, None] == shown[:, None]).any(2)] = -1
        return SlotsAbove(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(keys))

    def feedback_batch(self, rows: NDArray[Any], max_slots: int | None = None) -> Tensor:
        """[B, N, kinds] float32 the feedback beyond clicks of the pages that `batch` gives.

        It is in the order of `schema.feedback`, and NaN where it is unknown or behind the end.
        """
        rows = checked_rows(rows, len(self))
        slots, mask = padded(self.slate_offsets, rows, max_slots)
        stacked = np.full((*mask.shape, len(self.feedback)), np.nan, dtype=np.float32)
        for place, kind in enumerate(self.schema.feedback):
            stacked[..., place] = np.where(mask, self.feedback[kind.name][slots], np.nan)
        return torch.from_numpy(stacked)

    def with_ranges(self) -> ExposureLog:
        """The same pages; the schema's dense features carry the minimum and maximum seen here."""
        schema = replace(
            self.schema,
            user=tuple(_with_range(f, self.user[f.name]) for f in self.schema.user),
            candidate=tuple(_with_range(f, self.candidate[f.name]) for f in self.schema.candidate),
        )
        return replace(self, schema=schema)

    def write(self, directory: Path) -> None:
        """Writes `exposures.parquet` into the folder, which is made if need be; all or nothing.

        Raises:
            ExposureLogError: The log holds a value that `read` would refuse.
            OSError: The folder cannot be written.
        """
        path = Path(directory) / FILE_NAME
        self._check(str(path))
        write_columns(path, self.schema, columns_of(self))

    @classmethod
    def read(cls, directory: Path, memory_mb: int = DEFAULT_MEMORY_MB) -> ExposureLog:
        """Reads and checks what `write` wrote, or parts of it: `exposures-*.parquet`, by name.

        Args:
            directory: The folder.
            memory_mb: A log whose columns take more, in MiB, lies in temporary files.

        Raises:
            ExposureLogError: Names file, column, page and value of what is wrong.
            ColumnStoreError: There is no room for temporary files.
        """
        files = log_files(directory)
        schema, columns, store = read_columns(files, memory_mb)
        source = str(Path(directory) / (FILE_NAME if files[0].name == FILE_NAME else PARTS))
        try:
            log = cls(**fields_of(schema, columns), store=store)
        except ExposureLogError as error:
            raise ExposureLogError(f"{source}: {error}") from error
        log._check(source)
        return log

    def _check(self, source: str) -> None:
        check_page_ids(self.page_ids, source)
        for part in self.windows():
            check_exposures(part, source)

    @property
    def _page_bytes(self) -> int:
        """What a page takes on average, about."""
        items, slots = int(self.candidate_offsets[-1]), int(self.slate_offsets[-1])
        numbers = items * (len(self.candidate) * 8 + 16) + slots * (len(self.feedback) * 4 + 20)
        if self.above is not None:
            numbers += len(self.above.dedup_keys) * 8 * (1 + len(self.above.features))
        return numbers // max(1, len(self)) + 8 * len(self.user) + 16


def _selected(above: LoggedAbove, chosen: Selection) -> LoggedAbove:
    return LoggedAbove(
        chosen.offsets(above.offsets),
        chosen.of_lists(above.dedup_keys, above.offsets),
        {name: chosen.of_lists(v, above.offsets) for name, v in above.features.items()},
    )


def _part(above: LoggedAbove, first: int, after: int) -> LoggedAbove:
    slots = slice(*above.offsets[[first, after]].tolist())
    return LoggedAbove(
        above.offsets[first : after + 1] - slots.start,
        above.dedup_keys[slots],
        {name: values[slots] for name, values in above.features.items()},
    )


def log_files(directory: Path) -> list[Path]:
    """The files of a log: the one that gerank writes, or where it is not there all parts."""
    path = Path(directory) / FILE_NAME
    parts = [] if path.exists() else sorted(Path(directory).glob(PARTS))
    return parts or [path]


def _stacked(
    columns: Mapping[str, NDArray[Any]],
    features: tuple[Feature, ...],
    dtype: type[np.generic],
    shape: tuple[int, ...],
) -> Tensor:
    """[*shape, features]; of width 0 when there are none."""
    stacked = np.empty((*shape, len(features)), dtype=dtype)
    for place, feature in enumerate(features):
        stacked[..., place] = columns[feature.name]
    return torch.from_numpy(stacked)


def _with_range(feature: Feature, values: NDArray[Any]) -> Feature:
    if feature.kind is not FeatureKind.DENSE or values.size == 0:
        return feature
    return replace(feature, minimum=float(values.min()), maximum=float(values.max()))
