"""What can be known of a candidate before it is placed: a table for rankers of single items."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.page_batches import ordered_batches
from gerank.train.slot_features import SlotFeatures

_PAGES_AT_ONCE = 4096


class CandidateTable:
    """Columns of items alone: features, their place in the set, and the person.

    The slot is the first column, for models that learn from shown slots.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._features = SlotFeatures(dataclasses.replace(schema, groups=(), flags=()))

    def shown(
        self, log: ExposureLog, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Table [X, F] of all shown slots of the pages `rows`, their clicks [X], and slots a page.

        Slots beyond those that are asked for teach, too. The pages may come in another order than
        that of `rows`.
        """
        parts = list(self._shown(log, rows))
        table, clicks, sizes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return table, clicks, sizes

    def _shown(
        self, log: ExposureLog, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]]:
        for places in ordered_batches(log, rows, _PAGES_AT_ONCE):
            pages = log.batch(rows[places])
            filled = pages.slates >= 0
            table = self(pages, pages.slates.unsqueeze(1))
            yield table, pages.clicks[filled].numpy(), filled.sum(1).numpy()

    def candidates(self, log: ExposureLog, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[sum M, F] of all candidates of the pages `rows`, as if each stood in the first slot."""
        pages = log.batch(rows)
        places = torch.arange(pages.candidate_mask.size(1)).expand(pages.candidate_mask.shape)
        table = self(pages, places.masked_fill(~pages.candidate_mask, -1).unsqueeze(1))
        table[:, 0] = 0
        return table

    def __call__(self, pages: ExposureBatch, slates: Tensor) -> NDArray[np.float32]:
        """See `SlotFeatures`."""
        return self._features(pages, slates)

    def one_hot(self, table: NDArray[np.float32], slots: int) -> NDArray[np.float32]:
        """The same, ids and slot as a column per value; slots beyond `slots` are as its last."""
        table = table.copy()
        table[:, 0] = np.minimum(table[:, 0], slots - 1)
        wide = [(0, slots), *self._features.categorical.items()]
        plain = np.setdiff1d(np.arange(table.shape[1]), [column for column, _ in wide])
        parts = [table[:, plain]]
        parts += [
            np.eye(values, dtype=np.float32)[table[:, column].astype(np.int64)]
            for column, values in wide
        ]
        return np.concatenate(parts, axis=1)


def on_pages(
    values: NDArray[np.floating], log: ExposureLog, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Values [sum M] of all candidates of the pages `rows` as [B, M]; 0 at padding."""
    lengths = np.diff(log.candidate_offsets)[rows]
    padded = np.zeros((len(rows), int(lengths.max())))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = values
    return padded
