"""Which pages teach what: the split of people, and logged pages as requests to decode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.choices import Validation
from gerank.train.config import DataConfig


@dataclass(frozen=True)
class PageSplit:
    """Rows of an exposure log; no person teaches both the evaluator and the judge.

    Attributes:
        train: Teach the evaluator and the generator.
        judge: Teach the held-out evaluator alone.
        validation: Choose checkpoints and have the verdict: of people who are in no other part, or
            later than all pages that are.
    """

    train: np.ndarray
    judge: np.ndarray
    validation: np.ndarray


def split_by_person(log: ExposureLog, config: DataConfig) -> PageSplit:
    """Splits the people of `log` by the shares of `config`, the same way for the same seed."""
    people, person_of_row = np.unique(log.person_ids, return_inverse=True)
    drawn = np.random.default_rng(config.seed).permutation(len(people)) / max(1, len(people))
    place = drawn[person_of_row]
    judge_from = 1.0 - config.judge_share
    validation_from = judge_from - config.validation_share
    return PageSplit(
        train=np.flatnonzero(place < validation_from),
        validation=np.flatnonzero((place >= validation_from) & (place < judge_from)),
        judge=np.flatnonzero(place >= judge_from),
    )


def split_pages(log: ExposureLog, config: DataConfig) -> PageSplit:
    """The split that the configuration asks for.

    By time, the latest pages of all people validate; a page is later than every page that teaches
    the evaluator, the judge or the generator. The earlier ones are split by person between
    evaluator and judge, in the same proportion as without.
    """
    if config.validation is Validation.PERSON:
        return split_by_person(log, config)
    latest = max(1, round(len(log) * config.validation_share))
    begins = np.sort(log.timestamps)[-latest] if config.validation_share else None
    is_late = np.zeros(len(log), bool) if begins is None else log.timestamps >= begins
    earlier = np.flatnonzero(~is_late)
    kept = max(1e-9, 1.0 - config.validation_share)
    share = min(1.0, config.judge_share / kept)
    of_people = replace(config, validation_share=0.0, judge_share=share)
    split = split_by_person(log.select(earlier), of_people)
    return PageSplit(earlier[split.train], earlier[split.judge], np.flatnonzero(is_late))


def row_batches(rows: np.ndarray, size: int, seed: int | None = None) -> Iterator[np.ndarray]:
    """`rows` in batches of `size`, the last one smaller; shuffled where a seed is given."""
    if seed is not None:
        rows = np.random.default_rng(seed).permutation(rows)
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def endless_batches(rows: np.ndarray, size: int, seed: int) -> Iterator[np.ndarray]:
    """Batches of exactly `size` rows (or of all, if there are fewer), reshuffled without end."""
    size = min(size, len(rows))
    draw = 0
    while True:
        for some in row_batches(rows, size, seed=seed * 1009 + draw):
            if len(some) == size:
                yield some
        draw += 1


def as_requests(
    exposures: ExposureBatch,
    weights: Tensor,
    schema: FeatureSchema,
    *,
    slots: int,
    seed: int = 0,
    temperature: float = 1.0,
    greedy: bool = True,
) -> RerankBatch:
    """Logged pages as requests without rules.

    Args:
        exposures: B pages.
        weights: [B, U] float32. Preference weights.
        schema: Describes the pages.
        slots: N. Slots asked for.
        seed: First of the B seeds, which are consecutive.
        temperature: Is the temperature of the sampling.
        greedy: Whether to take the argmax.
    """
    requests, candidates = exposures.candidate_mask.shape
    candidate_ids = exposures.candidate_ids
    none = candidate_ids.new_full
    return RerankBatch(
        *exposures[:5],
        weights=weights,
        pins=none((requests, slots), -1),
        dedup_keys=none((requests, candidates), -1),
        spacing=none((requests, len(schema.groups), 2), 0),
        quotas=candidate_ids.new_tensor([0, -1]).expand(requests, len(schema.flags), 2),
        slots=none((requests,), slots),
        temperature=torch.full((requests,), temperature),
        seeds=torch.arange(seed, seed + requests),
        greedy=torch.full((requests,), greedy),
    )
