"""The generator in plain PyTorch, as one would write it: the same parameters, and no op of gerank.

It answers what a training step asks of a `Generator`, for pages without rules and with nothing
above them, and for a policy that does not depend on preference weights. What does not change from
slot to slot is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.decoder import PointerDecoder
from gerank.nn.features import FeatureEncoder
from gerank.nn.generator import Encoded, Generator, GeneratorShape
from gerank.reference import set_features

_NEVER = -1000

Choose = Callable[[int, Tensor], Tensor]
"""(slot, its log-probabilities [E, M]) -> the choices [E]."""


class PlainFeatures(FeatureEncoder):
    """Features whose place in the candidate set is found in PyTorch."""

    def set_vectors(self, dense: Tensor, mask: Tensor) -> Tensor:
        """See `FeatureEncoder`."""
        scale = self.candidate_scale
        return set_features(self.calibration(dense), mask, scale.mean, scale.deviation)


class PlainDecoder(PointerDecoder):
    """The loop over slots, a few dozen operations of PyTorch in each."""

    def weights(self) -> Tensor:
        """Nothing is packed, for there is no op to take it."""
        return self.start.new_empty(0)

    def walk(
        self,
        encoded: Encoded,
        temperature: Tensor,  # [B]
        slates: int,
        slots: int,
        window: int,
        choose: Choose,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """E = B * `slates` walks down `slots` slots, those of a request side by side.

        Yields:
            Of each slot the choices [E, 1] and the log-probabilities [E, M], -inf where a candidate
            may not be chosen.
        """
        attention = encoded.attention.squeeze(0)  # [C + 3, H]
        keys = (encoded.candidates @ self.w_candidate.t()).repeat_interleave(slates, 0)
        candidates, state, mask, flags, groups, degrees = (
            each.repeat_interleave(slates, 0)
            for each in (
                encoded.candidates,
                encoded.set_vector,
                encoded.mask,
                encoded.flags.to(encoded.candidates.dtype),
                encoded.groups,
                temperature.to(encoded.candidates.dtype).unsqueeze(1),
            )
        )
        inputs = self.start.expand_as(state)
        counts = torch.zeros_like(flags[:, 0])  # [E, Q]
        last = torch.full_like(groups, _NEVER)  # [E, M, K], where a candidate's group stood last
        taken = ~mask
        for slot in range(slots):
            state = self.cell(inputs, state)
            hidden = self._hidden(keys, state, attention, flags, counts, last, slot, slots, window)
            logits = (hidden @ attention[-3]) / degrees
            log_p = torch.log_softmax(logits.masked_fill(taken, -torch.inf), dim=1)
            choice = choose(slot, log_p).unsqueeze(1)  # [E, 1]
            yield choice, log_p
            taken = taken.scatter(1, choice, True)
            inputs, placed = _at(candidates, choice), _at(groups, choice)
            counts = counts + _at(flags, choice)
            last = torch.where(groups == placed.unsqueeze(1), slot, last)

    def _hidden(
        self,
        keys: Tensor,
        state: Tensor,
        attention: Tensor,
        flags: Tensor,
        counts: Tensor,
        last: Tensor,
        slot: int,
        slots: int,
        window: int,
    ) -> Tensor:
        """[E, M, H] tanh of what the attention sees of each candidate."""
        *_, bias, scale = attention
        shares = counts / max(1, slot)
        place = torch.full_like(shares[:, :1], slot / slots)
        shared = torch.cat([shares, place], dim=1) @ self.w_shared.t()
        query = scale * (state @ self.w_state.t()) + shared + bias
        seen, recent = (reached.to(keys.dtype) for reached in (last >= 0, last >= slot - window))
        context = torch.cat([shares.unsqueeze(1) * flags, seen, recent], dim=2)
        return torch.tanh(keys + query.unsqueeze(1) + context @ attention[:-3])


class PlainGenerator(Generator):
    """A `Generator` of the same names of parameters."""

    def __init__(self, schema: FeatureSchema, shape: GeneratorShape) -> None:
        if shape.controllable:
            raise ValueError("the plain generator knows no preference weights")
        super().__init__(schema, shape)
        self.features = PlainFeatures(schema, shape.embedding_width, shape.calibrated)
        counts = (len(schema.flags), len(schema.groups))
        self.decoder = PlainDecoder(shape.width, shape.attention_width, *counts)

    def rollout(self, encoded: Encoded, batch: RerankBatch, num_slates: int) -> Tensor:
        """See `Generator`; noise is torch's own."""

        def draw(_slot: int, log_p: Tensor) -> Tensor:
            return torch.multinomial(log_p.exp(), 1)[:, 0]

        with torch.no_grad():
            choices = [choice for choice, _ in self._walk(encoded, batch, num_slates, draw)]
        return torch.cat(choices, dim=1).unflatten(0, (-1, num_slates))

    def slate_log_prob(
        self, encoded: Encoded, batch: RerankBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Generator`."""
        given, count = slates.flatten(0, 1), slates.size(1)
        log_probs, entropies = [], []
        for choice, log_p in self._walk(encoded, batch, count, lambda slot, _: given[:, slot]):
            log_probs.append(log_p.gather(1, choice))
            possible = log_p.masked_fill(log_p.isneginf(), 0.0)
            entropies.append(-(log_p.exp() * possible).sum(1, keepdim=True))
        log_prob, entropy = (torch.cat(each, dim=1) for each in (log_probs, entropies))
        return log_prob.unflatten(0, (-1, count)), entropy.unflatten(0, (-1, count))

    def _walk(
        self, encoded: Encoded, batch: RerankBatch, count: int, choose: Choose
    ) -> Iterator[tuple[Tensor, Tensor]]:
        slots, window = batch.pins.size(1), self.context_window
        return self.decoder.walk(encoded, batch.temperature, count, slots, window, choose)


def _at(values: Tensor, choice: Tensor) -> Tensor:
    """[E, X] of values [E, M, X]: those of the chosen candidates [E, 1]."""
    return values.gather(1, choice.unsqueeze(2).expand(-1, -1, values.size(2)))[:, 0]
