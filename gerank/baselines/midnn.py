"""MiDNN: every candidate scored in view of the set's extremes, and the page sorted.

Zhuang, Ou and Wang, "Globally optimized mutual influence aware ranking in e-commerce search", IJCAI
2018; the first generation of the system that gerank's generator comes from.

The paper: o* = argmax_o sum_i v(i) p(i | c(o, i)). MiDNN sees of the context what does not depend
on the order: to each feature f it adds f_g = (f - f_min) / (f_max - f_min) over the candidates. The
slot only multiplies p, so that the best order is that of v(i) p(i | S).

It leaves open which features are extended and how the factor of the slot is learnt.

Chosen: v = 1, for a log tells clicks and no prices; all dense features are extended, beside the
ranks and z-scores that every comparator is given; the factor of slot n is exp(-softplus(b_n)),
learnt together with p by the cross-entropy of clicks at shown slots.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.baselines.comparator import Pages
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import ScoringNetwork
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema
from gerank.nn.layers import mlp


class MiDnnNetwork(ScoringNetwork):
    """A network of local features, global features and the user: one logit per candidate.

    Attributes:
        slot_cost: [N]. What p loses at every slot, in logarithms before `softplus`.
    """

    def __init__(self, schema: FeatureSchema, width: int, embedding_width: int, slots: int) -> None:
        super().__init__(schema, embedding_width)
        inputs = self.described_width + len(schema.candidate_dense)
        self.score = mlp(inputs, 2 * width, 2 * width, width, 1)
        self.slot_cost = nn.Parameter(torch.zeros(slots))

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`: the logit of p(i | S)."""
        extended = global_features(features.candidate_dense, features.candidate_mask)
        inputs = torch.cat([self.described(features), extended], dim=-1)
        logits: Tensor = self.score(inputs).squeeze(-1)
        return logits


class MiDnn(SupervisedComparator[MiDnnNetwork]):
    """Sorts by the probability of a click in view of the set."""

    name = "midnn"
    paper = "Zhuang, Ou and Wang, IJCAI 2018"
    grid = TRAINING

    def new_network(self, schema: FeatureSchema, pages: Pages) -> MiDnnNetwork:
        """See `NetworkComparator`."""
        width, embedding_width = self.settings["width"], self.settings["embedding_width"]
        return MiDnnNetwork(schema, width, embedding_width, pages.slots)

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        cost = self.network.slot_cost[labels.slot]
        return seen_click_loss(
            self.network.scores(pages.features), cost, labels.clicked, labels.shown
        )


def global_features(dense: Tensor, mask: Tensor) -> Tensor:
    """(f - f_min) / (f_max - f_min) over each set: [B, M, F], 0 where the set agrees or is padding.

    Args:
        dense: [B, M, F].
        mask: [B, M] bool. True = real.
    """
    real = mask.unsqueeze(-1)
    low = dense.masked_fill(~real, float("inf")).amin(dim=1, keepdim=True)
    high = dense.masked_fill(~real, -float("inf")).amax(dim=1, keepdim=True)
    spread = high - low
    differs = real & (spread > 0)
    placed = (dense - low) / torch.where(spread > 0, spread, torch.ones_like(spread))
    return torch.where(differs, placed, torch.zeros_like(placed))


def seen_click_loss(logits: Tensor, cost: Tensor, clicked: Tensor, mask: Tensor) -> Tensor:
    """[B] cross-entropy of clicks with p = exp(-softplus(cost)) sigma(logits); all [B, M]."""
    log_p = functional.logsigmoid(logits) - functional.softplus(cost)
    log_rest = torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
    each = clicked * log_p + (1 - clicked) * log_rest
    return -(each * mask).sum(1)
