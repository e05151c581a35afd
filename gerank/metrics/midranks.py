"""Ranks in which equal values share the mean of their places: what AUC and Spearman stand on."""

from __future__ import annotations

import numpy as np

from gerank.metrics.arrays import FloatArray, IndexArray


def midranks(values: FloatArray, groups: IndexArray | None = None) -> FloatArray:
    """Rank of every value inside its group, ties averaged.

    Args:
        values: [E]. Finite.
        groups: [E]. Ranks start anew in every group; None = one group.

    Returns:
        [E]. 1 for the lowest of a group, its size for the highest.
    """
    groups = np.zeros(len(values), dtype=np.int64) if groups is None else groups
    order = np.lexsort((values, groups))
    ordered_values, ordered_groups = values[order], groups[order]
    opens_group = np.append(True, ordered_groups[1:] != ordered_groups[:-1])
    opens_run = opens_group | np.append(True, ordered_values[1:] != ordered_values[:-1])

    starts = np.flatnonzero(opens_run)
    ends = np.append(starts[1:], len(values))
    middle = ((starts + ends + 1) / 2)[np.cumsum(opens_run) - 1]
    before_group = np.flatnonzero(opens_group)[np.cumsum(opens_group) - 1]

    ranks = np.empty(len(values))
    ranks[order] = middle - before_group
    return ranks
