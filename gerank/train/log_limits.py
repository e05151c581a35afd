"""Whether a log fits a configuration, before anything is trained."""

from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.log_columns import MOST_SLOTS
from gerank.train.choices import Validation
from gerank.train.config import TrainConfig
from gerank.train.pages import PageSplit
from gerank.train.setting_rules import ConfigError

LARGEST_SET, _MOST_GROUPS, _MOST_FLAGS = 512, 8, 16  # what the decode ops take


def check_limits(config: TrainConfig, log: ExposureLog, split: PageSplit) -> None:
    """Whether there are pages to learn from and to validate on, of sizes that can be trained on.

    Raises:
        ConfigError: There are none or too few, they are too large, or they lack a score.
    """
    if not len(split.train) or not len(split.validation):
        if config.data.validation is Validation.TIME:
            needed = "more pages of different times are needed"
        else:
            needed = "more people are needed, for nobody may be in two parts"
        raise ConfigError(
            f"data.log: {len(log)} pages of {len(np.unique(log.person_ids))} people leave "
            f"{len(split.train)} to train and {len(split.validation)} to validate; {needed}"
        )
    widest, slots = int(np.diff(log.candidate_offsets).max()), config.data.slots
    for what, count, limit in (
        ("candidates on a page", widest, LARGEST_SET),
        ("candidates on a page and slots above it", widest + log.most_above, LARGEST_SET),
        ("slots (data.slots) and slots above a page", slots + log.most_above, MOST_SLOTS),
        ("group keys", len(log.schema.groups), _MOST_GROUPS),
        ("flags", len(log.schema.flags), _MOST_FLAGS),
    ):
        if count > limit:
            raise ConfigError(f"data.log: {count} {what}, not at most {limit}")
    scores = [feature.name for feature in log.schema.candidate_dense]
    named = [("data.score", config.data.score)] if config.data.score else []
    for key, name in [*named, *(("data.calibrated", name) for name in config.data.calibrated)]:
        if name not in scores:
            raise ConfigError(
                f"{key}: {name!r} is not a dense feature of the candidates: {', '.join(scores)}"
            )
