"""The utilities that a configuration can name: each with its options, range and meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gerank import rl
from gerank.data.schema import Feature, FeatureSchema, SchemaError
from gerank.nn.features import set_zscores
from gerank.train.config import UtilityConfig
from gerank.train.config_toml import build_settings
from gerank.train.feedback_utilities import any_feedback, expected_feedback
from gerank.train.judged import JudgedSlates
from gerank.train.processes import current
from gerank.train.setting_rules import ConfigError
from gerank.train.user_function import user_utility
from gerank.train.utility_options import (
    DiversityOptions,
    ErrIaOptions,
    FeedbackOptions,
    FlowControlOptions,
    Gate,
    GroupOrderingOptions,
    IntraListDistanceOptions,
    NoOptions,
)

Formula = Callable[[JudgedSlates], Tensor]
"""A JudgedSlates -> floats [B, G, N], what each slot adds, or [B, G] where only a slate has one."""


@dataclass(frozen=True)
class Utility:
    """A utility of judged slates: its value, and how that is credited to slots.

    Attributes:
        formula: One definition for both.
    """

    formula: Formula

    def __call__(self, judged: JudgedSlates) -> Tensor:
        """[B, G] float32. The sum of `by_slot` over slots."""
        answer = self.formula(judged)
        return (answer.sum(-1) if answer.dim() == 3 else answer).float()

    def by_slot(self, judged: JudgedSlates) -> Tensor:
        """[B, G, N] float32. What only the whole slate has stands at the last slot."""
        answer = self.formula(judged).float()
        return answer if answer.dim() == 3 else rl.at_last_slot(answer, judged.slates.size(-1))


@dataclass(frozen=True)
class UtilityKind:
    """One kind of utility.

    Attributes:
        meaning: One line.
        range: Smallest and largest value, as text.
        options: The dataclass of its options.
        build: From options and schema to the formula.
    """

    meaning: str
    range: str
    options: type[Any]
    build: Callable[[Any, FeatureSchema], Formula]


def build_utilities(reward: Mapping[str, UtilityConfig], schema: FeatureSchema) -> list[Utility]:
    """All utilities, in order.

    Raises:
        ConfigError: A kind, an option or a user's function that does not exist or fit.
    """
    return [_build(name, config, schema) for name, config in reward.items()]


def utility_kind(name: str, config: UtilityConfig, schema: FeatureSchema) -> tuple[str, Any]:
    """The name of a utility's kind (or its function's path) and its options.

    Where the configuration names no kind, the name does: one of the kinds, `<group>_diversity`,
    `expected.<feedback>` or `any.<feedback>`.

    Raises:
        ConfigError: There is no such kind.
    """
    kind, options = config.utility or name, dict(config.options)
    group = name.removesuffix("_diversity")
    if not config.utility and name != group and group in schema.groups:
        kind, options = "diversity", {"group": group} | options
    prefix, _, feedback = name.partition(".")
    if not config.utility and feedback and prefix in OF_FEEDBACK:
        kind, options = prefix, {"feedback": feedback} | options
    if ":" not in kind and kind not in KINDS:
        diversities = (f"{group}_diversity" for group in schema.groups)
        feedback_kinds = (f"expected.{kind.name}" for kind in schema.feedback)
        named = [*KINDS, *diversities, *feedback_kinds, "or package.module:function"]
        known = ", ".join(named)
        where = f"reward.{name}.utility: {kind!r}" if config.utility else f"reward.{name}"
        raise ConfigError(f"{where}: no such utility; known: {known}")
    return kind, options


def _build(name: str, config: UtilityConfig, schema: FeatureSchema) -> Utility:
    kind, options = utility_kind(name, config, schema)
    if ":" in kind:
        return Utility(user_utility(name, kind, options))
    where = f"reward.{name}.options"
    settings = build_settings(KINDS[kind].options, options, where)
    try:
        return Utility(KINDS[kind].build(settings, schema))
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from None


def _clicks(_: NoOptions, __: FeatureSchema) -> Formula:
    return lambda judged: rl.expected_clicks_by_slot(judged.slot_click, judged.slot_mask)


def _page_click(_: NoOptions, __: FeatureSchema) -> Formula:
    return lambda judged: judged.page_click


def _diversity(options: DiversityOptions, schema: FeatureSchema) -> Formula:
    _require_group(options.group, schema)
    if options.window < 0:
        raise ConfigError(f"window: {options.window} is not >= 0")
    window = options.window or None

    def credit(judged: JudgedSlates) -> Tensor:
        return rl.diversity_by_slot(judged.feature(options.group), judged.slot_mask, window)

    return credit


def _flow_control(options: FlowControlOptions, schema: FeatureSchema) -> Formula:
    member = _membership(options, schema)
    share, position = options.share_target, options.position_target
    if share is None and position is None:
        raise ConfigError("share_target: neither it nor position_target is given")
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(f"share_target: {share} is not in 0..1")

    def utility(judged: JudgedSlates) -> Tensor:
        belongs = judged.placed(member(judged).float(), 0.0) > 0
        if options.gate is Gate.PAGE or not judged.gated:
            return rl.page_flow_control(belongs, judged.slot_mask, share, position)
        counts = torch.stack(rl.batch_totals(belongs, judged.slot_mask))
        totals = rl.BatchTotals(*current().summed(counts).unbind())
        return rl.flow_control(belongs, judged.slot_mask, share, position, totals)

    return utility


def _membership(
    options: FlowControlOptions, schema: FeatureSchema
) -> Callable[[JudgedSlates], Tensor]:
    """[B, M] whether each candidate is a member."""
    if bool(options.flag) is bool(options.group):
        raise ConfigError("flag: give either it or group and value")
    if options.flag:
        if options.flag not in schema.flags:
            raise ConfigError(f"flag: {options.flag!r} is not one of {', '.join(schema.flags)}")
        return lambda judged: judged.candidate(options.flag) > 0
    value = _code("value", _require_group(options.group, schema), options.value)
    return lambda judged: judged.candidate(options.group) == value


def _group_ordering(options: GroupOrderingOptions, schema: FeatureSchema) -> Formula:
    feature = _require_group(options.group, schema)
    table = {_code("priority", feature, name): rank for name, rank in options.priority.items()}

    def credit(judged: JudgedSlates) -> Tensor:
        groups = judged.feature(options.group)
        priority = torch.full(groups.shape, options.otherwise, device=groups.device)
        for group, rank in table.items():
            priority.masked_fill_(groups == group, rank)
        return rl.group_ordering_by_slot(priority, judged.slot_mask)

    return credit


def _err_ia(options: ErrIaOptions, schema: FeatureSchema) -> Formula:
    _require_group(options.group, schema)

    def credit(judged: JudgedSlates) -> Tensor:
        groups, real = judged.candidate(options.group), judged.pages.candidate_mask
        alike = (groups.unsqueeze(2) == groups.unsqueeze(1)) & real.unsqueeze(1)  # [B, M, M]
        intent = judged.placed(alike.sum(2) / real.sum(1, keepdim=True).clamp(min=1), 0.0)
        group = judged.feature(options.group)
        return rl.err_ia_by_slot(judged.slot_click, group, intent, judged.slot_mask)

    return credit


def _intra_list_distance(options: IntraListDistanceOptions, schema: FeatureSchema) -> Formula:
    names = [feature.name for feature in schema.candidate_dense]
    for name in options.features:
        if name not in names:
            raise ConfigError(f"features: {name!r} is not one of {', '.join(names)}")
    columns = torch.tensor([names.index(name) for name in options.features or names])

    def credit(judged: JudgedSlates) -> Tensor:
        dense = judged.pages.candidate_dense
        dense = dense.index_select(-1, columns.to(dense.device))
        vectors = set_zscores(dense, judged.pages.candidate_mask)
        return rl.intra_list_distance_by_slot(judged.placed(vectors, 0.0), judged.slot_mask)

    return credit


def _require_group(group: str, schema: FeatureSchema) -> Feature:
    if group not in schema.groups:
        raise ConfigError(f"group: {group!r} is not one of {', '.join(schema.groups)}")
    return next(feature for feature in schema.candidate_ids if feature.name == group)


def _code(option: str, feature: Feature, value: str | int) -> int:
    """The id that stands for a value; TOML keys are text, so digits may stand for an integer."""
    number = isinstance(value, str) and not feature.values and re.fullmatch(r"\d{1,18}", value)
    try:
        return int(feature.encode(int(value) if number else value))
    except SchemaError as error:
        raise ConfigError(f"{option}: {error}") from None


KINDS: dict[str, UtilityKind] = {
    "clicks": UtilityKind(
        "expected clicks on the page, by the evaluator", "0..N", NoOptions, _clicks
    ),
    "page_click": UtilityKind(
        "probability of any click on the page, by the evaluator", "0..1", NoOptions, _page_click
    ),
    "expected": UtilityKind(
        "expected sum of a kind of feedback over the page, by the evaluator",
        "-inf..inf",
        FeedbackOptions,
        expected_feedback,
    ),
    "any": UtilityKind(
        "probability of a kind of feedback anywhere on the page, by the evaluator",
        "0..1",
        FeedbackOptions,
        any_feedback,
    ),
    "diversity": UtilityKind(
        "share of slots whose group is new, to the page or to a window",
        "0..1",
        DiversityOptions,
        _diversity,
    ),
    "flow_control": UtilityKind(
        "minus 1 for a page that misses a group's share target, minus 1 for its position target",
        "-2..0",
        FlowControlOptions,
        _flow_control,
    ),
    "group_ordering": UtilityKind(
        "share of pairs of slots in the order of a priority table",
        "0..1",
        GroupOrderingOptions,
        _group_ordering,
    ),
    "err_ia": UtilityKind(
        "how soon users who want one group each find it", "0..1", ErrIaOptions, _err_ia
    ),
    "intra_list_distance": UtilityKind(
        "mean distance of the items of a page",
        "0..1",
        IntraListDistanceOptions,
        _intra_list_distance,
    ),
}
"""Kind -> what it is. `docs/control.md` shows them with examples."""

OF_FEEDBACK = frozenset({"expected", "any"})
"""The kinds that read predictions of further feedback."""

PREDICTED_KINDS = frozenset({"clicks", "page_click", "err_ia"}) | OF_FEEDBACK
"""The kinds that stand on predicted feedback, and so on what the log can tell."""
