"""EG-Rerank: PPO on what an evaluator likes, kept near the log by a discriminator.

Huzhang et al., "AliExpress learning-to-rank: maximizing online model performance without going
online", TKDE 2023 (arXiv 2020); the variant with a discriminator is their EG-Rerank+.

The paper: the evaluator predicts what every item of a list brings, from the item and an LSTM over
the list; the generator chooses slot by slot, and learns by PPO what the evaluator likes. Far from
logged lists the evaluator cannot be trusted: a discriminator learns to tell generated lists from
logged ones while the generator learns, and its score is part of the reward.

It leaves open the weight of the discriminator between logs, and what PPO's advantage refers to. The
authors' code adds the discriminator's reward to the evaluator's slot by slot, draws 32 lists of a
request and makes ten steps on them.

Chosen: clicks alone, without the purchases that the paper predicts as well; the evaluator reads a
page from its top, so that credit is by slot: c_n = sigma(e_n) + w log sigma(d_n) of the
evaluator's and the discriminator's logits, and the return to go is compared with that of the other
slates of the request, leave-one-out. The generator is a set encoder and the pointer network that
seq2slate has too. The checkpoint is that of the largest evaluator score on validation pages.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gerank.baselines.comparator import Pages
from gerank.baselines.listwise_losses import click_cross_entropy
from gerank.baselines.named_pages import free_candidates
from gerank.baselines.network_comparator import TRAINING, NetworkComparator
from gerank.baselines.page_loss_stage import PageLossStage, Schedule, teach
from gerank.baselines.pointer_network import Encoding, PointerNetwork
from gerank.baselines.sampled_stage import SampledStage
from gerank.baselines.slate_networks import SequenceJudge
from gerank.baselines.slate_walk import repeated, walk
from gerank.data.batch import ExposureBatch, Features, pad_slots
from gerank.data.schema import FeatureSchema
from gerank.nn.encoder import DeepSetEncoder
from gerank.rl import leave_one_out, ppo_clipped, slot_returns
from gerank.train.stage import StepMetrics
from gerank.train.table_adam import adam


class EgGenerator(PointerNetwork):
    """A set encoder in front of the pointer."""

    def __init__(self, schema: FeatureSchema, width: int, embedding_width: int) -> None:
        super().__init__(schema, width, embedding_width)
        self.encoder = DeepSetEncoder(
            self.features.candidate_width, self.features.user_width, width
        )

    def encoding(self, features: Features) -> Encoding:
        """See `PointerNetwork`."""
        users = self.features.users(features.user_dense, features.user_ids)
        candidates = self.features.candidates(
            features.candidate_dense,
            features.candidate_ids,
            features.candidate_mask,
            features.user_ids,
        )
        items, set_vector = self.encoder(candidates, users, features.candidate_mask)
        return Encoding(items, items, set_vector, torch.zeros_like(set_vector))


class PpoStage(SampledStage):
    """PPO on the evaluator's clicks and the discriminator's opinion."""

    def __init__(
        self,
        policy: PointerNetwork,
        evaluator: SequenceJudge,
        discriminator: SequenceJudge,
        pages: Pages,
        schedule: Schedule,
        *,
        discriminator_weight: float,
        drawn_slates: int,
        ppo_steps: int,
    ) -> None:
        """`discriminator_weight` is w; `drawn_slates` >= 2 per page; `ppo_steps` on each."""
        super().__init__("eg_rerank", policy, evaluator.expected_clicks, pages, schedule)
        self._evaluator, self._discriminator = evaluator, discriminator
        self._weight, self._drawn_slates = discriminator_weight, drawn_slates
        self._ppo_steps = ppo_steps
        self._discriminator_adam = adam(discriminator, schedule.learning_rate)

    def learn_from(self, pages: ExposureBatch, share: float) -> StepMetrics:
        """Draws slates, teaches the discriminator, and makes some steps of PPO."""
        slates = self.drawn(pages, self._drawn_slates)
        told_apart = self._teach_discriminator(pages, slates)
        with torch.no_grad():
            credit = slot_credit(
                self._evaluator(pages, slates),
                self._discriminator(pages, slates),
                slates >= 0,
                self._weight,
            )
            advantage = leave_one_out(slot_returns(credit))
        behavior: Tensor | None = None
        loss = torch.zeros((), device=slates.device)
        for _ in range(self._ppo_steps):
            log_prob = self._log_prob(pages, slates)
            behavior = log_prob.detach() if behavior is None else behavior
            loss = ppo_clipped(log_prob, behavior, advantage, slates >= 0)
            self.descend(share * loss)
        reward = credit.sum(-1).mean()
        return {"reward": reward, "discriminator_loss": told_apart, "loss": loss.detach()}

    def _log_prob(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N] with gradient."""
        group = slates.size(1)
        state = repeated(self.model.encode(pages.features), group)
        free = free_candidates(pages).repeat_interleave(group, dim=0)
        along = walk(self.model, state, free, self.slots, given=slates.flatten(0, 1))
        return along.log_prob().view(slates.shape)

    def _teach_discriminator(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """One step on the logged slates and one drawn slate of each page; answers its loss."""
        shown = pad_slots(pages.slates, self.slots)
        both = torch.stack([shown, slates[:, 0]], dim=1)
        loss = discriminator_loss(self._discriminator(pages, both), both >= 0)
        self._discriminator_adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._discriminator_adam.step()
        return loss.detach()


class EgRerank(NetworkComparator[EgGenerator]):
    """Chooses slot by slot what an evaluator is expected to like."""

    name = "eg_rerank"
    paper = "Huzhang et al., TKDE 2023"
    grid = TRAINING | {
        "steps": (200,),
        "batch_size": (32,),
        "discriminator_weight": (0.1, 0.0),
        "drawn_slates": (4,),
        "ppo_steps": (2,),
    }

    def new_network(self, schema: FeatureSchema, pages: Pages) -> EgGenerator:
        """See `NetworkComparator`."""
        return EgGenerator(schema, self.settings["width"], self.settings["embedding_width"])

    def learn(self, pages: Pages) -> None:
        """Trains the evaluator, then generator and discriminator side by side."""
        settings, schedule = self.settings, self.schedule()
        shape = (settings["width"], settings["embedding_width"], self.network.features)
        evaluator = SequenceJudge(pages.log.schema, *shape).to(pages.device)

        def loss(exposures: ExposureBatch) -> Tensor:
            logits = evaluator(exposures, exposures.slates.unsqueeze(1)).squeeze(1)
            clicked = (exposures.clicks > 0).float()
            return click_cross_entropy(logits, clicked, exposures.slates >= 0)

        teach(PageLossStage("evaluator", evaluator, loss, pages, schedule), schedule.patience)
        stage = PpoStage(
            self.network,
            evaluator.requires_grad_(False),
            SequenceJudge(pages.log.schema, *shape).to(pages.device),
            pages,
            schedule,
            discriminator_weight=settings["discriminator_weight"],
            drawn_slates=settings["drawn_slates"],
            ppo_steps=settings["ppo_steps"],
        )
        teach(stage, schedule.patience)


def slot_credit(click_logit: Tensor, logged_logit: Tensor, mask: Tensor, weight: float) -> Tensor:
    """c_n = sigma(click_logit_n) + weight log sigma(logged_logit_n): [B, G, N]; 0 where empty."""
    credit = torch.sigmoid(click_logit) + weight * functional.logsigmoid(logged_logit)
    return credit * mask


def discriminator_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of logged slates, [:, 0], and generated ones, [:, 1]; scalar.

    Args:
        logits: [B, 2, N]. That a slot is of a logged slate.
        mask: [B, 2, N] bool. Filled slots.
    """
    is_logged = torch.zeros_like(logits)
    is_logged[:, 0] = 1.0
    each = functional.binary_cross_entropy_with_logits(logits, is_logged, reduction="none")
    return (each * mask).sum() / mask.sum().clamp(min=1)
