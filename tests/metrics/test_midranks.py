from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from gerank.metrics.midranks import midranks


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_every_group_alone_with_ties_averaged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, size=60).astype(float)
    groups = rng.integers(0, 5, size=60)
    ranks = midranks(values, groups)
    for group in np.unique(groups):
        inside = groups == group
        np.testing.assert_array_equal(ranks[inside], rankdata(values[inside], "average"))


def test_equal_values_share_the_mean_of_their_places() -> None:
    np.testing.assert_array_equal(midranks(np.array([5.0, 1.0, 5.0, 7.0])), [2.5, 1, 2.5, 4])
