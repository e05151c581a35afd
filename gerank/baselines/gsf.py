"""GSF: a network scores small groups of candidates together; a candidate's score is its mean.

Ai, Wang, Bruch, Golbandi, Bendersky and Najork, "Learning groupwise multivariate scoring functions
using deep neural networks", ICTIR 2019.

The paper: g maps the m vectors of a group to m scores. The score of candidate i is the mean of what
g says of it over all ordered groups that it is in; since there are M! / (M - m)! of them, groups
are drawn: the list is shuffled, and every run of m neighbours is a group, those over the end going
on at the start. The loss is softmax cross-entropy.

It leaves open how many shuffles are drawn when pages are asked for.

Chosen: one shuffle per step in training, as in the paper; `shuffles` fixed ones where pages are
asked for, so that an answer never varies; softmax over the shown candidates.
"""

import torch
from torch import Tensor

from gerank.baselines.comparator import Pages
from gerank.baselines.listwise_losses import softmax_cross_entropy
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import MOST_CANDIDATES, ScoringNetwork
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema
from gerank.nn.layers import mlp


class GsfNetwork(ScoringNetwork):
    """g over groups of m neighbours in shuffled lists.

    Attributes:
        keys: [P, 512]. What the fixed shuffles sort the places of candidates by.
    """

    keys: Tensor

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        group_size: int,
        shuffles: int,
    ) -> None:
        super().__init__(schema, embedding_width)
        self.group_size = group_size
        inputs = group_size * self.described_width
        self.group_scores = mlp(inputs, 4 * width, 2 * width, width, group_size)
        self.register_buffer("keys", torch.rand(shuffles, MOST_CANDIDATES))

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`; in training by one fresh shuffle, otherwise by the fixed ones."""
        mask = features.candidate_mask
        described = self.described(features)
        if self.training:
            keys = torch.rand(mask.shape).to(mask.device)  # drawn alike on every device
            return self.shuffled_scores(described, mask, keys)
        scores = torch.zeros_like(described[:, :, 0])
        for shuffle in range(self.keys.size(0)):
            keys = self.keys[shuffle, : mask.size(1)].unsqueeze(0).expand(mask.size(0), -1)
            scores = scores + self.shuffled_scores(described, mask, keys)
        return scores / self.keys.size(0)

    def shuffled_scores(self, described: Tensor, mask: Tensor, keys: Tensor) -> Tensor:
        """[B, M] the mean of each candidate over the m groups of one shuffle that it is in.

        Args:
            described: [B, M, X].
            mask: [B, M] bool. True = real.
            keys: [B, M]. Candidates are shuffled by rising keys, real ones first.
        """
        requests, count = mask.size(0), mask.size(1)
        order = keys.masked_fill(~mask, 2.0).argsort(dim=1, stable=True)
        real = mask.sum(1, keepdim=True).clamp(min=1)
        start = torch.arange(count, device=mask.device)
        members = [
            order.gather(1, torch.where(start < real, (start + step) % real, start))
            for step in range(self.group_size)
        ]
        group = torch.stack(members, dim=2)  # [B, M, m]
        rows = group.view(requests, -1, 1).expand(-1, -1, described.size(2))
        inputs = described.gather(1, rows).view(requests, count, -1)
        said = self.group_scores(inputs).view(requests, -1)  # [B, M * m]
        total = torch.zeros_like(described[:, :, 0])
        return total.scatter_add(1, group.view(requests, -1), said) / self.group_size


class Gsf(SupervisedComparator[GsfNetwork]):
    """Sorts by the mean of what groups say of a candidate."""

    name = "gsf"
    paper = "Ai et al., ICTIR 2019"
    grid = TRAINING | {"group_size": (2, 4), "shuffles": (8,)}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> GsfNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return GsfNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            group_size=settings["group_size"],
            shuffles=settings["shuffles"],
        )

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        scores = self.network.scores(pages.features)
        return softmax_cross_entropy(scores, labels.clicked, labels.shown)
