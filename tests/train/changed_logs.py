"""The log of yesterday, and what may become of its features until the log of today."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind
from tests.train.tiny import tiny_log

Change = Callable[[ExposureLog], ExposureLog]
EXTRA = "stock"


def log_of_yesterday() -> ExposureLog:
    """Beside the simulator's features it has one that is the same everywhere."""
    return with_feature(tiny_log()[0], Feature(EXTRA, FeatureKind.DENSE), 3.0)


def with_feature(log: ExposureLog, feature: Feature, value: float) -> ExposureLog:
    """The candidates have one more feature, in front, of one value."""
    kind = np.float32 if feature.kind is FeatureKind.DENSE else np.int64
    column = np.full(int(log.candidate_offsets[-1]), value, kind)
    schema = dataclasses.replace(log.schema, candidate=(feature, *log.schema.candidate))
    return dataclasses.replace(
        log, schema=schema, candidate={feature.name: column, **log.candidate}
    )


def one_more(log: ExposureLog) -> ExposureLog:
    return with_feature(log, Feature("price", FeatureKind.DENSE), 7.0)


def one_more_id(log: ExposureLog) -> ExposureLog:
    """A feature of many values: at first it has no effect whatever its value."""
    log = with_feature(log, Feature("brand", FeatureKind.ID, 50, hashed=True), 0)
    values = np.random.default_rng(0).integers(0, 1000, int(log.candidate_offsets[-1]))
    return dataclasses.replace(log, candidate={**log.candidate, "brand": values})


def one_less(log: ExposureLog) -> ExposureLog:
    kept = tuple(f for f in log.schema.candidate if f.name != EXTRA)
    columns = {name: values for name, values in log.candidate.items() if name != EXTRA}
    schema = dataclasses.replace(log.schema, candidate=kept)
    return dataclasses.replace(log, schema=schema, candidate=columns)


def reversed_order(log: ExposureLog) -> ExposureLog:
    schema = dataclasses.replace(
        log.schema,
        user=log.schema.user[::-1],
        candidate=log.schema.candidate[::-1],
        groups=log.schema.groups[::-1],
        flags=log.schema.flags[::-1],
    )
    return dataclasses.replace(log, schema=schema)


def grown(log: ExposureLog) -> ExposureLog:
    """Every id but flags may have more values; a hashed one has rows for twice as many."""

    def bigger(feature: Feature) -> Feature:
        if feature.kind is FeatureKind.DENSE or feature.name in log.schema.flags:
            return feature
        more = 2 * feature.vocabulary if feature.hashed else feature.vocabulary + 5
        names = (*feature.values, *(f"new {k}" for k in range(5))) if feature.values else ()
        return dataclasses.replace(feature, vocabulary=more, values=names)

    user, candidate = (tuple(map(bigger, f)) for f in (log.schema.user, log.schema.candidate))
    return dataclasses.replace(
        log, schema=dataclasses.replace(log.schema, user=user, candidate=candidate)
    )


def everything(log: ExposureLog) -> ExposureLog:
    return one_more(one_more_id(grown(reversed_order(one_less(log)))))


CHANGES = [lambda log: log, one_more, one_more_id, one_less, reversed_order, grown, everything]
