"""Networks that fill a page slot by slot: their own logits, under the rules of the generator."""

import torch
from torch import Tensor, nn

import gerank.ops  # noqa: F401  loads torch.classes.gerank.StepDecoder
from gerank.data.batch import Features, Rules, Slates
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder

MOST_CANDIDATES = 512
"""Candidates of a decode, at most, those that stand above a page among them."""


class RerankNetwork(nn.Module):
    """Takes what a `Generator` takes and answers what it answers; scriptable.

    A subclass says what is known before the first slot (`encode`), what every candidate is worth at
    the open slot (`slot_logits`) and what changes once a slot is filled (`placed`). Its state is a
    list of tensors whose first axis is that of the requests, so that requests can be repeated and
    chosen from. Pins, dedup keys, spacing and quotas are masks of the op that fills the slots.
    """

    flag_columns: Tensor
    group_columns: Tensor

    def __init__(self, schema: FeatureSchema, embedding_width: int) -> None:
        super().__init__()
        self.features = FeatureEncoder(schema, embedding_width, sparse=True)
        flag_columns = torch.tensor(schema.flag_columns, dtype=torch.int64)
        self.register_buffer("flag_columns", flag_columns, persistent=False)
        group_columns = torch.tensor(schema.group_columns, dtype=torch.int64)
        self.register_buffer("group_columns", group_columns, persistent=False)

    def encode(self, features: Features) -> list[Tensor]:
        """The state of B requests before their first slot: tensors [B, ...]."""
        raise NotImplementedError

    def slot_logits(self, state: list[Tensor]) -> Tensor:
        """[B, M] what every candidate is worth at the open slot; finite, at padding too."""
        raise NotImplementedError

    def placed(self, state: list[Tensor], choice: Tensor) -> list[Tensor]:
        """The state after the open slot took the candidates [B]; -1 = it stayed empty."""
        return state

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> Slates:
        """Answers B requests; arguments as in `RerankBatch`, of which the weights do not count."""
        features = Features(user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask)
        rules = Rules(pins, dedup_keys, spacing, quotas, slots, temperature)
        state = self.encode(features)
        forced = self.searched(features, state, rules, greedy)
        return self.fill(features, state, rules, seeds, greedy, forced)

    def searched(
        self, features: Features, state: list[Tensor], rules: Rules, greedy: Tensor
    ) -> Tensor:
        """[B, N] choices that a search settles beforehand; -1 = the slot decides, as it comes."""
        return torch.full_like(rules.pins, -1)

    def fill(
        self,
        features: Features,
        state: list[Tensor],
        rules: Rules,
        seeds: Tensor,
        greedy: Tensor,
        forced: Tensor,
    ) -> Slates:
        """Fills all slots of B requests, with the choices of `forced` [B, N] where there are any.

        The op's own network is of width 1 and silent: what it is asked for is who may take a slot.
        """
        candidates = features.candidate_dense
        requests, count = features.candidate_mask.size(0), features.candidate_mask.size(1)
        flags, groups = self.flag_columns.size(0), self.group_columns.size(0)
        decoder = torch.classes.gerank.StepDecoder(
            candidates.new_zeros(requests, count, 1),
            candidates.new_zeros(requests, 1),
            features.candidate_mask,
            candidates.new_zeros(16 + flags),
            candidates.new_zeros(1, flags + 2 * groups + 3, 1),
            features.candidate_ids.index_select(2, self.flag_columns) > 0,
            features.candidate_ids.index_select(2, self.group_columns),
            rules.pins,
            rules.dedup_keys,
            rules.spacing,
            rules.quotas,
            rules.slots,
            rules.temperature,
            seeds,
            greedy,
            0,
        )
        for slot in range(rules.pins.size(1)):
            allowed = decoder.logits()
            logits = torch.where(torch.isneginf(allowed), allowed, self.slot_logits(state))
            choice, _ = decoder.step(forced[:, slot], logits)
            state = self.placed(state, choice)
        slates, log_prob, relaxed = decoder.slates()
        return Slates(slates, log_prob, relaxed)

    def described(self, features: Features) -> Tensor:
        """[B, M, X + Xu] x_i and x_u side by side; at padding x_i is 0."""
        users = self.features.users(features.user_dense, features.user_ids)
        candidates = self.features.candidates(
            features.candidate_dense,
            features.candidate_ids,
            features.candidate_mask,
            features.user_ids,
        )
        tiled = users.unsqueeze(1).expand(-1, candidates.size(1), -1)
        return torch.cat([candidates, tiled], dim=-1)

    @property
    def described_width(self) -> int:
        """X + Xu."""
        return self.features.candidate_width + self.features.user_width


class ScoringNetwork(RerankNetwork):
    """One score per candidate in view of the whole set; a page is sorted by it."""

    def scores(self, features: Features) -> Tensor:
        """[B, M]; finite, at padding too."""
        raise NotImplementedError

    def encode(self, features: Features) -> list[Tensor]:
        """See `RerankNetwork`: the scores."""
        return [self.scores(features)]

    def slot_logits(self, state: list[Tensor]) -> Tensor:
        """See `RerankNetwork`: the scores, at every slot."""
        return state[0]


def share_scales(fitted: FeatureEncoder, other: FeatureEncoder) -> None:
    """Makes two encoders hold the same maps and scales, which never learn: one fit is for both."""
    other.calibration = fitted.calibration
    other.user_scale = fitted.user_scale
    other.candidate_scale = fitted.candidate_scale


def row_of(values: Tensor, choice: Tensor) -> Tensor:
    """[B, D] of [B, M, D]: the rows of the candidates [B]; the first one's where it is -1."""
    place = choice.clamp(min=0).view(-1, 1, 1).expand(-1, 1, values.size(2))
    return values.gather(1, place).squeeze(1)
