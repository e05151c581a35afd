"""A log whose behavior policy is known exactly: every order of a page's candidates as likely."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.train.config import TrainConfig
from tests.train.tiny import tiny_config

BARE = FeatureSchema(user=(), candidate=(Feature("score", FeatureKind.DENSE),))
"""The least that a schema can be: no user, no ids, no groups, no flags."""


def uniform_log(
    seed: int,
    pages: int = 60,
    *,
    people: int = 12,
    candidates: tuple[int, int] = (3, 6),
    slots: int | None = None,
    click_rate: float = 0.3,
) -> ExposureLog:
    """Pages of `candidates` (lowest, highest) items.

    Args:
        seed: Seeds everything.
        pages: E.
        people: How many they belong to.
        candidates: The number of candidates is drawn from this range, ends included.
        slots: Shown per page; None: all candidates.
        click_rate: Is the click rate of every slot.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(candidates[0], candidates[1] + 1, pages)
    shown = sizes if slots is None else np.minimum(sizes, slots)
    slates = [rng.permutation(m)[:n] for m, n in zip(sizes, shown, strict=True)]
    left = np.concatenate([m - np.arange(n) for m, n in zip(sizes, shown, strict=True)])
    columns: dict[str, Any] = {
        "slates": np.concatenate(slates).astype(np.int64),
        "clicks": (rng.random(shown.sum()) < click_rate).astype(np.float32),
        "log_propensity": -np.log(left).astype(np.float32),
        "placement_propensity": np.repeat(1 / sizes, shown).astype(np.float32),
    }
    return ExposureLog(
        schema=BARE,
        page_ids=np.array([f"page-{page}" for page in range(pages)]),
        person_ids=np.array([f"person-{person}" for person in rng.integers(people, size=pages)]),
        timestamps=np.arange(pages, dtype=np.int64),
        candidate_offsets=np.concatenate([[0], sizes.cumsum()]).astype(np.int64),
        slate_offsets=np.concatenate([[0], shown.cumsum()]).astype(np.int64),
        user={},
        candidate={"score": rng.standard_normal(sizes.sum()).astype(np.float32)},
        candidate_names=np.concatenate(
            [[f"item-{item}" for item in rng.permutation(1000)[:size]] for size in sizes]
        ),
        **columns,
    )


def written(folder: Path, log: ExposureLog) -> Path:
    log.write(folder)
    return folder


def bare_config(log: Path) -> TrainConfig:
    """The tiny configuration, for a written log of this schema."""
    config = tiny_config(log)
    data = dataclasses.replace(config.data, score="score", validation_share=0.3)
    return dataclasses.replace(config, data=data)
