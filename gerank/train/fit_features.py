"""What features are scaled by, taken from the training pages."""

from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.nn.features import FeatureEncoder
from gerank.train.calibrate import fit_calibration


def fit_features(
    features: FeatureEncoder, calibrated: tuple[str, ...], log: ExposureLog, rows: np.ndarray
) -> None:
    """Takes maps of scores, then mean and deviation of dense features, from the pages `rows`."""
    fit_calibration(features.calibration, calibrated, log, rows)
    pages = log.batch(rows)
    features.user_scale.fit(pages.user_dense)
    dense = features.calibration(pages.candidate_dense)
    features.candidate_scale.fit(dense[pages.candidate_mask])
