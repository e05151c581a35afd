"""seq2slate: a pointer network that is taught by clicks, the second generation of re-rankers.

Bello et al., "Seq2Slate: re-ranking and slate optimization with RNNs", 2018.

The paper: an LSTM reads the candidates in the order of the base ranker; a second one chooses among
them, s_i = v . tanh(W_e e_i + W_d d_j), and is told each choice. With supervision the loss of a
slate is sum_j w_j l(s_j, y) over its steps, along the network's own choices, where l looks at the
candidates that are left: the cross-entropy -sum_i y_i / (sum_k y_k) log p_i, or the hinge
max(0, 1 - min_{y = 1} s + max_{y = 0} s). The greedy policy is served.

It leaves open items that were never shown, which its lists do not have.

Chosen: along greedy choices among the shown candidates, of which alone the label is known, while
all candidates are encoded; w_j = 1 / log2(j + 1); both losses are in the grid.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gerank.baselines.comparator import Pages
from gerank.baselines.initial_order import InitialOrder, at_ranks, by_candidate
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.pointer_network import Encoding, PointerNetwork
from gerank.baselines.slate_walk import SlateWalk, walk
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema


class Seq2SlateNetwork(PointerNetwork):
    """An LSTM over the initial list in front of the pointer."""

    def __init__(
        self, schema: FeatureSchema, width: int, embedding_width: int, score: str | None
    ) -> None:
        super().__init__(schema, width, embedding_width)
        self.order = InitialOrder(schema, score)
        self.project = nn.Sequential(nn.Linear(self.described_width, width), nn.ReLU())
        self.encoder = nn.LSTM(width, width, batch_first=True)

    def encoding(self, features: Features) -> Encoding:
        """See `PointerNetwork`: the LSTM's outputs, and its last state."""
        mask = features.candidate_mask
        items = self.project(self.described(features))
        ranks = self.order(features)
        lengths = mask.sum(1).clamp(min=1)
        packed = pack_padded_sequence(
            at_ranks(items, ranks), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, (hidden, cell) = self.encoder(packed)
        memory, _ = pad_packed_sequence(outputs, batch_first=True, total_length=mask.size(1))
        return Encoding(items, by_candidate(memory, ranks), hidden[0], cell[0])


class Seq2Slate(SupervisedComparator[Seq2SlateNetwork]):
    """Chooses slot by slot, each time the candidate that it points at most."""

    name = "seq2slate"
    paper = "Bello et al., 2018"
    grid = TRAINING | {"loss": ("cross_entropy", "hinge")}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> Seq2SlateNetwork:
        """See `NetworkComparator`.

        Raises:
            ValueError: There is no such loss.
        """
        settings = self.settings
        if settings["loss"] not in STEP_LOSSES:
            known = ", ".join(STEP_LOSSES)
            raise ValueError(f"{self.name}: loss is {settings['loss']!r}, not one of {known}")
        return Seq2SlateNetwork(schema, settings["width"], settings["embedding_width"], pages.score)

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        state = self.network.encode(pages.features)
        slots = pages.slates.size(1)
        along = walk(self.network, state, labels.shown, slots, greedy=True)
        return sequence_loss(along, labels.clicked, self.settings["loss"])


def sequence_loss(along: SlateWalk, labels: Tensor, loss: str) -> Tensor:
    """[B] sum_j w_j l(s_j, y), w_j = 1 / log2(j + 1), of labels [B, M]; `loss` names l.

    A step without a clicked candidate left counts as nothing.
    """
    steps = along.free.size(1)
    place = torch.arange(steps, dtype=torch.float32, device=labels.device)
    weight = 1 / torch.log2(place + 2)
    left = labels.unsqueeze(1) * along.free  # [B, N, M]
    each = STEP_LOSSES[loss](along.log_p, left, along.free)
    return (weight * each * (left.sum(-1) > 0)).sum(1)


def step_cross_entropy(log_p: Tensor, left: Tensor, free: Tensor) -> Tensor:
    """-sum_i y_i / (sum_k y_k) log p_i of every step: [B, N] of [B, N, M] each."""
    share = left / left.sum(-1, keepdim=True).clamp(min=1.0)
    return -(share * log_p.masked_fill(~free, 0.0)).sum(-1)


def step_hinge(log_p: Tensor, left: Tensor, free: Tensor) -> Tensor:
    """max(0, 1 - min_{y = 1} s + max_{y = 0} s) of every step; 0 where none of a kind is left.

    Differences of scores are those of log-probabilities.
    """
    is_clicked, is_other = left > 0, free & (left == 0)
    lowest = log_p.masked_fill(~is_clicked, torch.inf).amin(-1)
    highest = log_p.masked_fill(~is_other, -torch.inf).amax(-1)
    both = is_clicked.any(-1) & is_other.any(-1)
    gap = torch.where(both, highest - lowest, torch.zeros_like(lowest))
    return torch.relu(1 + gap) * both


STEP_LOSSES = {"cross_entropy": step_cross_entropy, "hinge": step_hinge}
"""The name of a loss of one step -> the loss."""
