"""Better percentage: how often a generated slate beats the slate that was shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import check_same_shape, real_array


def better_percentage(generated: ArrayLike, exposed: ArrayLike) -> float:
    """Share of pages, 0..100, whose generated slate has strictly the larger reward.

    Judged by the evaluator that trained the generator this rewards exploiting its mistakes:
    report it by a held-out evaluator, or by the truth where that is known.

    Args:
        generated: [E]. Reward of each page's generated slate.
        exposed: [E]. Reward of the slate that was shown. A tie is not better, not even by half.

    Raises:
        ValueError: Shapes, NaN or infinity.
    """
    ours = real_array("better_percentage: generated", generated, "E")
    theirs = real_array("better_percentage: exposed", exposed, "E")
    check_same_shape(generated=ours.shape, exposed=theirs.shape)
    return 100.0 * float(np.mean(ours > theirs))
