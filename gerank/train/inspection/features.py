"""What every feature holds: how many values, how many of them new, how many missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind

LATE_SHARE = 0.2
"""Share of the pages, the latest, whose values are looked up among those of the earlier ones."""


@dataclass(frozen=True)
class FeatureFigures:
    """One feature.

    Attributes:
        side: user or candidate.
        name, kind: As the schema has it.
        vocabulary: Counts an id's values or rows; it is 0 for a dense feature.
        hashed: Tells of an id whether values share the rows.
        distinct: How many values there are.
        lowest, mean, highest: Describe a dense feature.
        missing: Values that were missing when the log was imported and have a default.
        new_share: Tells of an id which share of the values of the latest pages, each as often as
            it is there, no earlier page has.
    """

    side: str
    name: str
    kind: str
    vocabulary: int
    hashed: bool
    distinct: int
    lowest: float | None
    mean: float | None
    highest: float | None
    missing: int
    new_share: float | None

    @property
    def full_name(self) -> str:
        """Side and name."""
        return f"{self.side}.{self.name}"


def feature_figures(log: ExposureLog, missing: Mapping[str, int]) -> tuple[FeatureFigures, ...]:
    """Measures all features.

    Args:
        log: The log.
        missing: `side.name` -> missing values, as the import counted them.
    """
    late = _late_pages(log)
    late_candidates = np.repeat(late, np.diff(log.candidate_offsets))
    figures = [
        _figures("user", feature, log.user[feature.name], late, missing)
        for feature in log.schema.user
    ]
    return tuple(figures) + tuple(
        _figures("candidate", feature, log.candidate[feature.name], late_candidates, missing)
        for feature in log.schema.candidate
    )


def _late_pages(log: ExposureLog) -> NDArray[np.bool_]:
    order = np.argsort(log.timestamps, kind="stable")
    late = np.zeros(len(log), dtype=np.bool_)
    late[order[len(log) - int(LATE_SHARE * len(log)) :]] = True
    return late


def _figures(
    side: str,
    feature: Feature,
    values: NDArray[Any],
    late: NDArray[np.bool_],
    missing: Mapping[str, int],
) -> FeatureFigures:
    dense = feature.kind is FeatureKind.DENSE
    new = None
    if not dense and late.any() and not late.all():
        new = float((~np.isin(values[late], values[~late])).mean())
    return FeatureFigures(
        side,
        feature.name,
        str(feature.kind),
        feature.vocabulary,
        feature.hashed,
        len(np.unique(values)),
        float(values.min()) if dense else None,
        float(values.mean(dtype=np.float64)) if dense else None,
        float(values.max()) if dense else None,
        missing.get(f"{side}.{feature.name}", 0),
        new,
    )
