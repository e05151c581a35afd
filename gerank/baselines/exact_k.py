"""Exact-K: a pointer network taught by pages that were clicked, and by an estimator of clicks.

Gong et al., "Exact-K recommendation via maximal clique optimization", KDD 2019.

The paper: a page of K items, a card, is chosen as a whole. Self-attention without any order encodes
the candidates; a pointer network chooses, among those that the constraints allow, and a beam search
finds the card. It learns from demonstrations: L = alpha L_S + (1 - alpha) L_R. L_S is minus the
log-likelihood of the cards that were clicked, in which the decoder is told its own samples in place
of the card's items (policy sampling). L_R is of cards that the policy draws, of which the best by
a reward estimator D(card | candidates, user) is kept (hill climbing). D is trained before, to tell
cards with a click from those without.

It leaves open what a card is worth that was clicked twice. In the authors' code the decoder of L_S
is told the card that hill climbing kept, which is one of the three best of 32, and L_R weighs it by
2 D - 1.

Chosen: D sees the mean of the items, the mean product of two of them and the user; the decoder of
L_S is told a card of its own; the best card is kept, and weighed by how far its D is above the mean
of those drawn with it, since 2 D - 1 makes every card likelier where most pages have a click.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.baselines.attention_block import AttentionBlock
from gerank.baselines.comparator import Pages
from gerank.baselines.named_pages import free_candidates
from gerank.baselines.network_comparator import TRAINING, NetworkComparator
from gerank.baselines.page_loss_stage import PageLossStage, Schedule, teach
from gerank.baselines.pointer_network import Encoding, PointerNetwork
from gerank.baselines.sampled_stage import SampledStage
from gerank.baselines.slate_networks import SlateNetwork
from gerank.baselines.slate_walk import walk
from gerank.data.batch import ExposureBatch, Features, pad_slots
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.layers import mlp
from gerank.train.stage import StepMetrics


class ExactKNetwork(PointerNetwork):
    """Blocks of self-attention in front of the pointer, and a beam search behind it."""

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        blocks: int,
        heads: int,
        beams: int,
    ) -> None:
        super().__init__(schema, width, embedding_width, beams)
        self.project = nn.Linear(self.described_width, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))

    def encoding(self, features: Features) -> Encoding:
        """See `PointerNetwork`; the decoder starts from the mean of the set."""
        mask = features.candidate_mask
        items = self.project(self.described(features))
        for block in self.blocks:
            items = block(items, items, mask)
        items = items * mask.unsqueeze(-1)
        mean = items.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return Encoding(items, items, mean, torch.zeros_like(mean))


class RewardEstimator(SlateNetwork):
    """D: the logit of a click anywhere on the card."""

    def __init__(
        self, schema: FeatureSchema, width: int, embedding_width: int, fitted: FeatureEncoder
    ) -> None:
        super().__init__(schema, embedding_width, fitted)
        self.project = nn.Linear(self.inputs, width)
        self.score = mlp(2 * width, width, 1)

    def forward(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G] of slates [B, G, N], whatever the order of their items."""
        vectors, mask = self.placed(pages, slates)
        items = self.project(vectors) * mask.unsqueeze(-1)
        inputs = torch.cat([set_mean(items, mask), mean_product(items, mask)], dim=-1)
        logits: Tensor = self.score(inputs)
        return logits.view(slates.shape[:2])


