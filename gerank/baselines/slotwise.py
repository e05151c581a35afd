"""Comparators that fill a slate slot by slot by scores of their own, under a request's rules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator
from gerank.data.batch import RerankBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import own_slots
from gerank.data.schema import FeatureSchema
from gerank.ops import StepDecoder, pack_decoder_weights
from gerank.train.orders import name_ranks
from gerank.train.page_batches import by_page
from gerank.train.pages import as_requests

_PAGES_AT_ONCE, _CANDIDATES_AT_ONCE = 512, 1 << 13  # bound the memory of similarities [B, M, M]

SlotScores = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Choices [B, n] of a page so far, -1 where there is none -> finite scores [B, M] at the next
slot."""


class SlotwiseComparator(Comparator):
    """Takes at every slot the candidate of the highest score that the rules allow.

    Ties are broken by the candidate's name, never by its place in the log.
    """

    @abstractmethod
    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """How the candidates of the pages `rows` are scored."""

    def requests(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> RerankBatch:
        """The pages `rows` as requests with their rules."""
        pages = log.batch(rows, slots)
        return as_requests(pages, torch.zeros(len(rows), 0), log.schema, slots=slots)

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """See `Comparator`."""
        if not len(rows):
            return torch.empty(0, slots, dtype=torch.int64)

        def decoded(places: NDArray[np.int64]) -> tuple[Tensor]:
            some = rows[places]
            batch, ranks = self.requests(log, some, slots), name_ranks(log, some)
            return (decode(batch, log.schema, self.scores(log, some), ranks)[0],)

        return by_page(log, rows, _PAGES_AT_ONCE, decoded, candidates=_CANDIDATES_AT_ONCE)[0]


def fixed(scores: NDArray[np.float64]) -> SlotScores:
    """Scores [B, M] that do not depend on what was chosen."""
    return lambda chosen: scores


def decode(
    batch: RerankBatch, schema: FeatureSchema, scores: SlotScores, ranks: Tensor
) -> tuple[Tensor, Tensor]:
    """Fills the slots of B requests greedily by scores, as the generator does by its own.

    Args:
        batch: The requests, with what stands above them pinned.
        schema: Describes them.
        scores: Is asked at every slot.
        ranks: [B, M] int64. Who wins a tie: the lowest.

    Returns:
        Slates [B, N] int64 of the pages themselves, -1 = empty; and what rules each slot dropped,
        as of `decode_slates`.
    """
    decoder = _rules_alone(batch, schema)
    candidates = ranks.size(1)
    ordered = np.full(batch.candidate_mask.shape, batch.candidate_mask.size(1), np.int64)
    ordered[:, :candidates] = ranks.numpy()
    chosen = np.empty((len(ranks), 0), np.int64)
    for _ in range(batch.pins.size(1)):
        allowed = torch.isfinite(decoder.logits()).numpy()
        told = np.zeros(allowed.shape)
        told[:, :candidates] = scores(chosen)
        taken, _ = decoder.step(forced=torch.from_numpy(_highest(told, allowed, ordered)))
        own = np.where(taken.numpy() < candidates, taken.numpy(), -1)
        chosen = np.concatenate([chosen, own[:, None]], axis=1)
    slates, _, relaxed = decoder.slates()
    return own_slots(batch, slates), own_slots(batch, relaxed)


def _highest(
    scores: NDArray[np.float64], allowed: NDArray[np.bool_], ranks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[B] the allowed candidate of the highest score [B, M]; -1 where none is allowed."""
    masked = np.where(allowed, scores, -np.inf)
    best = allowed & (masked == masked.max(axis=1, keepdims=True))
    choice = np.where(best, ranks, ranks.max() + 1).argmin(axis=1)
    return np.where(allowed.any(axis=1), choice, -1)


def _rules_alone(batch: RerankBatch, schema: FeatureSchema) -> StepDecoder:
    """A decoder whose network is a single unit of zeros: its logits tell of the rules only."""
    flags, groups = len(schema.flags), len(schema.groups)
    zeros = torch.zeros
    weights = pack_decoder_weights(
        start=zeros(1),
        gru_w_ih=zeros(3, 1),
        gru_w_hh=zeros(3, 1),
        gru_b_ih=zeros(3),
        gru_b_hh=zeros(3),
        w_candidate=zeros(1, 1),
        w_state=zeros(1, 1),
        w_shared=zeros(1, flags + 1),
    )
    return StepDecoder(
        zeros(*batch.candidate_mask.shape, 1),
        zeros(len(batch.slots), 1),
        batch.candidate_mask,
        weights,
        zeros(1, flags + 2 * groups + 3, 1),
        batch.candidate_ids[..., list(schema.flag_columns)] > 0,
        batch.candidate_ids[..., list(schema.group_columns)],
        *batch.rules,
        batch.seeds,
        batch.greedy,
        0,
    )
