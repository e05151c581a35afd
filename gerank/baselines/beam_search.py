"""Beam search under the rules: the slate whose slots are worth most together."""

import torch
from torch import Tensor

from gerank.baselines.rerank_network import RerankNetwork
from gerank.data.batch import Features, Rules


class BeamNetwork(RerankNetwork):
    """A network whose greedy answer is that of a beam search; sampled ones go slot by slot.

    A beam is a slate that has begun. With every slot the k best of all beams with one candidate
    more are kept, by the sum of `slot_value` over their slots.

    Attributes:
        beams: k; 1 = slot by slot.
    """

    beams: int

    def slot_value(self, state: list[Tensor]) -> Tensor:
        """[B, M] what a candidate at the open slot adds to its slate; finite, at padding too."""
        raise NotImplementedError

    def searched(
        self, features: Features, state: list[Tensor], rules: Rules, greedy: Tensor
    ) -> Tensor:
        """See `RerankNetwork`: the best beam of greedy requests."""
        if self.beams == 1:
            return torch.full_like(rules.pins, -1)
        slates = self._search(features, state, rules)
        return torch.where(greedy.unsqueeze(1), slates, -1)

    def _search(self, features: Features, state: list[Tensor], rules: Rules) -> Tensor:
        """[B, N] the best slates; -1 = the slot stays empty.

        The op that knows the rules cannot go on from a beam of its choice, so it is led along every
        beam from the first slot on: N (N + 1) / 2 steps without a network.
        """
        beams, requests = self.beams, features.candidate_mask.size(0)
        count, slots = features.candidate_mask.size(1), rules.pins.size(1)
        whose = torch.arange(requests, device=rules.pins.device).repeat_interleave(beams)
        ids = features.candidate_ids.index_select(0, whose)
        flags, groups = self.flag_columns.size(0), self.group_columns.size(0)
        silent = features.candidate_dense.new_zeros(requests * beams, count, 1)
        decoder = torch.classes.gerank.StepDecoder(
            silent,
            silent[:, 0],
            features.candidate_mask.index_select(0, whose),
            silent.new_zeros(16 + flags),
            silent.new_zeros(1, flags + 2 * groups + 3, 1),
            ids.index_select(2, self.flag_columns) > 0,
            ids.index_select(2, self.group_columns),
            rules.pins.index_select(0, whose),
            rules.dedup_keys.index_select(0, whose),
            rules.spacing.index_select(0, whose),
            rules.quotas.index_select(0, whose),
            rules.slots.index_select(0, whose),
            rules.temperature.index_select(0, whose),
            whose,
            torch.ones_like(whose, dtype=torch.bool),
            0,
        )
        state = [part.index_select(0, whose) for part in state]
        slates = torch.full((requests * beams, slots), -1, device=whose.device)
        out = -float("inf")
        total = silent.new_full((requests, beams), out)
        total[:, 0] = 0.0
        for slot in range(slots):
            decoder.begin(0)
            for earlier in range(slot):
                decoder.step(slates[:, earlier], None)
            forbidden = torch.isneginf(decoder.logits())
            value = self.slot_value(state).masked_fill(forbidden, out)
            total, beam, choice = best_beams(total, value)
            slates, state = slates.index_select(0, beam), [s.index_select(0, beam) for s in state]
            slates[:, slot] = choice
            state = self.placed(state, choice)
        return slates.view(requests, beams, slots)[:, 0]


def best_beams(total: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The k best ways to go on from k beams; of equal ones the first beam's lowest candidates.

    Args:
        total: [B, k]. What the beams are worth; -inf = there is no such beam.
        value: [B * k, M]. What each candidate would add; -inf = it may not take the slot. Where no
            candidate may, the slot stays empty and adds nothing.

    Returns:
        total: [B, k], falling; -inf where there are fewer ways. Such a beam repeats the best one.
        beam: [B * k] int64. The row of `value` that each goes on from.
        choice: [B * k] int64. -1 = the slot stays empty.
    """
    requests, beams = total.size(0), total.size(1)
    count = value.size(1)
    stays_empty = torch.isneginf(value).all(dim=1, keepdim=True)
    empty = torch.where(stays_empty, torch.zeros_like(value[:, :1]), -float("inf"))
    ways = torch.cat([value, empty], dim=1).view(requests, beams, count + 1)
    ways = (total.unsqueeze(2) + ways).view(requests, -1)
    kept, place = ways.sort(dim=1, descending=True, stable=True)
    kept, place = kept[:, :beams], place[:, :beams]
    place = torch.where(torch.isneginf(kept), place[:, :1], place)
    beam = place.div(count + 1, rounding_mode="floor")
    choice = place - beam * (count + 1)
    first = torch.arange(requests, device=total.device).unsqueeze(1) * beams
    choice = torch.where(choice == count, -1, choice)
    return kept, (beam + first).view(-1), choice.view(-1)
