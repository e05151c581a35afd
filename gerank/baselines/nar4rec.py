"""NAR4Rec: all slots at once, by matching candidates with positions.

Ren et al., "Non-autoregressive generative models for reranking recommendation", KDD 2024.

The paper: candidates are encoded by self-attention, positions by self-attention among each other
and by attention to the candidates; p_n(m) = softmax_m(x_m . t_n) for all positions n in one pass.
Embeddings of positions are shared by all requests. Lists of high utility are made likely, lists of
low utility unlikely: L = -sum_n log p_n(y_n) and L = -sum_n log(1 - p_n(y_n)). Contrastive decoding
then fills slot n with argmax_m p_n(m) - alpha max_{j < n} s(x_m, x_{y_j}), where s is the
similarity to what stands above, for the positions know nothing of each other's choices.

It leaves open which utility is high. Its evaluator, which picks among several lists, is a network
of its own and no part of the generator; a contrastive loss, of which its authors tell elsewhere, is
left out.

Chosen: the utility of a page is its clicks, and high from the mean of the training pages on; s is
the cosine; one list, without an evaluator; what stands above the page has no position of its own.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.baselines.attention_block import AttentionBlock
from gerank.baselines.comparator import Pages
from gerank.baselines.network_comparator import TRAINING, SupervisedComparator
from gerank.baselines.rerank_network import RerankNetwork, row_of
from gerank.data.batch import ExposureBatch, Features
from gerank.data.log_columns import MOST_SLOTS
from gerank.data.schema import FeatureSchema
from gerank.train.page_batches import at_most


class Nar4RecNetwork(RerankNetwork):
    """Encoders of candidates and positions, and the product of both.

    The state is p [B, P, M] of P positions, unit vectors of candidates [B, M, D], the largest
    similarity to what was placed [B, M], the next position [B] and who is real [B, M].
    """

    def __init__(
        self,
        schema: FeatureSchema,
        width: int,
        embedding_width: int,
        *,
        positions: int,
        blocks: int,
        heads: int,
        contrast: float,
    ) -> None:
        super().__init__(schema, embedding_width)
        self.contrast, self.scale = contrast, math.sqrt(width)
        self.project = nn.Linear(self.described_width, width)
        self.positions = nn.Parameter(0.1 * torch.randn(1, positions, width))
        self.candidate_blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))
        self.among_positions = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))
        self.to_candidates = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))

    def matched(self, features: Features) -> tuple[Tensor, Tensor]:
        """Logarithms of p [B, P, M], very low at padding, and the encoded candidates [B, M, D]."""
        mask = features.candidate_mask
        items = self.project(self.described(features))
        for block in self.candidate_blocks:
            items = block(items, items, mask)
        places = self.positions.expand(items.size(0), -1, -1)
        everyone = torch.ones_like(places[:, :, 0], dtype=torch.bool)
        for among, onto in zip(self.among_positions, self.to_candidates):  # noqa: B905 - scripted
            places = onto(among(places, places, everyone), items, mask)
        logits = places @ items.transpose(1, 2) / self.scale
        return logits.masked_fill(~mask.unsqueeze(1), -1e9).log_softmax(dim=2), items

    def encode(self, features: Features) -> list[Tensor]:
        """See `RerankNetwork`."""
        log_p, items = self.matched(features)
        mask = features.candidate_mask
        unit = functional.normalize(items, dim=2)
        similarity = torch.full_like(unit[:, :, 0], -1.0)
        return [log_p.exp(), unit, similarity, torch.zeros_like(mask[:, 0]).long(), mask]

    def slot_logits(self, state: list[Tensor]) -> Tensor:
        """See `RerankNetwork`: p_n(m) - alpha max s, without a penalty where nothing stands above.

        Behind the last position that the network was trained for, the last one answers.
        """
        probability, similarity = state[0], state[2]
        position = state[3].clamp(max=probability.size(1) - 1)
        own = row_of(probability, position)
        begun = (state[3] > 0).unsqueeze(1)
        penalty = torch.where(begun, self.contrast * similarity, torch.zeros_like(similarity))
        return own - penalty

    def placed(self, state: list[Tensor], choice: Tensor) -> list[Tensor]:
        """See `RerankNetwork`; only candidates count, not what is pinned above the page."""
        probability, unit, similarity, position, mask = state
        is_own = (choice >= 0) & mask.gather(1, choice.clamp(min=0).unsqueeze(1)).squeeze(1)
        chosen = row_of(unit, choice).unsqueeze(2)
        nearest = torch.maximum(similarity, (unit @ chosen).squeeze(2))
        similarity = torch.where(is_own.unsqueeze(1), nearest, similarity)
        return [probability, unit, similarity, position + is_own.long(), mask]


class Nar4Rec(SupervisedComparator[Nar4RecNetwork]):
    """Fills every position with the candidate that matches it, unlike those above."""

    name = "nar4rec"
    paper = "Ren et al., KDD 2024"
    grid = TRAINING | {"contrast": (0.0, 0.1), "blocks": (1,), "heads": (2,)}
    _high_utility: float

    def new_network(self, schema: FeatureSchema, pages: Pages) -> Nar4RecNetwork:
        """See `NetworkComparator`."""
        settings = self.settings
        return Nar4RecNetwork(
            schema,
            settings["width"],
            settings["embedding_width"],
            positions=min(pages.slots, MOST_SLOTS),
            blocks=settings["blocks"],
            heads=settings["heads"],
            contrast=settings["contrast"],
        )

    def learn(self, pages: Pages) -> None:
        """Finds what utility is high, then learns."""
        clicks = pages.log.shown(at_most(pages.train), pages.slots).clicks
        self._high_utility = (clicks > 0).sum(1).float().mean().item()
        super().learn(pages)

    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """See `SupervisedComparator`."""
        log_p, _ = self.network.matched(pages.features)
        is_high = (pages.clicks > 0).sum(1) >= self._high_utility
        return unlikelihood_loss(log_p, pages.slates, is_high)


def unlikelihood_loss(log_p: Tensor, slates: Tensor, is_high: Tensor) -> Tensor:
    """[B] -sum_n log p_n(y_n) of lists of high utility, -sum_n log(1 - p_n(y_n)) of the others.

    Args:
        log_p: [B, P, M], P >= N.
        slates: [B, N] int64. -1 = the slot is empty.
        is_high: [B] bool.
    """
    at_slots = log_p[:, : slates.size(1)]
    likely = at_slots.gather(2, slates.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # [B, N]
    unlikely = torch.log1p(-likely.exp().clamp(max=1 - 1e-6))
    each = torch.where(is_high.unsqueeze(1), likely, unlikely)
    return -(each * (slates >= 0)).sum(1)
