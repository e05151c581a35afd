"""Stage two: the generator learns by policy gradients to beat what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch
from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Encoded, Generator
from gerank.nn.random_network import RandomNetworks
from gerank.rl.rewards import weighted_reward
from gerank.train.config import Baseline, Exploration, GeneratorConfig, UtilityConfig
from gerank.train.exploration import Explorer, PlainSampling, RandomNetworkDistillation
from gerank.train.pages import as_requests, row_batches
from gerank.train.policy_step import PolicyStep, Rollout, advantage_of
from gerank.train.reward import Reward
from gerank.train.stage import Metrics

_SEEDS_PER_EPOCH = 2**32


class GeneratorStage:
    """Policy gradients over logged candidate sets; preference weights drawn for every page."""

    name = "generator"

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
    ) -> None:
        """`scales` [U]: what utilities are divided by before they are weighed; None = 1."""
        self.model = generator
        self.epochs = config.epochs
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        self.optimizer = torch.optim.Adam(generator.parameters(), lr=config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch, config.learning_rate / 20
        )
        self._reward, self._log, self._config = reward, log, config
        self._train, self._validation = train, validation
        self._ranges = torch.tensor([[u.min, u.max, u.default] for u in utilities.values()])
        self._scales = torch.ones(len(utilities)) if scales is None else scales
        self._slots, self._seed = slots, seed
        self._policy_step = PolicyStep(generator, self.optimizer, config)
        self._explorer = self._new_explorer()

    def train_epoch(self, epoch: int) -> Iterator[Metrics]:
        """One pass over the training pages."""
        order = self._seed * 1009 + epoch
        draw = torch.Generator().manual_seed(order)
        first_seed = epoch * _SEEDS_PER_EPOCH
        for rows in row_batches(self._train, self._config.batch_size, seed=order):
            exposures = self._log.batch(rows, self._slots)
            yield self._step(rows, exposures, self._draw_weights(len(rows), draw), first_seed)
            first_seed += len(rows)

    def _step(
        self, rows: np.ndarray, exposures: ExposureBatch, weights: Tensor, first_seed: int
    ) -> Metrics:
        config = self._config
        batch = as_requests(
            exposures,
            weights,
            self._log.schema,
            slots=self._slots,
            seed=first_seed,
            temperature=config.temperature,
            greedy=False,
        )
        encoded = self.model.encode_batch(batch)
        slates = self.model.rollout(encoded, batch, config.slates_per_request)
        reward = self._rewards(rows, exposures, slates, weights)
        exposed = self._rewards(rows, exposures, exposures.slates.unsqueeze(1), weights)
        reference = exposed.squeeze(1)
        if config.baseline is Baseline.GREEDY_ROLLOUT:
            reference = self._rewards(rows, exposures, self._greedy(encoded, batch), weights)[:, 0]
        explored = reward + self._explorer.bonus(exposures, slates)
        advantage = advantage_of(config.baseline, explored, reference)
        figures = self._policy_step(Rollout(batch, encoded, slates, advantage))
        self.schedule.step()
        return {
            "reward": reward.mean().item(),
            "exposed_reward": exposed.mean().item(),
        } | figures

    def _greedy(self, encoded: Encoded, batch: RerankBatch) -> Tensor:
        """[B, 1, N] the policy's own best slates."""
        return self.model.rollout(encoded, batch._replace(greedy=~batch.greedy), 1)

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Mean reward of greedy slates on validation pages, and how often they beat the page.

        Weights are drawn as in training, alike at every call.
        """
        draw = torch.Generator().manual_seed(self._seed)
        generated, exposed = [], []
        for rows in row_batches(self._validation, 1024):
            pages = self._log.batch(rows, self._slots)
            weights = self._draw_weights(len(rows), draw)
            slates = self.model(
                *as_requests(pages, weights, self._log.schema, slots=self._slots)
            ).slates
            both = torch.stack([slates, _wide(pages.slates, self._slots)], dim=1)
            reward = self._rewards(rows, pages, both, weights)
            generated.append(reward[:, 0])
            exposed.append(reward[:, 1])
        gain = torch.cat(generated) - torch.cat(exposed)
        score = torch.cat(generated).mean().item()
        better = (gain > 0).float().mean().item()
        return score, {"better": better, "gain": gain.mean().item()}

    def more_state(self) -> dict[str, Any]:
        """Of the exploration."""
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
        return RandomNetworkDistillation(networks, self._config.novelty_weight)

    def _rewards(
        self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor, weights: Tensor
    ) -> Tensor:
        """[B, G] R_w: sum_i w_i U_i / scale_i."""
        return weighted_reward(self._reward(rows, exposures, slates), weights / self._scales)

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


def _wide(slates: Tensor, slots: int) -> Tensor:
    """[B, N'] -> [B, N], padded with -1."""
    return torch.nn.functional.pad(slates, (0, slots - slates.size(1)), value=-1)
