"""SetRank: self-attention over the set, blind to the order of its candidates.

Pang, Xu, Ai, Lan, Cheng and Wen, "SetRank: learning a permutation-invariant ranking model for
information retrieval", SIGIR 2020.

The paper: x_i and an ordinal embedding of its place in the initial ranking are encoded by blocks of
self-attention, either full ones, MSAB(X) = MAB(X, X), or induced ones, IMSAB(X) = MAB(X, H) with
H = MAB(I, X) and learnt vectors I, which do not depend on the size of the set. A row-wise network
scores each candidate. The loss is attention rank, see `gerank.baselines.listwise_losses`.

It leaves open items that were never shown: its lists have labels throughout.

Chosen: both kinds of blocks are in the grid; one initial ranking, that of the upstream score, or
none; the loss is over the shown candidates.
"""

import torch
from torch import Tensor, nn

from gerank.baselines.attention_block import AttentionBlock
from gerank.baselines.comparator import Pages
from gerank.baselines.initial_order import InitialOrder
from gerank.baselines.listwise_losses import attention_rank
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import MOST_CANDIDATES, ScoringNetwork
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema
from gerank.nn.layers import mlp


class SetBlock(nn.Module):
    """MSAB, or IMSAB with `induced` learnt vectors where that is above 0."""

    def __init__(self, width: int, heads: int, induced: int) -> None:
        super().__init__()
        self.induced = induced
        self.points = nn.Parameter(torch.randn(1, max(1, induced), width))
        self.onto_points = AttentionBlock(width, heads)
        self.onto_set = AttentionBlock(width, heads)

    def forward(self, items: Tensor, mask: Tensor) -> Tensor:
        """[B, M, D] of items [B, M, D] with the mask [B, M]."""
        if self.induced == 0:
            encoded: Tensor = self.onto_set(items, items, mask)
        else:
            points = self.points.expand(items.size(0), -1, -1)
            held = self.onto_points(points, items, mask)
            everyone = torch.ones_like(held[:, :, 0], dtype=torch.bool)
            encoded = self.onto_set(items, held, everyone)
        return encoded


class SetRankNetwork(ScoringNetwork):
    """Blocks over x_i + ordinal embedding, then a score per row."""

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        blocks: int,
        heads: int,
        induced: int,
        score: str | None,
    ) -> None:
        super().__init__(schema, embedding_width)
        self.order = InitialOrder(schema, score)
        self.project = nn.Linear(self.described_width, width)
        self.places = nn.Embedding(MOST_CANDIDATES, width)
        nn.init.normal_(self.places.weight, std=0.1)
        self.blocks = nn.ModuleList(SetBlock(width, heads, induced) for _ in range(blocks))
        self.score = mlp(width, width, 1)

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`."""
        encoded = self.project(self.described(features))
        encoded = encoded + self.places(self.order.ordinals(features))
        for block in self.blocks:
            encoded = block(encoded, features.candidate_mask)
        scores: Tensor = self.score(encoded).squeeze(-1)
        return scores


class SetRank(SupervisedComparator[SetRankNetwork]):
    """Sorts by a score that is the same wherever the candidate came in the set."""

    name = "setrank"
    paper = "Pang et al., SIGIR 2020"
    grid = TRAINING | {"blocks": (2,), "heads": (2,), "induced": (0, 8)}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> SetRankNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return SetRankNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            blocks=settings["blocks"],
            heads=settings["heads"],
            induced=settings["induced"],
            score=pages.score,
        )

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        scores = self.network.scores(pages.features)
        return attention_rank(scores, labels.clicked, labels.shown)
