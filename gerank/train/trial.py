"""Calls what scores slates once on a real batch, before hours of training stand on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.train.config import ConfigError, TrainConfig
from gerank.train.judged import JudgedSlates
from gerank.train.reward import Reward
from gerank.train.utilities import build_utilities

_PAGES = 8
_CLICK_RATE = 0.1


def try_utilities(config: TrainConfig, log: ExposureLog, rows: np.ndarray) -> None:
    """Scores two slates of some of the pages `rows` by every utility of the configuration.

    Raises:
        ConfigError: A utility does not exist or does not fit the schema.
        UtilityError: A user's function fails, or answers something else than a utility.
    """
    utilities = build_utilities(config.reward, log.schema)
    _, pages, slates = _batch(config, log, rows)
    slot_click = _CLICK_RATE * (slates >= 0).float()
    judged = JudgedSlates(
        log.schema, pages, slates, slot_click, 1 - (1 - slot_click).prod(-1), gated=False
    )
    with torch.no_grad():
        for utility in utilities:
            utility.by_slot(judged)


def try_reward(config: TrainConfig, log: ExposureLog, rows: np.ndarray, reward: Reward) -> None:
    """Scores two slates of some of the pages `rows` by a reward of one's own.

    Raises:
        ConfigError: It answers something else than utilities [B, G, U].
    """
    some, pages, slates = _batch(config, log, rows)
    with torch.no_grad():
        answer = reward(some, pages, slates)
    wanted = [*slates.shape[:2], len(config.reward)]
    found = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    if found != wanted:
        raise ConfigError(
            f"the reward answered {found}, not a tensor [B, G, U] = {wanted}: U is the number of "
            f"utilities of the configuration: {', '.join(config.reward)}"
        )


def _batch(
    config: TrainConfig, log: ExposureLog, rows: np.ndarray
) -> tuple[np.ndarray, ExposureBatch, Tensor]:
    """Rows [B], their pages, and slates [B, 2, N]: the exposed ones, without and with a hole."""
    some = rows[:_PAGES]
    pages = log.batch(some, config.data.slots)
    short = config.data.slots - pages.slates.size(1)
    exposed = torch.nn.functional.pad(pages.slates, (0, short), value=-1)
    shorter = exposed.clone()
    shorter[:, -1] = -1
    return some, pages, torch.stack([exposed, shorter], dim=1)
