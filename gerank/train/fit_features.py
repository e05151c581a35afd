"""What features are scaled by, taken from the training pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.nn.features import FeatureEncoder
from gerank.train.calibrate import fit_calibration
from gerank.train.page_batches import ordered_batches

_PAGES_AT_ONCE = 4096


def fit_features(
    features: FeatureEncoder, calibrated: tuple[str, ...], log: ExposureLog, rows: np.ndarray
) -> None:
    """Takes maps of scores, then mean and deviation of dense features, from the pages `rows`."""
    fit_calibration(features.calibration, calibrated, log, rows)

    def users() -> Iterator[Tensor]:
        for places in ordered_batches(log, rows, _PAGES_AT_ONCE):
            yield log.batch(rows[places], 1).user_dense

    def candidates() -> Iterator[Tensor]:
        for places in ordered_batches(log, rows, _PAGES_AT_ONCE):
            pages = log.batch(rows[places], 1)
            yield features.calibration(pages.candidate_dense)[pages.candidate_mask]

    features.user_scale.fit(users)
    features.candidate_scale.fit(candidates)
