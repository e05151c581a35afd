"""DLCM: a recurrent network reads the initial list, and every item is held against what it read.

Ai, Bi, Guo and Croft, "Learning a deep listwise context model for ranking refinement", SIGIR 2018.

The paper: each x_i is joined with an abstraction of two elu layers. A GRU reads the initial list
from its last item to its first, so that the best ones shape the final state s_n most; its output at
item i is o_i. The score is phi(o_i, s_n) = V . (o_i tanh(W s_n + b)), a product for each of k
hidden units. The loss is attention rank, see `gerank.baselines.listwise_losses`.

It leaves open where the initial list comes from, and items that were never shown.

Chosen: the initial list is that of the upstream score, or without one the order of the request; the
GRU reads all candidates; the loss is over the shown ones.
"""

import torch
from torch import Tensor, nn

from gerank.baselines.comparator import Pages
from gerank.baselines.initial_order import InitialOrder, at_ranks, by_candidate
from gerank.baselines.listwise_losses import attention_rank
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import ScoringNetwork, row_of
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema


class LocalContextScore(nn.Module):
    """phi(o, s) = sum_k V_k (o . tanh(W_k s + b_k))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.context = nn.Linear(width, hidden * width)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.hidden = hidden

    def forward(self, outputs: Tensor, state: Tensor) -> Tensor:
        """[B, M] of outputs o [B, M, D] and the final state s [B, D]."""
        context = torch.tanh(self.context(state))
        context = context.view(-1, self.hidden, state.size(1))  # [B, k, D]
        score: Tensor = self.out(outputs @ context.transpose(1, 2)).squeeze(-1)
        return score


class DlcmNetwork(ScoringNetwork):
    """A GRU over the initial list, from below, and a score of each output with the final state."""

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        hidden: int,
        score: str | None,
    ) -> None:
        super().__init__(schema, embedding_width)
        self.order = InitialOrder(schema, score)
        self.abstract = nn.Sequential(
            nn.Linear(self.described_width, width), nn.ELU(), nn.Linear(width, width), nn.ELU()
        )
        self.rnn = nn.GRU(self.described_width + width, width, batch_first=True)
        self.score = LocalContextScore(width, hidden)

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`: phi(o_i, s_n)."""
        mask = features.candidate_mask
        described = self.described(features)
        inputs = torch.cat([described, self.abstract(described)], dim=-1)
        count = mask.sum(1, keepdim=True)
        ranks = self.order(features)
        turned = torch.where(mask, count - 1 - ranks, ranks)  # the last real one is read first
        outputs, _ = self.rnn(at_ranks(inputs, turned))
        final = row_of(outputs, count.squeeze(1) - 1)
        scores: Tensor = self.score(by_candidate(outputs, turned), final)
        return scores


class Dlcm(SupervisedComparator[DlcmNetwork]):
    """Sorts by how well a candidate stands in the context of its list."""

    name = "dlcm"
    paper = "Ai et al., SIGIR 2018"
    grid = TRAINING | {"hidden": (4, 16)}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> DlcmNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return DlcmNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            hidden=settings["hidden"],
            score=pages.score,
        )

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        scores = self.network.scores(pages.features)
        return attention_rank(scores, labels.clicked, labels.shown)
