"""Which pages teach what: the split of people, and logged pages as requests to decode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import pin_above
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
    return _split_by_person(log.person_ids, config)


def _split_by_person(person_ids: NDArray[Any], config: DataConfig) -> PageSplit:
    people, person_of_row = np.unique(person_ids, return_inverse=True)
    drawn = np.random.default_rng(config.seed).permutation(len(people)) / max(1, len(people))
    place = drawn[person_of_row]
    judge_from = 1.0 - min(config.judge_share, config.judge_pages / max(1, len(person_ids)))
    most = config.validation_pages / max(1, len(person_ids))
    validation_from = judge_from - min(config.validation_share, most)
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
    latest = max(1, min(round(len(log) * config.validation_share), config.validation_pages))
    begins = np.sort(log.timestamps)[-latest] if config.validation_share else None
    is_late = np.zeros(len(log), bool) if begins is None else log.timestamps >= begins
    earlier = np.flatnonzero(~is_late)
    kept = max(1e-9, 1.0 - config.validation_share)
    share = min(1.0, config.judge_share / kept)
    of_people = replace(config, validation_share=0.0, judge_share=share)
    split = _split_by_person(log.person_ids[earlier], of_people)
    return PageSplit(earlier[split.train], earlier[split.judge], np.flatnonzero(is_late))


def as_requests(
    exposures: ExposureBatch,
    weights: Tensor,
    schema: FeatureSchema,
    *,
    slots: int,
    seed: int = 0,
    temperature: float = 1.0,
    greedy: bool = True,
    spacing: Tensor | None = None,
) -> RerankBatch:
    """Logged pages as requests, with what stood above them.

    Args:
        exposures: B pages, whose slots above are pinned in front of them, see `pin_above`.
        weights: [B, U] float32. Preference weights.
        schema: Describes the pages.
        slots: N. Slots asked for.
        seed: First of the B seeds, which are consecutive.
        temperature: Is the temperature of the sampling.
        greedy: Whether to take the argmax.
        spacing: [B, K, 2] int64. Rules as in `RerankBatch`; None = there are none.
    """
    requests, candidates = exposures.candidate_mask.shape
    candidate_ids = exposures.candidate_ids
    none = candidate_ids.new_full
    if spacing is None:
        spacing = none((requests, len(schema.groups), 2), 0)
    batch = RerankBatch(
        *exposures.features,
        weights=weights,
        pins=none((requests, slots), -1),
        dedup_keys=none((requests, candidates), -1),
        spacing=spacing,
        quotas=candidate_ids.new_tensor([0, -1]).expand(requests, len(schema.flags), 2),
        slots=none((requests,), slots),
        temperature=torch.full((requests,), temperature, device=candidate_ids.device),
        seeds=torch.arange(seed, seed + requests, device=candidate_ids.device),
        greedy=torch.full((requests,), greedy, device=candidate_ids.device),
    )
    return pin_above(batch, exposures.above, schema.flag_columns)
