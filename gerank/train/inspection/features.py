"""What every feature holds: how many values, how many of them new, how many missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import BlockKind
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

LATE_SHARE = 0.2
"""Share of the pages, the latest, whose values are looked up among the earlier ones'."""


@dataclass(frozen=True)
class FeatureFigures:
    """One feature; a vector or a list is one, whatever its columns.

    Attributes:
        side: user or candidate.
        name, kind: As the schema has it; `vector` or `ids` of a block.
        vocabulary: Counts an id's values or rows; it is 0 for a dense feature.
        hashed: Tells of an id whether values share the rows.
        distinct: How many values there are; of a list, no entry is one of them.
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
    return tuple(
        _figures(side, name, kind, features, [columns[f.name] for f in features], where, missing)
        for side, columns, where in (
            ("user", log.user, late),
            ("candidate", log.candidate, late_candidates),
        )
        for name, kind, features in _whole_features(log.schema, side)
    )


def _whole_features(schema: FeatureSchema, side: str) -> list[tuple[str, str, list[Feature]]]:
    """Name, kind and columns of every feature, in the order of their first columns."""
    block_of = {name: block for block in schema.blocks_of(side) for name in block.columns}
    found: dict[str, tuple[str, str, list[Feature]]] = {}
    for feature in getattr(schema, side):
        block = block_of.get(feature.name)
        name, kind = (feature.name, feature.kind) if block is None else (block.name, block.kind)
        found.setdefault(name, (name, str(kind), []))[2].append(feature)
    return list(found.values())


def _late_pages(log: ExposureLog) -> NDArray[np.bool_]:
    order = np.argsort(log.timestamps, kind="stable")
    late = np.zeros(len(log), dtype=np.bool_)
    late[order[len(log) - int(LATE_SHARE * len(log)) :]] = True
    return late


def _figures(
    side: str,
    name: str,
    kind: str,
    features: list[Feature],
    columns: list[NDArray[Any]],
    late: NDArray[np.bool_],
    missing: Mapping[str, int],
) -> FeatureFigures:
    first, values = features[0], np.stack(columns, axis=1)
    dense = first.kind is FeatureKind.DENSE
    new = None
    if not dense and late.any() and not late.all():
        latest = values[late]
        if kind == BlockKind.IDS:
            latest = latest[latest != first.default]
        if latest.size:
            new = float((~np.isin(latest, values[~late])).mean())
    return FeatureFigures(
        side,
        name,
        kind,
        first.vocabulary,
        first.hashed,
        len(np.unique(values)),
        float(values.min()) if dense else None,
        float(values.mean(dtype=np.float64)) if dense else None,
        float(values.max()) if dense else None,
        missing.get(f"{side}.{name}", 0),
        new,
    )
