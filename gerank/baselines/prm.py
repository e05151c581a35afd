"""PRM: a transformer over the initial list, with what a click model knows of the person.

Pei et al., "Personalized re-ranking for recommendation", RecSys 2019.

The paper: the input of candidate i is [x_i; pv_i] plus an embedding of its place in the initial
list; blocks of self-attention encode the list, and p_i = softmax_i(F W + b). The loss is
-sum_i y_i log p_i. pv_i is the last hidden layer of a click model of person and item that was
trained before and stays as it is.

It leaves open the click model, and lists of which only some items were shown.

Chosen: the click model is a network of two hidden layers with the cross-entropy of shown slots; the
whole candidate set is encoded, as it is when pages are asked for, and the softmax of the loss is
over the shown candidates. Without an upstream score all candidates have one place.
"""

import torch
from torch import Tensor, nn

from gerank.baselines.attention_block import AttentionBlock
from gerank.baselines.comparator import Pages
from gerank.baselines.initial_order import InitialOrder
from gerank.baselines.listwise_losses import click_cross_entropy, likelihood_loss
from gerank.baselines.named_pages import CandidateLabels
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.page_loss_stage import PageLossStage, teach
from gerank.baselines.rerank_network import MOST_CANDIDATES, ScoringNetwork, share_scales
from gerank.data.batch import ExposureBatch, Features
from gerank.data.schema import FeatureSchema
from gerank.nn.layers import mlp


class ClickNetwork(ScoringNetwork):
    """The click model that is trained before: one logit per candidate, of person and item."""

    def __init__(self, schema: FeatureSchema, width: int, embedding_width: int) -> None:
        super().__init__(schema, embedding_width)
        self.hidden = nn.Sequential(mlp(self.described_width, 2 * width, width), nn.ReLU())
        self.score = nn.Linear(width, 1)

    def person_vectors(self, features: Features) -> Tensor:
        """[B, M, D] pv_i, the last hidden layer."""
        vectors: Tensor = self.hidden(self.described(features))
        return vectors

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`."""
        logits: Tensor = self.score(self.person_vectors(features)).squeeze(-1)
        return logits


class PrmNetwork(ScoringNetwork):
    """Blocks of self-attention over [x_i; pv_i] + PE_i."""

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        blocks: int,
        heads: int,
        score: str | None,
    ) -> None:
        super().__init__(schema, embedding_width)
        self.clicks = ClickNetwork(schema, width, embedding_width)
        share_scales(self.features, self.clicks.features)
        self.order = InitialOrder(schema, score)
        self.project = nn.Linear(self.described_width + width, width)
        self.places = nn.Embedding(MOST_CANDIDATES, width)
        nn.init.normal_(self.places.weight, std=0.1)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))
        self.out = nn.Linear(width, 1)

    def scores(self, features: Features) -> Tensor:
        """See `ScoringNetwork`: F W + b."""
        person = self.clicks.person_vectors(features)
        encoded = self.project(torch.cat([self.described(features), person], dim=-1))
        encoded = encoded + self.places(self.order.ordinals(features))
        for block in self.blocks:
            encoded = block(encoded, encoded, features.candidate_mask)
        logits: Tensor = self.out(encoded).squeeze(-1)
        return logits


class Prm(SupervisedComparator[PrmNetwork]):
    """Sorts by the transformer's share of a candidate in the clicks of its list."""

    name = "prm"
    paper = "Pei et al., RecSys 2019"
    grid = TRAINING | {"blocks": (1, 2), "heads": (2,)}

    def new_network(self, schema: FeatureSchema, pages: Pages) -> PrmNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return PrmNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            blocks=settings["blocks"],
            heads=settings["heads"],
            score=pages.score,
        )

    def learn(self, pages: Pages) -> None:
        """Trains the click model, freezes it, then the transformer."""
        clicks, schedule = self.network.clicks, self.schedule()
        teach(PageLossStage("clicks", clicks, self.click_loss, pages, schedule), schedule.patience)
        clicks.requires_grad_(False)
        super().learn(pages)

    def click_loss(self, pages: ExposureBatch) -> Tensor:
        """[B] what the click model loses."""
        labels = CandidateLabels.of(pages)
        scores = self.network.clicks.scores(pages.features)
        return click_cross_entropy(scores, labels.clicked, labels.shown)

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        labels = CandidateLabels.of(pages)
        scores = self.network.scores(pages.features)
        return likelihood_loss(scores, labels.clicked, labels.shown)
