"""Utilities that stand on predicted feedback of any kind: `expected.<kind>` and `any.<kind>`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gerank.data.feedback_kind import FeedbackKind
from gerank.data.schema import FeatureSchema
from gerank.train.judged import JudgedSlates
from gerank.train.setting_rules import ConfigError
from gerank.train.utility_options import FeedbackOptions

CLICK = "click"


def expected_feedback(
    options: FeedbackOptions, schema: FeatureSchema
) -> Callable[[JudgedSlates], Tensor]:
    """Sum over slots of the expected value of a kind of feedback, each slot with its own part."""
    _kind(options.feedback, schema)

    def credit(judged: JudgedSlates) -> Tensor:
        return _expected(judged, options.feedback)

    return credit


def any_feedback(
    options: FeedbackOptions, schema: FeatureSchema
) -> Callable[[JudgedSlates], Tensor]:
    """The probability that a flag is raised in any slot, as if slots were independent.

    Slot n is credited with what it adds to the slots above it. Clicks have the evaluator's own
    probability of any click, which knows how users read on.
    """
    kind = _kind(options.feedback, schema)
    if kind is not FeedbackKind.FLAG:
        raise ConfigError(
            f"feedback: {options.feedback!r} is of kind {kind}; only a flag can be there at all "
            f"or not; take expected.{options.feedback}"
        )

    def credit(judged: JudgedSlates) -> Tensor:
        if options.feedback == CLICK:
            return judged.page_click
        chance = _expected(judged, options.feedback)
        none_above = (1 - chance).cumprod(-1).roll(1, -1)
        none_above[..., 0] = 1.0
        return chance * none_above

    return credit


def _expected(judged: JudgedSlates, name: str) -> Tensor:
    if name == CLICK:
        return judged.slot_click * judged.slot_mask
    unknown = torch.full_like(judged.slot_click, torch.nan)  # where nobody predicts it
    return judged.expected.get(name, unknown)


def _kind(name: str, schema: FeatureSchema) -> FeedbackKind:
    kinds = {CLICK: FeedbackKind.FLAG} | {each.name: each.kind for each in schema.feedback}
    if name not in kinds:
        raise ConfigError(f"feedback: the log has no {name!r}; it has {', '.join(kinds)}")
    return kinds[name]
