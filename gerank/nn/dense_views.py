"""What a model sees of dense features: values and, of a candidate's, their place in the set."""

from __future__ import annotations

from collections.abc import Sequence

from gerank.data.feature_block import Block, BlockKind
from gerank.data.schema import Feature, FeatureKind

VALUE, RANK, ZSCORE = "value", "rank", "z-score"


def context_columns(
    features: Sequence[Feature], blocks: Sequence[Block]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dense columns of candidates: which have rank and z-score, and which values alone.

    Args:
        features: The candidates' features, in order.
        blocks: The blocks of the candidates; a vector's columns are in context where it says so.

    Returns:
        Places among the dense columns, in order; together all of them.
    """
    alone = {
        name
        for block in blocks
        if block.kind is BlockKind.VECTOR and not block.in_context
        for name in block.columns
    }
    dense = [feature.name for feature in features if feature.kind is FeatureKind.DENSE]
    context = tuple(column for column, name in enumerate(dense) if name not in alone)
    return context, tuple(column for column, name in enumerate(dense) if name in alone)


def dense_views(features: Sequence[Feature], blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Feature and view of every column that `FeatureEncoder.set_vectors` gives, in order."""
    dense = [feature.name for feature in features if feature.kind is FeatureKind.DENSE]
    context, alone = context_columns(features, blocks)
    views = [(dense[column], view) for view in (VALUE, RANK, ZSCORE) for column in context]
    return views + [(dense[column], VALUE) for column in alone]
