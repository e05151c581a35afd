"""Stage two: the generator learns by policy gradients to beat what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import rows_of
from gerank.nn.generator import Encoded, Generator
from gerank.nn.random_network import RandomNetworks
from gerank.rl.slot_credit import at_last_slot
from gerank.train.batch_parts import BatchPart, filled_bounds, own_part
from gerank.train.choices import Baseline, Exploration
from gerank.train.config import GeneratorConfig, UtilityConfig
from gerank.train.credit import SlateCredit, SupportPrice
from gerank.train.device import batches_on, device_of, moved
from gerank.train.exploration import Explorer, PlainSampling, RandomNetworkDistillation
from gerank.train.page_batches import PageBatches, by_page
from gerank.train.pages import as_requests
from gerank.train.policy_step import PolicyStep, Rollout, advantage_of
from gerank.train.processes import current
from gerank.train.reward import Reward
from gerank.train.stage import Metrics, Stage, StepMetrics
from gerank.train.table_adam import adam

_SEEDS_PER_EPOCH = 2**32
_PAGES_AT_ONCE = 1024


class GeneratorStage(Stage[Generator]):
    """Policy gradients over logged candidate sets; preference weights drawn for every page.

    A choice learns from the return to go of its slot, less the baseline's at that slot.
    """

    name = "generator"
    shown = ("reward", "exposed_reward", "sampled_better")

    def __init__(
        self,
        generator: Generator,
        reward: Reward,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        config: GeneratorConfig,
        utilities: dict[str, UtilityConfig],
        slots: int,
        seed: int,
        scales: Tensor | None = None,
        *,
        support: SupportPrice | None = None,
        accumulate: int = 1,
    ) -> None:
        """A stage before its first step.

        Args:
            generator: What is trained, where it lies.
            reward: Scores slates; one that is a `SlotReward` gives credit by slot.
            log: The pages.
            train: Rows to learn from.
            validation: Rows to judge epochs by.
            config: The settings.
            utilities: Ranges of the weights, in the order of the reward's utilities.
            slots: N.
            seed: The seed of orders, weights and samples.
            scales: [U]. What utilities are divided by before they are weighed; None = 1.
            support: Taken from the credit of slates, and from the score; None = no price.
            accumulate: In how many parts a process computes the gradients of its pages. Slates are
                sampled and judged for all its pages at once.
        """
        self.model, self._device = generator, device_of(generator)
        batch_size = config.batch_size or min(max(len(train) // 25, 32), 128)
        self._batches = PageBatches(log, train, batch_size)
        self.steps_per_epoch = len(self._batches)
        self.pages_per_step = self._batches.mean_size
        self.optimizer = adam(generator, config.learning_rate)
        self._policy_step = PolicyStep(generator, self.optimizer, config)
        steps = self.steps_per_epoch * self._policy_step.steps
        self.epochs = max(config.epochs, math.ceil(config.min_steps / steps))
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch, config.learning_rate / 20
        )
        self._log, self._config, self._accumulate = log, config, accumulate
        self._train, self._validation = train, validation
        self._ranges = torch.tensor([[u.min, u.max, u.default] for u in utilities.values()])
        scales = torch.ones(len(utilities)) if scales is None else scales
        self._credit = SlateCredit(reward, scales.to(self._device), config, support)
        self._slots, self._seed = slots, seed
        self._explorer = self._new_explorer()

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """One pass over the training pages."""
        order = self._seed * 1009 + epoch
        draw = torch.Generator().manual_seed(order)
        first_seed = epoch * _SEEDS_PER_EPOCH

        def load(part: BatchPart) -> tuple[ExposureBatch, RerankBatch]:
            nonlocal first_seed
            exposures = self._log.batch(self._train[part.places], self._slots)
            batch = as_requests(
                exposures,
                self._draw_weights(part.whole, draw)[part.within],
                self._log.schema,
                slots=self._slots,
                seed=first_seed + part.first,
                temperature=self._config.temperature,
                greedy=False,
            )
            first_seed += part.whole
            return exposures, batch

        parts = map(own_part, self._batches.epoch(order))
        for part, (exposures, batch) in batches_on(self._device, parts, load):
            with current().standing_in(not part.counts):
                figures = self._step(part, exposures, batch)
            yield figures

    def _step(self, part: BatchPart, exposures: ExposureBatch, batch: RerankBatch) -> StepMetrics:
        """Learns from a part of a batch, and with other processes from all of it."""
        bounds = filled_bounds(len(part.places), self._accumulate)
        batches = [rows_of(batch, *b) for b in bounds]
        with torch.set_grad_enabled(len(batches) == 1):
            encoded = self.model.encode_batch(batch)
        slates = self.model.rollout(encoded, batch, self._config.slates_per_request)
        rows, compared = self._train[part.places], self._compared(exposures, encoded, batch)
        advantage, figures = self._judge(rows, exposures, batch.weights, slates, compared)
        share = self._batches.share(part.places) if part.counts else 0.0
        rollout = Rollout(batches, encoded, slates, advantage, share, part.weight, figures)
        told = self._policy_step(rollout)
        self.schedule.step()
        return told

    def _judge(
        self,
        rows: np.ndarray,
        exposures: ExposureBatch,
        weights: Tensor,
        slates: Tensor,
        compared: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Advantages [B, G, N] of sampled slates, and figures; all slates are scored at once."""
        baseline, sampled = self._config.baseline, slates.size(1)
        slates = torch.cat([slates, compared], dim=1)
        credit = self._credit.by_slot(rows, exposures, slates, weights)
        reward = credit.sum(-1)
        exposed = reward[:, sampled : sampled + 1]
        figures = {
            "reward": reward[:, :sampled].mean(),
            "exposed_reward": exposed.mean(),
            "sampled_better": (reward[:, :sampled] > exposed).float().mean(),
        }
        if baseline is Baseline.LEAVE_ONE_OUT:
            slates, credit = slates[:, :sampled], credit[:, :sampled]
        if self._credit.priced:
            price = self._credit.price(rows, exposures, slates)
            figures["support_price"] = price[:, :sampled].sum(-1).mean()
            credit = credit - price
        bonus = self._explorer.bonus(exposures, slates[:, :sampled])
        explored = credit[:, :sampled] + at_last_slot(bonus, self._slots)
        reference = self._credit.returns(credit[:, -1])
        return advantage_of(baseline, self._credit.returns(explored), reference), figures

    def _compared(self, exposures: ExposureBatch, encoded: Encoded, batch: RerankBatch) -> Tensor:
        """[B, 1, N] the exposed slates; or [B, 2, N] with the policy's own best ones behind.

        What a baseline refers to is the last.
        """
        exposed = pad_slots(exposures.slates, self._slots).unsqueeze(1)
        if self._config.baseline is not Baseline.GREEDY_ROLLOUT:
            return exposed
        greedy = self.model.rollout(encoded, batch._replace(greedy=~batch.greedy), 1)
        return torch.cat([exposed, greedy], dim=1)

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Mean reward of greedy slates on validation pages, and how often they beat the page.

        The score is less the price of support, the figures are not. Weights are drawn as in
        training, alike at every call.
        """
        draw = torch.Generator().manual_seed(self._seed)
        drawn = self._draw_weights(len(self._validation), draw)

        def judged(places: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
            rows, weights = self._validation[places], drawn[torch.from_numpy(places)]
            pages = self._log.batch(rows, self._slots)
            batch = as_requests(pages, weights, self._log.schema, slots=self._slots)
            pages, batch = moved((pages, batch), self._device)
            slates = self.model.page_slates(batch)
            both = torch.stack([slates, pad_slots(pages.slates, self._slots)], dim=1)
            reward = self._credit.reward(rows, pages, both, batch.weights)
            price = self._credit.price(rows, pages, both[:, :1]).sum((1, 2))
            return reward[:, 0], reward[:, 1], price

        generated, exposed, price = by_page(self._log, self._validation, _PAGES_AT_ONCE, judged)
        gain = generated - exposed
        score = (generated - price).mean().item()
        better = (gain > 0).float().mean().item()
        return score, {"better": better, "gain": gain.mean().item()}

    def more_state(self) -> dict[str, Any]:
        """Returns the state of the exploration."""
        return self._explorer.state_dict()

    def load_more_state(self, state: dict[str, Any]) -> None:
        """The inverse of `more_state`."""
        self._explorer.load_state_dict(state)

    def _new_explorer(self) -> Explorer:
        if self._config.exploration is Exploration.SAMPLING:
            return PlainSampling()
        networks = RandomNetworks(self._log.schema, self._slots)
        fitted = self.model.features  # maps and scales never learn, so both may hold the same
        networks.features.calibration = fitted.calibration
        networks.features.user_scale = fitted.user_scale
        networks.features.candidate_scale = fitted.candidate_scale
        return RandomNetworkDistillation(networks.to(self._device), self._config.novelty_weight)

    def _draw_weights(self, requests: int, draw: torch.Generator) -> Tensor:
        """[B, U]: a share of the pages has the default weights, the others draw from the ranges.

        By the arcsine law, which draws the ends of a range more often than its middle: there, with
        one weight all and the others nothing, policies differ most.
        """
        low, high, default = self._ranges.unbind(1)
        place = (1 - torch.cos(math.pi * torch.rand(requests, len(low), generator=draw))) / 2
        drawn = low + (high - low) * place
        keep_default = torch.rand(requests, 1, generator=draw) < self._config.default_share
        return torch.where(keep_default, default, drawn)
