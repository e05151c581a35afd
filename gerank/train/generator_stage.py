"""Stage two: the generator learns by REINFORCE to beat the page that was really shown."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator
from gerank.rl.advantages import exposed_page, leave_one_out
from gerank.rl.policy_losses import reinforce
from gerank.rl.rewards import weighted_reward
from gerank.train.config import Baseline, GeneratorConfig, UtilityConfig
from gerank.train.pages import as_requests, row_batches
from gerank.train.reward import Reward
from gerank.train.stage import Metrics

_SEEDS_PER_EPOCH = 2**32


class GeneratorStage:
    """REINFORCE over logged candidate sets; preference weights drawn anew for every page."""

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
    ) -> None:
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
        self._slots, self._seed = slots, seed

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
        if config.baseline is Baseline.EXPOSED_PAGE:
            advantage = exposed_page(reward, exposed.squeeze(1))
        else:
            advantage = leave_one_out(reward)
        log_prob, entropy = self.model.slate_log_prob(encoded, batch, slates)
        mean_entropy = entropy.mean()
        loss = reinforce(log_prob, advantage, slates >= 0) - config.entropy_bonus * mean_entropy
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        return {
            "reward": reward.mean().item(),
            "exposed_reward": exposed.mean().item(),
            "entropy": mean_entropy.item(),
            "gradient_norm": norm.item(),
        }

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Mean reward of greedy slates on validation pages, and how often they beat the page."""
        generated, exposed = [], []
        for rows in row_batches(self._validation, 1024):
            pages = self._log.batch(rows, self._slots)
            weights = self._ranges[:, 2].expand(len(rows), -1)
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

    def _rewards(
        self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor, weights: Tensor
    ) -> Tensor:
        return weighted_reward(self._reward(rows, exposures, slates), weights)  # [B, G]

    def _draw_weights(self, requests: int, draw: torch.Generator) -> Tensor:
        """[B, U]: half the pages have the default weights, half draw theirs from the ranges."""
        low, high, default = self._ranges.unbind(1)
        drawn = low + (high - low) * torch.rand(requests, len(low), generator=draw)
        keep_default = torch.rand(requests, 1, generator=draw) < 0.5
        return torch.where(keep_default, default, drawn)


def _wide(slates: Tensor, slots: int) -> Tensor:
    """[B, N'] -> [B, N], padded with -1."""
    return torch.nn.functional.pad(slates, (0, slots - slates.size(1)), value=-1)
