"""Logged pages with their candidates sorted by name: the place in a log may be the logged order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import shown_above
from gerank.train.orders import name_ranks


@dataclass(frozen=True)
class NamedPages:
    """B pages whose candidates stand by name, so that nothing can be learnt from their places.

    Attributes:
        pages: The pages; slates and dedup keys name the new places.
        places: [B, M] int64. The place in the log of each candidate; padding stays behind.
    """

    pages: ExposureBatch
    places: Tensor

    @classmethod
    def of(cls, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> NamedPages:
        """The pages `rows` of a log, their slates cut to the first `slots` slots."""
        pages, ranks = log.batch(rows, slots), name_ranks(log, rows)
        places = ranks.argsort(dim=1, stable=True)
        wide = places.unsqueeze(-1)
        sorted_pages = pages._replace(
            candidate_dense=pages.candidate_dense.gather(
                1, wide.expand(-1, -1, pages.candidate_dense.size(2))
            ),
            candidate_ids=pages.candidate_ids.gather(
                1, wide.expand(-1, -1, pages.candidate_ids.size(2))
            ),
            slates=_renamed(pages.slates, ranks),
            above_dedup_keys=_renamed(pages.above_dedup_keys, ranks),
        )
        return cls(sorted_pages, places)

    def in_log(self, slates: Tensor) -> Tensor:
        """Slates [B, N] of the sorted candidates, as places in the log."""
        return _renamed(slates, self.places)


@dataclass(frozen=True)
class CandidateLabels:
    """What a page told of each of its candidates.

    Attributes:
        clicked: [B, M] float32. 1 where a click is known.
        shown: [B, M] bool. Candidates that stood on the page; of others nothing is known.
        slot: [B, M] int64. Where they stood; 0 of those that did not.
    """

    clicked: Tensor
    shown: Tensor
    slot: Tensor

    @classmethod
    def of(cls, pages: ExposureBatch) -> CandidateLabels:
        """The labels of B pages."""
        requests, candidates = pages.candidate_mask.shape
        filled = pages.slates >= 0
        place = torch.where(filled, pages.slates, candidates)
        slots = torch.arange(pages.slates.size(1), device=place.device).expand_as(place)

        def at_candidates(values: Tensor) -> Tensor:
            spare = values.new_zeros(requests, candidates + 1)
            return spare.scatter(1, place, values)[:, :candidates]

        return cls(
            at_candidates((pages.clicks > 0).float() * filled),
            at_candidates(filled),
            at_candidates(slots * filled),
        )


def free_candidates(pages: ExposureBatch) -> Tensor:
    """[B, M] bool: real candidates that do not stand above their page already."""
    return pages.candidate_mask & ~shown_above(pages)


def _renamed(slates: Tensor, names: Tensor) -> Tensor:
    """Places [B, N] of candidates by another naming [B, M]; -1 stays."""
    return torch.where(slates >= 0, names.gather(1, slates.clamp(min=0)), -1)
