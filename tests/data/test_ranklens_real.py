"""The real file, where GERANK_RANKLENS names it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens import convert_ranklens

pytestmark = pytest.mark.skipif(
    "GERANK_RANKLENS" not in os.environ, reason="GERANK_RANKLENS names no events file"
)


@pytest.fixture(scope="module")
def log() -> ExposureLog:
    return convert_ranklens(Path(os.environ["GERANK_RANKLENS"]))


def test_pages_have_24_films_shown_uniformly(log: ExposureLog) -> None:
    assert (np.diff(log.candidate_offsets) == 24).all()
    assert np.allclose(log.placement_propensity, 1 / 24)
    assert 0.18 < log.clicks.mean() < 0.21


def test_every_flag_and_group_divides_the_impressions(log: ExposureLog) -> None:
    assert 0.2 < log.candidate["long_tail"].mean() < 0.35
    assert 0.15 < log.candidate["recent"].mean() < 0.3
    genres = next(f for f in log.schema.candidate if f.name == "genre").values
    shares = np.bincount(log.candidate["genre"], minlength=len(genres)) / len(log.candidate_names)
    assert shares[:-1].max() < 0.35
    assert 0 < shares[-1] < 0.01  # "other": the films that have no metadata


def test_dense_features_stay_in_ranges_that_standardise(log: ExposureLog) -> None:
    for columns, features in (
        (log.user, log.schema.user_dense),
        (log.candidate, log.schema.candidate_dense),
    ):
        for feature in features:
            values = columns[feature.name].astype(np.float64)
            assert values.std() > 0.01, feature.name
            assert np.abs((values - values.mean()) / values.std()).max() < 30, feature.name


def test_clicks_rise_with_the_rate_and_the_tastes(log: ExposureLog) -> None:
    """Signs only: how well they order pages is for the benchmarks to say."""
    later = np.repeat(log.user["earlier_pages"] > 0, 24)
    names = [f"taste_{n}" for n in ("primary_genre", "genres", "director", "decade", "same_film")]
    for name in ("film_log_odds", "person_log_odds", *names, "taste_similar_films", "taste_fame"):
        correlation = np.corrcoef(log.candidate[name][later], log.clicks[later])[0, 1]
        assert 0.03 < correlation < 0.6, name
