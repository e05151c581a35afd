"""The tensors that travel: a padded batch of requests in, slates out, exposures for training.

Axes: B requests, M candidates, N slots, K group keys, Q flags, U utilities. Padding is told by a
mask or by -1, never by a value of a feature.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Features(NamedTuple):
    """What is known of B people and of the candidates of their pages.

    Attributes:
        user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask: As in `RerankBatch`.
    """

    user_dense: Tensor
    user_ids: Tensor
    candidate_dense: Tensor
    candidate_ids: Tensor
    candidate_mask: Tensor


class Rules(NamedTuple):
    """What a slate must satisfy, and how it is drawn.

    Attributes:
        pins, dedup_keys, spacing, quotas, slots, temperature: As in `RerankBatch`.
    """

    pins: Tensor
    dedup_keys: Tensor
    spacing: Tensor
    quotas: Tensor
    slots: Tensor
    temperature: Tensor


class RerankBatch(NamedTuple):
    """B requests, padded to common M and N: the positional arguments of a generator.

    Attributes:
        user_dense: [B, Fu] float32.
        user_ids: [B, Iu] int64.
        candidate_dense: [B, M, F] float32.
        candidate_ids: [B, M, I] int64.
        candidate_mask: [B, M] bool. True where the candidate is real.
        weights: [B, U] float32. Preference weight of each utility.
        pins: [B, N] int64. The candidate of a pinned slot, -1 elsewhere.
        dedup_keys: [B, M] int64. Candidates with one key exclude each other; -1 = no key.
        spacing: [B, K, 2] int64. (window, cap) per group key; window 0 = no rule.
        quotas: [B, Q, 2] int64. (min, max) per flag; min 0 and max -1 = no rule.
        slots: [B] int64. Slots asked for, 1..N.
        temperature: [B] float32, > 0.
        seeds: [B] int64. The 64 bits of the request's seed.
        greedy: [B] bool. True: argmax; False: sample.
    """

    user_dense: Tensor
    user_ids: Tensor
    candidate_dense: Tensor
    candidate_ids: Tensor
    candidate_mask: Tensor
    weights: Tensor
    pins: Tensor
    dedup_keys: Tensor
    spacing: Tensor
    quotas: Tensor
    slots: Tensor
    temperature: Tensor
    seeds: Tensor
    greedy: Tensor

    @property
    def features(self) -> Features:
        """The part that tells of people and candidates."""
        return Features(*(getattr(self, name) for name in Features._fields))

    @property
    def rules(self) -> Rules:
        """The part that forbids or weighs choices, in sampling and in teacher forcing alike."""
        return Rules(*(getattr(self, name) for name in Rules._fields))


class Slates(NamedTuple):
    """What a generator answers.

    Attributes:
        slates: [B, N] int64. Chosen candidate per slot; -1 where the slate has no more.
        log_prob: [B, N] float32. Holds each choice's log-probability; 0 at pinned and empty slots.
        relaxed: [B, N] int64. Bits of the rules dropped at a slot: see `gerank.data.relaxed`.
    """

    slates: Tensor
    log_prob: Tensor
    relaxed: Tensor


class ShownSlots(NamedTuple):
    """What B logged pages showed, and what users did with it, padded.

    Attributes:
        slates, clicks, log_propensity, placement_propensity: As in `ExposureBatch`.
    """

    slates: Tensor
    clicks: Tensor
    log_propensity: Tensor
    placement_propensity: Tensor


class SlotsAbove(NamedTuple):
    """What stood directly above B pages in endless feeds, padded in front.

    So the last of A slots is the one directly above the page's first.

    Attributes:
        above_ids, above_mask, above_dedup_keys: As in `ExposureBatch`.
    """

    above_ids: Tensor
    above_mask: Tensor
    above_dedup_keys: Tensor

    @classmethod
    def nothing(cls, requests: int, columns: int, device: torch.device | None = None) -> SlotsAbove:
        """Nothing stands above any of B requests; `columns` is I, the number of id columns."""
        keys = torch.zeros((requests, 0), dtype=torch.int64, device=device)
        return cls(keys.new_zeros((requests, 0, columns)), keys.bool(), keys)

    def groups(self, columns: Tensor) -> Tensor:
        """[B, A, K] int64 groups of the id columns [K]; -1 where nothing stands."""
        groups = self.above_ids.index_select(2, columns)
        return torch.where(self.above_mask.unsqueeze(-1), groups, -1)


class ExposureBatch(NamedTuple):
    """B logged pages, padded.

    Attributes:
        user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask: As in `RerankBatch`.
        slates: [B, N] int64. The exposed slate; -1 behind its end.
        clicks: [B, N] float32. 1 where the slot was clicked; 0 behind the end.
        log_propensity: [B, N] float32. log P(choice | choices before it) under the behavior policy;
            NaN where unknown.
        placement_propensity: [B, N] float32. P(this candidate at this slot); NaN where unknown.
        above_ids: [B, A, I] int64. Groups and flags of the slots above, in the columns that they
            have in `candidate_ids`; the other columns are 0.
        above_mask: [B, A] bool. True where something stands; padding comes first.
        above_dedup_keys: [B, A] int64. The same item's place among the candidates, which is not
            chosen again; -1 = it is none of them, or the page did show it again.
    """

    user_dense: Tensor
    user_ids: Tensor
    candidate_dense: Tensor
    candidate_ids: Tensor
    candidate_mask: Tensor
    slates: Tensor
    clicks: Tensor
    log_propensity: Tensor
    placement_propensity: Tensor
    above_ids: Tensor
    above_mask: Tensor
    above_dedup_keys: Tensor

    @property
    def features(self) -> Features:
        """The part that tells of people and candidates."""
        return Features(*(getattr(self, name) for name in Features._fields))

    @property
    def above(self) -> SlotsAbove:
        """The part that tells of what stood above, without slots that no page has.

        So pages with nothing above are judged to the same bits whatever they are padded to.
        """
        if not self.above_mask.size(1):
            return SlotsAbove(self.above_ids, self.above_mask, self.above_dedup_keys)
        first = int((~self.above_mask.any(0)).sum())  # padding comes first
        return SlotsAbove(*(getattr(self, name)[:, first:] for name in SlotsAbove._fields))


def pad_slots(values: Tensor, slots: int, padding: float = -1) -> Tensor:
    """[..., N'] -> [..., slots]: slates, or what stands at their slots, and `padding` behind."""
    return functional.pad(values, (0, slots - values.size(-1)), value=padding)
