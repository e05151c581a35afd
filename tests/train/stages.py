"""Generator stages over 90 pages and two utilities, at widths of 8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.train.config import UtilityConfig
from gerank.train.credit import SupportPrice
from gerank.train.generator_stage import GeneratorStage
from gerank.train.reward import Reward
from gerank.train.run_folder import RunFolder
from tests.train.tiny import SLOTS, tiny_config, tiny_log

LOG, _ = tiny_log(90)
UTILITIES = {"one": UtilityConfig(-1.0, 3.0, 2.0), "other": UtilityConfig(0.5, 0.5, 0.5)}


def no_reward(_rows: np.ndarray, _pages: ExposureBatch, slates: Tensor) -> Tensor:
    return torch.zeros(*slates.shape[:2], len(UTILITIES))


def stage_of(
    reward: Reward, support: SupportPrice | None = None, pages: int = 90, **changes: Any
) -> GeneratorStage:
    config = tiny_config(Path("unused"), reward=UTILITIES, **{"batch_size": 90} | changes)
    torch.manual_seed(0)
    generator = RunFolder(Path("unused"), config, LOG.schema, 512).new_generator()
    train, rows, scales = np.arange(pages) % 90, np.arange(90), torch.tensor([2.0, 4.0])
    settings = config.generator
    return GeneratorStage(
        generator, reward, LOG, train, rows, settings, UTILITIES, SLOTS, 0, scales, support=support
    )


class PopularHigh:
    """The popularity of what stands in each slot, halved from slot to slot, in both utilities."""

    def by_slot(self, _rows: np.ndarray, pages: ExposureBatch, slates: Tensor) -> Tensor:
        popularity = pages.candidate_dense[..., 2]
        chosen = popularity.gather(1, slates.clamp(min=0).flatten(1)).view(slates.shape)
        worth = chosen * (slates >= 0) * 0.5 ** torch.arange(slates.size(-1))
        return worth.unsqueeze(-1).expand(-1, -1, -1, 2)

    def __call__(self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor) -> Tensor:
        return self.by_slot(rows, pages, slates).sum(2)
