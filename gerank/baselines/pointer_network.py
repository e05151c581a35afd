"""A pointer network with an LSTM: what seq2slate, Exact-K and EG-Rerank decode with."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.baselines.beam_search import BeamNetwork
from gerank.baselines.rerank_network import row_of
from gerank.data.batch import Features
from gerank.data.schema import FeatureSchema


class Encoding(NamedTuple):
    """Candidates before any of them stands anywhere.

    Attributes:
        items: [B, M, D]. What the decoder is told when a candidate is placed.
        memory: [B, M, D]. What it points at.
        hidden, cell: [B, D]. The decoder's state before its first step.
    """

    items: Tensor
    memory: Tensor
    hidden: Tensor
    cell: Tensor


class PointerNetwork(BeamNetwork):
    """s_i = v . tanh(W_e e_i + W_d d_j), d_j the state of an LSTM that was told what stands above.

    Vinyals, Fortunato and Jaitly, "Pointer networks", NeurIPS 2015. A subclass says how candidates
    are encoded. Its state is items [B, M, D], W_e e_i [B, M, D], and the LSTM's two parts [B, D].
    """

    def __init__(
        self, schema: FeatureSchema, width: int, embedding_width: int, beams: int = 1
    ) -> None:
        super().__init__(schema, embedding_width)
        self.beams = beams
        self.start = nn.Parameter(torch.zeros(1, width))
        self.cell = nn.LSTMCell(width, width)
        self.from_memory = nn.Linear(width, width, bias=False)
        self.from_state = nn.Linear(width, width)
        self.pointer = nn.Linear(width, 1, bias=False)

    def encoding(self, features: Features) -> Encoding:
        """The candidates of B requests."""
        raise NotImplementedError

    def encode(self, features: Features) -> list[Tensor]:
        """See `RerankNetwork`: the state at the first slot."""
        encoding = self.encoding(features)
        start = self.start.expand(encoding.hidden.size(0), -1)
        hidden, cell = self.cell(start, (encoding.hidden, encoding.cell))
        return [encoding.items, self.from_memory(encoding.memory), hidden, cell]

    def slot_logits(self, state: list[Tensor]) -> Tensor:
        """See `RerankNetwork`: s_i."""
        query = self.from_state(state[2]).unsqueeze(1)
        logits: Tensor = self.pointer(torch.tanh(state[1] + query)).squeeze(-1)
        return logits

    def slot_value(self, state: list[Tensor]) -> Tensor:
        """See `BeamNetwork`: the log-probability of a candidate among all of the request."""
        return self.slot_logits(state).log_softmax(dim=1)

    def placed(self, state: list[Tensor], choice: Tensor) -> list[Tensor]:
        """See `RerankNetwork`; an empty slot leaves the state as it was."""
        items, keys, hidden, cell = state
        next_hidden, next_cell = self.cell(row_of(items, choice), (hidden, cell))
        is_filled = (choice >= 0).unsqueeze(1)
        hidden = torch.where(is_filled, next_hidden, hidden)
        return [items, keys, hidden, torch.where(is_filled, next_cell, cell)]
