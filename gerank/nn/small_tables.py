"""Vocabularies cut down for models that keep a table per member of an ensemble."""

from __future__ import annotations

from dataclasses import replace

from gerank.data.feature_block import BlockKind
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

MOST_ROWS = 1 << 15


def with_small_tables(schema: FeatureSchema) -> FeatureSchema:
    """The schema with ids of a larger vocabulary hashed to `MOST_ROWS`, which values then share.

    An evaluator learns little of the rarest ids, and each of its members has rows for all of them;
    the generator keeps a row for every value. Weinberger et al., "Feature hashing for large scale
    multitask learning", ICML 2009. The columns of a list with a fixed vocabulary are left as they
    are, for its last value means that there is no entry.
    """
    marked = {
        name for block in schema.blocks if block.kind is BlockKind.IDS for name in block.columns
    }

    def small(feature: Feature) -> Feature:
        if feature.kind is not FeatureKind.ID or feature.vocabulary <= MOST_ROWS:
            return feature
        if not feature.hashed and feature.name in marked:
            return feature
        return replace(feature, vocabulary=MOST_ROWS, hashed=True, values=())

    return replace(
        schema,
        user=tuple(map(small, schema.user)),
        candidate=tuple(map(small, schema.candidate)),
    )
