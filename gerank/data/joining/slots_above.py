"""What stood above a served page, as the columns of a log tell it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.joining.block_columns import columns_of_blocks
from gerank.data.log_columns import ABOVE_KEY, ABOVE_PREFIX
from gerank.data.schema import FeatureSchema


def columns_above(query: Any, schema: FeatureSchema) -> dict[str, NDArray[Any]]:
    """The columns `above.*` of the log: A values each, none where nothing stood above the page.

    Args:
        query: A Query message that an artifact with this schema has answered.
        schema: Names the group keys and flags.

    Returns:
        Column name -> [A] int64 (group keys and flags) or int32 (the dedup key).

    Raises:
        KeyError: A feature without a default is missing.
        ValueError: A block has not A values for each of its names.
    """
    count = query.above.count
    if count == 0:
        features = {feature.name: np.empty(0, np.int64) for feature in schema.above}
    else:
        features = columns_of_blocks(query.above.features, schema.above, count)
    columns = {f"{ABOVE_PREFIX}{name}": values for name, values in features.items()}
    return columns | {ABOVE_KEY: _same_candidates(query)}


def _same_candidates(query: Any) -> NDArray[np.int32]:
    """[A] the first candidate that has the dedup key of a slot above; -1 = none has it."""
    above = _keys(query.above.dedup_keys, query.above.count)
    candidates = _keys(query.dedup_keys, query.candidate_count)
    first: dict[int, int] = {}
    for place, key in enumerate(candidates):
        if key is not None:
            first.setdefault(key, place)
    same = [-1 if key is None else first.get(key, -1) for key in above]
    return np.array(same, np.int32)


def _keys(message: Any, count: int) -> list[int | None]:
    """The key of each candidate or slot of a DedupKeys message; None where it has none."""
    little_endian = np.frombuffer(message.int64_le, "<i8").tolist()
    values: list[int] = little_endian or list(message.ints)
    if not values:  # nothing is said of keys
        return [None] * count
    present = list(message.present) or [True] * count
    return [key if told else None for key, told in zip(values, present, strict=True)]
