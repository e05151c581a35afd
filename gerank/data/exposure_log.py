"""Pages that were really shown: candidates, slate, feedback, and the propensity of every choice.

An `ExposureLog` holds all pages in flat numpy columns; a page's candidates and slots are the ranges
that `candidate_offsets` and `slate_offsets` tell. On disk it is a folder with `exposures.parquet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_checks import (
    ExposureLogError,
    check_exposures,
    check_lengths,
    check_shapes,
)
from gerank.data.exposure_parquet import Column, read_columns, write_columns
from gerank.data.flat_lists import checked_rows, padded, ranges
from gerank.data.log_columns import (
    CANDIDATE_ID,
    CANDIDATE_PREFIX,
    CLICK,
    FEEDBACK_PREFIX,
    LOG_PROPENSITY,
    PAGE_ID,
    PERSON_ID,
    PLACEMENT_PROPENSITY,
    SLATE,
    TIMESTAMP,
    USER_PREFIX,
)
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.data.texts import text_column

__all__ = ["FILE_NAME", "ExposureLog", "ExposureLogError"]

FILE_NAME = "exposures.parquet"
"""The one file in a log's folder that this module writes and reads has this name."""


@dataclass(frozen=True)
class ExposureLog:
    """E logged pages, flat. sum M: candidates of all pages; sum N: shown slots of all pages.

    Attributes:
        schema: What the columns of `user` and `candidate` are.
        page_ids: [E] object, each a str. Unique.
        person_ids: [E] object, each a str. Splits and intervals go by person.
        timestamps: [E] int64. Their order only has a meaning.
        candidate_offsets: [E + 1] int64. Page i has the candidates [offsets[i], offsets[i + 1]).
        slate_offsets: [E + 1] int64. The same for slots.
        user: Feature name -> [E], float32 (dense) or int64 (id).
        candidate: Feature name -> [sum M], float32 (dense) or int64 (id).
        candidate_names: [sum M] object, each a str. Item ids as people know them.
        slates: [sum N] int64. Index of the shown candidate among its page's candidates.
        clicks: [sum N] float32. 1 where the slot was clicked.
        log_propensity: [sum N] float32. log P(choice | choices before it), behavior policy;
            NaN = unknown.
        placement_propensity: [sum N] float32. P(this candidate at this slot); NaN = unknown.
        feedback: Name of a kind of `schema.feedback` -> [sum N] float32; NaN = unknown.
    """

    schema: FeatureSchema
    page_ids: NDArray[Any]
    person_ids: NDArray[Any]
    timestamps: NDArray[np.int64]
    candidate_offsets: NDArray[np.int64]
    slate_offsets: NDArray[np.int64]
    user: Mapping[str, NDArray[Any]]
    candidate: Mapping[str, NDArray[Any]]
    candidate_names: NDArray[Any]
    slates: NDArray[np.int64]
    clicks: NDArray[np.float32]
    log_propensity: NDArray[np.float32]
    placement_propensity: NDArray[np.float32]
    feedback: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("page_ids", "person_ids", "candidate_names"):
            object.__setattr__(self, name, text_column(getattr(self, name)))
        check_shapes(self)

    def __len__(self) -> int:
        return len(self.page_ids)

    def select(self, rows: NDArray[Any]) -> ExposureLog:
        """The pages `rows`, in that order.

        Args:
            rows: [R] integers in [0, E), repeats allowed, or [E] bool.

        Raises:
            IndexError: A row is outside the log.
        """
        rows = checked_rows(rows, len(self))
        of_candidates, candidate_offsets = ranges(self.candidate_offsets, rows)
        of_slots, slate_offsets = ranges(self.slate_offsets, rows)
        return ExposureLog(
            schema=self.schema,
            page_ids=self.page_ids[rows],
            person_ids=self.person_ids[rows],
            timestamps=self.timestamps[rows],
            candidate_offsets=candidate_offsets,
            slate_offsets=slate_offsets,
            user={name: values[rows] for name, values in self.user.items()},
            candidate={name: values[of_candidates] for name, values in self.candidate.items()},
            candidate_names=self.candidate_names[of_candidates],
            slates=self.slates[of_slots],
            clicks=self.clicks[of_slots],
            log_propensity=self.log_propensity[of_slots],
            placement_propensity=self.placement_propensity[of_slots],
            feedback={name: values[of_slots] for name, values in self.feedback.items()},
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
        if max_slots is not None and max_slots < 1:
            raise ValueError(f"max_slots is {max_slots}, not >= 1")
        rows = checked_rows(rows, len(self))
        items, item_mask = padded(self.candidate_offsets, rows, None)
        slots, slot_mask = padded(self.slate_offsets, rows, max_slots)
        user = {name: values[rows] for name, values in self.user.items()}
        candidate = {
            name: np.where(item_mask, values[items], values.dtype.type(0))
            for name, values in self.candidate.items()
        }

        def of_slots(values: NDArray[Any], padding: float) -> Tensor:
            return torch.from_numpy(np.where(slot_mask, values[slots], values.dtype.type(padding)))

        return ExposureBatch(
            user_dense=_stacked(user, self.schema.user_dense, np.float32, rows.shape),
            user_ids=_stacked(user, self.schema.user_ids, np.int64, rows.shape),
            candidate_dense=_stacked(
                candidate, self.schema.candidate_dense, np.float32, items.shape
            ),
            candidate_ids=_stacked(candidate, self.schema.candidate_ids, np.int64, items.shape),
            candidate_mask=torch.from_numpy(item_mask),
            slates=of_slots(self.slates, -1),
            clicks=of_slots(self.clicks, 0),
            log_propensity=of_slots(self.log_propensity, 0),
            placement_propensity=of_slots(self.placement_propensity, np.nan),
        )

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
        check_exposures(self, str(path))
        write_columns(path, self.schema, self._columns())

    @classmethod
    def read(cls, directory: Path) -> ExposureLog:
        """Reads and checks what `write` wrote.

        Raises:
            ExposureLogError: Names file, column, page and value of what is wrong.
        """
        path = Path(directory) / FILE_NAME
        schema, columns = read_columns(path)
        try:
            log = cls._from_columns(schema, columns)
        except ExposureLogError as error:
            raise ExposureLogError(f"{path}: {error}") from error
        check_exposures(log, str(path))
        return log

    def _columns(self) -> dict[str, Column]:
        items, slots = self.candidate_offsets, self.slate_offsets
        columns = {
            PAGE_ID: Column(self.page_ids),
            PERSON_ID: Column(self.person_ids),
            TIMESTAMP: Column(self.timestamps),
            CANDIDATE_ID: Column(self.candidate_names, items),
            SLATE: Column(self.slates, slots),
            CLICK: Column(self.clicks, slots),
            LOG_PROPENSITY: Column(self.log_propensity, slots),
            PLACEMENT_PROPENSITY: Column(self.placement_propensity, slots),
        }
        columns |= {f"{FEEDBACK_PREFIX}{k}": Column(v, slots) for k, v in self.feedback.items()}
        columns |= {f"{USER_PREFIX}{name}": Column(values) for name, values in self.user.items()}
        return columns | {
            f"{CANDIDATE_PREFIX}{name}": Column(values, items)
            for name, values in self.candidate.items()
        }

    @classmethod
    def _from_columns(cls, schema: FeatureSchema, columns: Mapping[str, Column]) -> ExposureLog:
        pages = columns[PAGE_ID].values
        items = _shared_offsets(columns, CANDIDATE_PREFIX, CANDIDATE_ID, pages)
        slots = _shared_offsets(
            columns, (FEEDBACK_PREFIX, LOG_PROPENSITY, PLACEMENT_PROPENSITY), SLATE, pages
        )
        return cls(
            schema=schema,
            page_ids=pages,
            person_ids=columns[PERSON_ID].values,
            timestamps=columns[TIMESTAMP].values,
            candidate_offsets=items,
            slate_offsets=slots,
            user={f.name: columns[f"{USER_PREFIX}{f.name}"].values for f in schema.user},
            candidate={
                f.name: columns[f"{CANDIDATE_PREFIX}{f.name}"].values for f in schema.candidate
            },
            candidate_names=columns[CANDIDATE_ID].values,
            slates=columns[SLATE].values,
            clicks=columns[CLICK].values,
            log_propensity=columns[LOG_PROPENSITY].values,
            placement_propensity=columns[PLACEMENT_PROPENSITY].values,
            feedback={
                kind.name: columns[f"{FEEDBACK_PREFIX}{kind.name}"].values
                for kind in schema.feedback
            },
        )


def _shared_offsets(
    columns: Mapping[str, Column],
    prefix: str | tuple[str, ...],
    leader: str,
    pages: NDArray[Any],
) -> NDArray[np.int64]:
    """Offsets of the leading list column, which those of every column it leads must equal."""
    lists = {name: column.offsets for name, column in columns.items() if column.offsets is not None}
    for name, offsets in lists.items():
        if name.startswith(prefix):
            check_lengths(name, np.diff(offsets), np.diff(lists[leader]), pages)
    return lists[leader]


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
