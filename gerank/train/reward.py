"""What a slate is worth: named utilities, weighted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.evaluator import Evaluator
from gerank.rl import utilities
from gerank.train.config import ConfigError


class JudgedSlates(NamedTuple):
    """Slates and what the evaluator expects of them: the input of every utility.

    Attributes:
        slot_mask: [B, G, N] bool. True = filled.
        groups: [B, G, N, K] int64. Group of each key per slot; -1 behind the end.
        slot_click: [B, G, N] float. Click probability per slot, 0 behind the end.
        page_click: [B, G] float. Probability of any click.
    """

    slot_mask: Tensor
    groups: Tensor
    slot_click: Tensor
    page_click: Tensor


class Reward(Protocol):
    """Anything that scores slates; it need not be differentiable."""

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """Utilities [B, G, U] of slates [B, G, N] for the log's pages `rows` [B]."""
        ...


class EvaluatorReward:
    """Utilities by name, predicted feedback taken from a frozen evaluator.

    Names: `clicks` (expected clicks on the page), `page_click` (probability of any click), and
    `<group>_diversity` for each group key of the schema (share of slots whose group is new to the
    page).
    """

    def __init__(self, evaluator: Evaluator, schema: FeatureSchema, names: Sequence[str]) -> None:
        """Raises ConfigError for a name that is none of the above."""
        self.evaluator = evaluator.eval().requires_grad_(False)
        self.group_columns = list(schema.group_columns)
        self.functions = [_utility(name, schema) for name in names]

    @torch.no_grad()
    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """Utilities [B, G, U] of slates [B, G, N]."""
        judged = self.judge(exposures, slates)
        return torch.stack([function(judged) for function in self.functions], dim=-1)

    @torch.no_grad()
    def judge(self, exposures: ExposureBatch, slates: Tensor) -> JudgedSlates:
        """What the evaluator expects of slates [B, G, N]."""
        requests, group, slots = slates.shape
        logits = self.evaluator(self.evaluator.items(*exposures[:5]), slates)
        mask = slates >= 0
        click = logits.slot_click.sigmoid().view(requests, group, -1)[..., :slots]
        return JudgedSlates(
            slot_mask=mask,
            groups=slate_groups(exposures, slates, self.group_columns),
            slot_click=click * mask,
            page_click=logits.page_click.sigmoid().view(requests, group),
        )


def check_utilities(names: Sequence[str], schema: FeatureSchema) -> None:
    """Raises ConfigError for a name that `EvaluatorReward` does not know."""
    for name in names:
        _utility(name, schema)


def slate_groups(exposures: ExposureBatch, slates: Tensor, columns: list[int]) -> Tensor:
    """[B, G, N] slates -> [B, G, N, K] groups of the id columns `columns`, -1 where empty."""
    groups = exposures.candidate_ids[:, :, columns]  # [B, M, K]
    requests, count, slots = slates.shape
    index = slates.clamp(min=0).view(requests, count * slots, 1).expand(-1, -1, len(columns))
    chosen = groups.gather(1, index).view(requests, count, slots, len(columns))
    return torch.where((slates >= 0).unsqueeze(-1), chosen, torch.full_like(chosen, -1))


def _utility(name: str, schema: FeatureSchema) -> Callable[[JudgedSlates], Tensor]:
    if name == "clicks":
        return lambda judged: judged.slot_click.sum(-1)
    if name == "page_click":
        return lambda judged: judged.page_click
    group = name.removesuffix("_diversity")
    if name != group and group in schema.groups:
        key = schema.groups.index(group)
        return lambda judged: utilities.diversity(judged.groups[..., key], judged.slot_mask, None)
    known = ["clicks", "page_click", *(f"{group}_diversity" for group in schema.groups)]
    raise ConfigError(f"reward.{name}: no such utility; known: {', '.join(known)}")
