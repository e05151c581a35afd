"""The native pass in bfloat16, stated plainly: which numbers are rounded, and where.

What enters a product with a matrix of the encoder or of the decoder is rounded to bfloat16, and so
is the matrix; sums, biases and everything between the products stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor, nn

from gerank.data.batch import RerankBatch, Slates
from gerank.nn.generator import Generator
from gerank.reference import decoder
from gerank.reference.decoder import Walk
from gerank.reference.weights import Weights, unpack_weights
from tests.ops.cases import DecodeCase
from tests.ops.parity import follow

_FLOAT32 = 3e-7
"""How far most sums in float32 are off, relative to the largest number beside them."""


def rounded(values: Tensor) -> Tensor:
    """To the nearest bfloat16, ties to even, in the dtype that was given."""
    return values.to(torch.bfloat16).to(values.dtype)


class Roundings:
    """Rounds what belongs to requests, and notes where float32 might have rounded it otherwise.

    Attributes:
        certain: [B] bool. Whether no number of a request lay so near to the middle of two that the
            last bits of a float32 sum are likely to decide.
    """

    def __init__(self, mask: Tensor) -> None:
        """`mask`: [B, M] bool. True where a candidate is real."""
        self._mask = mask
        self.certain = torch.ones(len(mask), dtype=torch.bool)

    def rounded(self, values: Tensor) -> Tensor:
        """The nearest bfloat16 of each number; `values` is [B, X], or [B, M, X] of candidates."""
        result = rounded(values)
        off = _FLOAT32 * values.abs().amax(-1, keepdim=True)
        spacing = torch.exp2(values.abs().log2().floor() - 7)  # of neighbours in bfloat16
        near = (spacing / 2 - (values - result).abs() < off) & (spacing > off)
        if values.dim() == 3:
            near &= self._mask.unsqueeze(2)
        self.certain &= ~near.flatten(1).any(1)
        return result


def rounded_case(generator: Generator, batch: RerankBatch, roundings: Roundings) -> DecodeCase:
    """What the encoder gives in bfloat16, in float64, as the arguments of a decode.

    Candidates are rounded: only products see them. No request may have values and z-scores folded
    into one number: 8 candidates or more do.
    """
    model = copy.deepcopy(generator).double()
    for layer in model.encoder.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = rounded(layer.weight.data)
            layer.register_forward_pre_hook(lambda _, given: (roundings.rounded(given[0]),))
    wide = RerankBatch(*(t.double() if t.is_floating_point() else t for t in batch))
    with torch.no_grad():
        encoded = model.encode_batch(wide)
    attention, flags = encoded.attention, encoded.flags
    sizes = (encoded.set_vector.shape[1], attention.shape[2], flags.shape[2])
    encoded = encoded._replace(
        candidates=roundings.rounded(encoded.candidates),
        weights=_rounded_weights(unpack_weights(encoded.weights, *sizes)),
    )
    return DecodeCase(*encoded, *wide.rules, wide.seeds, wide.greedy, 1, generator.context_window)


def follow_rounded(case: DecodeCase, slates: Tensor, roundings: Roundings) -> Walk:
    """The reference in bfloat16 along slates [B, N]."""
    with _rounded_states(roundings):
        return follow(case, slates, 0)


def log_prob_error(walk: Walk, answer: Slates) -> Tensor:
    """[B, N] distance of the log-probabilities."""
    return (walk.log_prob - answer.log_prob.double()).abs()


def _rounded_weights(weights: Weights) -> Tensor:
    matrices = ("start", "w_ih_t", "w_hs_t", "w_e_t")  # of the start vector only a product is taken
    changed = {name: rounded(getattr(weights, name)) for name in matrices}
    return torch.cat([part.reshape(-1) for part in weights._replace(**changed)])


@contextmanager
def _rounded_states(roundings: Roundings) -> Iterator[None]:
    """The reference's loop, with states rounded where they enter a product."""
    plain_query = decoder.slot_query

    def gru(weights: Weights, inputs: Tensor, state: Tensor) -> Tensor:
        width = state.shape[1]
        from_input = (inputs @ weights.w_ih_t + weights.b_ih).chunk(3, dim=1)
        gates = roundings.rounded(state) @ weights.w_hs_t[:, : 3 * width] + weights.b_hh
        from_state = gates.chunk(3, dim=1)
        reset = torch.sigmoid(from_input[0] + from_state[0])
        update = torch.sigmoid(from_input[1] + from_state[1])
        new = torch.tanh(from_input[2] + reset * from_state[2])
        return (1 - update) * new + update * state

    def slot_query(request, weights, attention, state, prefix):  # type: ignore[no-untyped-def]
        return plain_query(request, weights, attention, roundings.rounded(state), prefix)

    with (
        mock.patch.object(decoder, "gru", gru),
        mock.patch.object(decoder, "slot_query", slot_query),
    ):
        yield
