"""MiRNN: clicks of a slot given the items above it, and a beam search for the best page.

Zhuang, Ou and Wang, "Globally optimized mutual influence aware ranking in e-commerce search", IJCAI
2018; here with attention.

The paper: p(o_i | o_1..o_{i-1}) = sigma(W_h h_i + W_c c_i), with h_i = RNN(h_{i-1}, f(o_i)) and
c_i = sum_{j<i} alpha_ij h_j. The page is that of the largest sum_i v(o_i) p(o_i | ...) that a beam
search finds. It learns from pages as they were shown.

It leaves open how a click that nobody could see is told from one that nobody wanted.

Chosen: a GRU; alpha by additive attention of h_i to h_j; v = 1; MiDNN's global features. The slot
has no factor of its own, for the recurrence counts slots.
"""

import torch
from torch import Tensor, nn

from gerank.baselines.beam_search import BeamNetwork
from gerank.baselines.comparator import Pages
from gerank.baselines.listwise_losses import click_cross_entropy
from gerank.baselines.midnn import global_features
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import row_of
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema
from gerank.nn.layers import zero_linear


class ProjectedGru(nn.Module):
    """`torch.nn.GRUCell` in two parts: what an input gives to the gates, and the step.

    A decoder tries every candidate at every slot, and projects it once.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(inputs, 3 * width)
        self.from_state = nn.Linear(width, 3 * width)

    def forward(self, projected: Tensor, state: Tensor) -> Tensor:
        """The next state [..., D] of a projected input [..., 3D] and a state [..., D]."""
        reset_in, update_in, new_in = projected.chunk(3, dim=-1)
        reset_h, update_h, new_h = self.from_state(state).chunk(3, dim=-1)
        reset = torch.sigmoid(reset_in + reset_h)
        update = torch.sigmoid(update_in + update_h)
        new = torch.tanh(new_in + reset * new_h)
        return (1 - update) * new + update * state


class MiRnnNetwork(BeamNetwork):
    """sigma(W_h h_i + W_c c_i), h_i = RNN(h_{i-1}, f(o_i)), c_i = sum_{j<i} alpha_ij h_j.

    The state of a page is what its candidates give to the gates [B, M, 3D], h_{i-1} [B, D], all
    earlier h_j [B, i - 1, D] and which of them are of a filled slot [B, i - 1].
    """

    def __init__(self, schema: FeatureSchema, width: int, embedding_width: int, beams: int) -> None:
        super().__init__(schema, embedding_width)
        self.beams = beams
        inputs = self.described_width + len(schema.candidate_dense)
        self.project = nn.Sequential(nn.Linear(inputs, width), nn.ReLU())
        self.rnn = ProjectedGru(width, width)
        self.attention_query = nn.Linear(width, width)
        self.attention_key = nn.Linear(width, width, bias=False)
        self.attention_score = nn.Linear(width, 1, bias=False)
        self.from_hidden = nn.Linear(width, 1)
        self.from_context = zero_linear(width, 1)

    def encode(self, features: Features) -> list[Tensor]:
        """See `RerankNetwork`."""
        extended = global_features(features.candidate_dense, features.candidate_mask)
        items = self.project(torch.cat([self.described(features), extended], dim=-1))
        projected = self.rnn.from_input(items)  # [B, M, 3D]
        none = items[:, :0]
        return [projected, torch.zeros_like(items[:, 0]), none, none[:, :, 0]]

    def slot_logits(self, state: list[Tensor]) -> Tensor:
        """See `RerankNetwork`: the logit of p(o_i | o_1..o_{i-1})."""
        return self._logits(self._hidden(state), state)

    def slot_value(self, state: list[Tensor]) -> Tensor:
        """See `BeamNetwork`: v(o_i) p(o_i | o_1..o_{i-1}), with v = 1."""
        return torch.sigmoid(self.slot_logits(state))

    def placed(self, state: list[Tensor], choice: Tensor) -> list[Tensor]:
        """See `RerankNetwork`; an empty slot leaves the hidden state as it was."""
        projected, before, earlier, filled = state
        is_filled = (choice >= 0).unsqueeze(1)
        hidden = self.rnn(row_of(projected, choice), before)
        hidden = torch.where(is_filled, hidden, before)
        filled = torch.cat([filled, is_filled.to(filled.dtype)], dim=1)
        return [projected, hidden, torch.cat([earlier, hidden.unsqueeze(1)], dim=1), filled]

    def along(self, state: list[Tensor], slates: Tensor) -> Tensor:
        """[B, N] logits of what the slates [B, N] show, each slot given those above it."""
        logits: list[Tensor] = []
        for choice in slates.unbind(1):
            projected, before = state[0], state[1]
            hidden = self.rnn(row_of(projected, choice), before).unsqueeze(1)
            logits.append(self._logits(hidden, state))
            state = self.placed(state, choice)
        return torch.cat(logits, dim=1)

    def _hidden(self, state: list[Tensor]) -> Tensor:
        """[B, M, D] h_i of every candidate, if it stood at the open slot."""
        tiled = state[1].unsqueeze(1).expand(-1, state[0].size(1), -1)
        hidden: Tensor = self.rnn(state[0], tiled)
        return hidden

    def _logits(self, hidden: Tensor, state: list[Tensor]) -> Tensor:
        """[B, K] of h_i [B, K, D] and the slots above."""
        logits: Tensor = self.from_hidden(hidden).squeeze(-1)
        earlier, filled = state[2], state[3]
        if earlier.size(1) == 0:
            return logits
        asked = self.attention_query(hidden).unsqueeze(2)  # [B, K, 1, D]
        held = self.attention_key(earlier).unsqueeze(1)  # [B, 1, i - 1, D]
        score = self.attention_score(torch.tanh(asked + held)).squeeze(-1)
        score = score.masked_fill(filled.unsqueeze(1) == 0, -1e9)
        context = score.softmax(-1) @ earlier  # [B, K, D]
        added: Tensor = self.from_context(context).squeeze(-1)
        return logits + added


class MiRnn(SupervisedComparator[MiRnnNetwork]):
    """Searches for the page with the most clicks, by a recurrence over its slots."""

    name = "mirnn"
    paper = "Zhuang, Ou and Wang, IJCAI 2018"
    grid = TRAINING | {"beams": (5, 1)}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> MiRnnNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return MiRnnNetwork(
            schema, settings["width"], settings["embedding_width"], settings["beams"]
        )

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        logits = self.network.along(self.network.encode(pages.features), pages.slates)
        return click_cross_entropy(logits, (pages.clicks > 0).float(), pages.slates >= 0)
