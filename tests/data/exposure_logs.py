"""Random exposure logs, and whether two are the same."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from gerank.data.exposure_fields import LoggedAbove
from gerank.data.exposure_log import ExposureLog
from gerank.data.mapped_texts import MappedTexts
from gerank.data.schema import Feature, FeatureKind, FeatureSchema


def random_log(seed: int, pages: int = 12, *, feeds: bool = False) -> ExposureLog:
    """Pages of 3 to 9 candidates and 1 to M slots, with hashed ids over all 64 bits.

    In feeds up to 4 slots stand above a page, whose sellers and items are often the page's own.
    """
    rng = np.random.default_rng(seed)
    candidates = rng.integers(3, 10, size=pages)
    slots = rng.integers(1, candidates + 1)
    items, shown = int(candidates.sum()), int(slots.sum())
    slates = [rng.permutation(m)[:n] for m, n in zip(candidates, slots, strict=True)]
    placement = rng.uniform(0.01, 1, shown).astype(np.float32)
    placement[rng.random(shown) < 0.3] = np.nan
    far = np.iinfo(np.int64)
    log = ExposureLog(
        schema=FeatureSchema(
            user=(
                Feature("age", FeatureKind.DENSE),
                Feature("home", FeatureKind.ID, vocabulary=7),
            ),
            candidate=(
                Feature("price", FeatureKind.DENSE),
                Feature("score", FeatureKind.DENSE),
                Feature("seller", FeatureKind.ID, vocabulary=64, hashed=True),
                Feature("fresh", FeatureKind.ID, vocabulary=2, values=("no", "yes")),
            ),
            groups=("seller",),
            flags=("fresh",),
        ),
        page_ids=np.array([f"page-{index}-é" for index in range(pages)]),
        person_ids=np.array([f"person-{index}" for index in rng.integers(4, size=pages)]),
        timestamps=rng.integers(-(10**12), 10**12, size=pages),
        candidate_offsets=np.concatenate([[0], np.cumsum(candidates)]),
        slate_offsets=np.concatenate([[0], np.cumsum(slots)]),
        user={
            "age": rng.standard_normal(pages).astype(np.float32),
            "home": rng.integers(7, size=pages),
        },
        candidate={
            "price": rng.standard_normal(items).astype(np.float32),
            "score": rng.standard_normal(items).astype(np.float32),
            "seller": rng.integers(far.min, far.max, size=items, endpoint=True),
            "fresh": rng.integers(2, size=items),
        },
        candidate_names=np.concatenate(
            [[f"item {index}" for index in rng.permutation(50)[:m]] for m in candidates]
        ),
        slates=np.concatenate(slates),
        clicks=rng.integers(2, size=shown).astype(np.float32),
        log_propensity=np.log(rng.uniform(0.01, 1, shown)).astype(np.float32),
        placement_propensity=placement,
    )
    return with_random_above(log, seed) if feeds else log


def with_random_above(log: ExposureLog, seed: int, most: int = 4) -> ExposureLog:
    """The same pages with up to `most` slots above each: groups and flags of candidates of theirs.

    Half of the slots above are the same item as the candidate.
    """
    rng = np.random.default_rng([seed, 1])
    counts = rng.integers(most + 1, size=len(log))
    page = np.repeat(np.arange(len(log)), counts)
    keys = rng.integers(np.diff(log.candidate_offsets)[page])
    items = log.candidate_offsets[page] + keys
    features = {f.name: log.candidate[f.name][items] for f in log.schema.above}
    keys = np.where(rng.random(len(keys)) < 0.5, keys, -1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return replace(log, above=LoggedAbove(offsets, keys, features))


def assert_same(left: ExposureLog, right: ExposureLog) -> None:
    assert (left.above is None) == (right.above is None)
    _assert_same_fields(left, right)
    if left.above is not None and right.above is not None:
        _assert_same_fields(left.above, right.above)


def _assert_same_fields(left: Any, right: Any) -> None:
    for field in fields(left):
        # Two logs may be the same though one lies in files.
        if field.name in ("store", "above"):
            continue
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, MappedTexts) or isinstance(b, MappedTexts):
            a, b = np.asarray(a), np.asarray(b)
        if isinstance(a, dict):
            assert a.keys() == b.keys()
            for name, values in a.items():
                assert values.dtype == b[name].dtype
                np.testing.assert_array_equal(values, b[name])
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b