class DemonstrationStage(SampledStage):
    """alpha L_S + (1 - alpha) L_R."""

    def __init__(
        self,
        policy: PointerNetwork,
        estimator: RewardEstimator,
        pages: Pages,
        schedule: Schedule,
        *,
        alpha: float,
        drawn_slates: int,
    ) -> None:
        """`alpha` weighs demonstrations; `drawn_slates` cards are drawn, of which one is kept."""

        def value(exposures: ExposureBatch, slates: Tensor) -> Tensor:
            return torch.sigmoid(estimator(exposures, slates))

        super().__init__("exact_k", policy, value, pages, schedule)
        self._alpha, self._drawn_slates = alpha, drawn_slates

    def learn_from(self, pages: ExposureBatch, share: float) -> StepMetrics:
        """One step on demonstrations and on the best of the drawn cards."""
        slates = self.drawn(pages, self._drawn_slates)
        with torch.no_grad():
            best, gain = best_card(slates, self.value(pages, slates))
        state, free = self.model.encode(pages.features), free_candidates(pages)
        own = walk(self.model, state, free, self.slots, given=best)
        reinforced = -(gain * own.log_prob().sum(1)).mean()
        shown = pad_slots(pages.slates, self.slots)
        sampled = walk(self.model, state, free, self.slots)
        demonstrated = demonstration_loss(sampled.log_prob(shown), pages.clicks)
        loss = self._alpha * demonstrated + (1 - self._alpha) * reinforced
        norm = self.descend(share * loss)
        return {"demonstrated": demonstrated.detach(), "gain": gain.mean(), "norm": norm}


class ExactK(NetworkComparator[ExactKNetwork]):
    """Searches for the most likely card of a policy that learnt from clicked pages."""

    name = "exact_k"
    paper = "Gong et al., KDD 2019"
    grid = TRAINING | {
        "alpha": (0.5, 0.9),
        "blocks": (1,),
        "heads": (2,),
        "beams": (3,),
        "drawn_slates": (4,),
    }

    def new_network(self, schema: FeatureSchema, pages: Pages) -> ExactKNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return ExactKNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            blocks=settings["blocks"],
            heads=settings["heads"],
            beams=settings["beams"],
        )

    def learn(self, pages: Pages) -> None:
        """Trains the estimator, then the policy."""
        settings, schedule = self.settings, self.schedule()
        widths = (settings["width"], settings["embedding_width"])
        estimator = RewardEstimator(pages.log.schema, *widths, self.network.features)
        estimator.to(pages.device)

        def loss(exposures: ExposureBatch) -> Tensor:
            logits = estimator(exposures, exposures.slates.unsqueeze(1)).squeeze(1)
            clicked = (exposures.clicks > 0).any(1).float()
            return functional.binary_cross_entropy_with_logits(logits, clicked, reduction="none")

        teach(PageLossStage("estimator", estimator, loss, pages, schedule), schedule.patience)
        stage = DemonstrationStage(
            self.network,
            estimator.requires_grad_(False),
            pages,
            schedule,
            alpha=settings["alpha"],
            drawn_slates=settings["drawn_slates"],
        )
        teach(stage, schedule.patience)


def best_card(slates: Tensor, reward: Tensor) -> tuple[Tensor, Tensor]:
    """Hill climbing: of the cards [B, G, N] the one of the largest reward [B, G].

    Returns:
        card: [B, N]; gain: [B], by how much its reward is above the mean of all.
    """
    best, which = reward.max(dim=1)
    place = which.view(-1, 1, 1).expand(-1, 1, slates.size(2))
    return slates.gather(1, place).squeeze(1), best - reward.mean(1)


def demonstration_loss(log_prob: Tensor, clicks: Tensor) -> Tensor:
    """-mean over pages with a click of sum_n log p: scalar of [B, N] each; 0 where no page has."""
    clicked = (clicks > 0).any(1).to(log_prob.dtype)
    return -(log_prob.sum(1) * clicked).sum() / clicked.sum().clamp(min=1)


def set_mean(items: Tensor, mask: Tensor) -> Tensor:
    """[E, D] mean of items [E, N, D] that are 0 where the mask [E, N] is False."""
    return items.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def mean_product(items: Tensor, mask: Tensor) -> Tensor:
    """[E, D] mean of x_i * x_j over all pairs i < j, of items as in `set_mean`.

    By Rendle, "Factorization machines", ICDM 2010: ((sum x)^2 - sum x^2) / 2 in one pass.
    """
    count = mask.sum(1, keepdim=True)
    pairs = (count * (count - 1) / 2).clamp(min=1)
    return (items.sum(1).square() - items.square().sum(1)) / 2 / pairs
