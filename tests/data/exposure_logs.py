"""Random exposure logs, and whether two are the same."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.mapped_texts import MappedTexts
from gerank.data.schema import Feature, FeatureKind, FeatureSchema


def random_log(seed: int, pages: int = 12) -> ExposureLog:
    """Pages of 3 to 9 candidates and 1 to M slots, with hashed ids over all 64 bits."""
    rng = np.random.default_rng(seed)
    candidates = rng.integers(3, 10, size=pages)
    slots = rng.integers(1, candidates + 1)
    items, shown = int(candidates.sum()), int(slots.sum())
    slates = [rng.permutation(m)[:n] for m, n in zip(candidates, slots, strict=True)]
    placement = rng.uniform(0.01, 1, shown).astype(np.float32)
    placement[rng.random(shown) < 0.3] = np.nan
    far = np.iinfo(np.int64)
    return ExposureLog(
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


def assert_same(left: ExposureLog, right: ExposureLog) -> None:
    for field in fields(ExposureLog):
        if field.name == "store":  # two logs may be the same though one lies in files
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
