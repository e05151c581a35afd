"""Which axes of which parameters a warm start puts in the order of now."""

from __future__ import annotations

from gerank.nn.channel_residual import ChannelResidual
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.nn.structured import PageEvaluator
from gerank.train.config import GeneratorConfig
from gerank.train.feature_match import Axes, SchemaMatch, numbered, side_by_side


def evaluator_axes(ensemble: PageEvaluator, match: SchemaMatch) -> Axes:
    """Axes of an ensemble of evaluators, whose members are axis 0 of every parameter."""
    width = ensemble.shape.embedding_width
    user, candidate = match.user, match.candidate
    return {
        "attraction.list_query": dict(enumerate(candidate.asking(width), 1)),
        "attraction.user_list_query": dict(enumerate(candidate.asking(width, user), 1)),
        "attraction.linear": {1: candidate.columns(0)[0]},
        "attraction.id_weight": {1: candidate.rows},
        "attraction.embedding": {1: candidate.rows},
        "attraction.side": {1: candidate.columns(width)[0]},
        "attraction.user_linear": {1: user.dense},
        "attraction.user_id_weight": {1: user.rows},
        "attraction.user_embedding": {1: user.rows},
        "attraction.user_side": {1: user.columns(width)[0]},
        "repeats.steps": {1: match.groups},
    }


def policy_axes(
    policy: Generator, match: SchemaMatch, config: GeneratorConfig, old_control: str
) -> Axes:
    """Axes of a generator.

    Args:
        policy: The generator of now.
        match: Its features and those of yesterday's.
        config: Its settings.
        old_control: How yesterday's was controlled, one of `Control`.
    """
    user, user_width = match.user.columns(config.embedding_width)
    candidate, candidate_width = match.candidate.columns(config.embedding_width)
    width = numbered(config.width, config.width)
    utilities = (match.utilities, match.old_utilities)
    old_weights = match.old_utilities if old_control == Control.INPUT else 0
    weights = numbered(0, 0)  # as columns of the user's vector
    if policy.controllable and config.control is Control.INPUT:
        weights = match.utilities if old_weights else numbered(0, len(match.utilities.before))
    user = side_by_side((user, user_width), (weights, old_weights))
    user_width += old_weights
    groups = (match.groups, match.old_groups)
    three = (numbered(3, 3), 3)  # v, bias and scale
    context = side_by_side((match.flags, match.old_flags), groups, groups, three)
    heads = side_by_side(
        (context, match.old_flags + 2 * match.old_groups + 3), repeated=config.attention_width
    )
    item = side_by_side((candidate, candidate_width), (user, user_width), (width, config.width))
    axes: Axes = {
        "features.user_embedding.table.weight": {0: match.user.rows},
        "features.candidate_embedding.table.weight": {0: match.candidate.rows},
        **_queries(match, config.embedding_width),
        "encoder.candidate_side.weight": {1: candidate},
        "encoder.user_side.weight": {1: user},
        "encoder.item_mlp.0.weight": {1: item},
        "decoder.w_shared": {1: side_by_side((match.flags, match.old_flags), (numbered(1, 1), 1))},
        "decoder.attention": {0: context},
    }
    if policy.controllable and config.control is not Control.INPUT:
        inputs = match.utilities
        if config.control is Control.HYPERNETWORK:
            hidden = policy.state_dict()["hypernetwork.hidden.0.weight"].size(0)
            inputs = side_by_side(utilities, (numbered(hidden, hidden), hidden))
            axes["hypernetwork.hidden.0.weight"] = {1: match.utilities}
        axes["hypernetwork.attention_head.weight"] = {0: heads, 1: inputs}
        axes["hypernetwork.attention_head.bias"] = {0: heads}
        axes["hypernetwork.set_head.weight"] = {1: inputs}
    return axes


def residual_axes(residual: ChannelResidual, match: SchemaMatch) -> Axes:
    """Axes of the channels of an evaluator."""
    wide = residual.shape.width
    narrow = residual.shape.embedding_width
    user, user_width = match.user.columns(narrow)
    candidate, candidate_width = match.candidate.columns(narrow)
    groups, width = (match.groups, match.old_groups), numbered(wide, wide)
    item = side_by_side((candidate, candidate_width), (user, user_width), (width, wide))
    return {
        "features.user_embedding.table.weight": {0: match.user.rows},
        "features.candidate_embedding.table.weight": {0: match.candidate.rows},
        **_queries(match, narrow),
        "candidate_side.weight": {1: candidate},
        "user_side.weight": {1: user},
        "item.0.weight": {1: item},
        "repeats_side.weight": {1: side_by_side(groups, groups)},
    }


def _queries(match: SchemaMatch, width: int) -> Axes:
    """Axes of what lists with attention are asked with, in a `FeatureEncoder`."""
    own, users = match.candidate.asking(width), match.candidate.asking(width, match.user)
    return {
        "features.list_query": dict(enumerate(own)),
        "features.user_list_query": dict(enumerate(users)),
    }
