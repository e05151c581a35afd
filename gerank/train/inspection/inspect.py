"""The whole of an inspection: figures, warnings, and both as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gerank.data.exposure_log import ExposureLog, ExposureLogError, log_files
from gerank.data.exposure_reading import read_facts
from gerank.train.config import DataConfig, TrainConfig
from gerank.train.first_config import likely_slots
from gerank.train.inspection.exploration import ExplorationFigures, exploration_figures
from gerank.train.inspection.features import FeatureFigures, feature_figures
from gerank.train.inspection.feedback import FeedbackFigures, feedback_figures
from gerank.train.inspection.log_warnings import log_warnings
from gerank.train.inspection.pages import PageFigures, page_figures
from gerank.train.warnings import RunWarning


@dataclass(frozen=True)
class Inspection:
    """What a log holds.

    Attributes:
        pages: Counts of pages, people, slots and candidates.
        feedback: By kind.
        features: The user's features first.
        exploration: How pages were ordered.
        warnings: What it cannot teach.
    """

    pages: PageFigures
    feedback: tuple[FeedbackFigures, ...]
    features: tuple[FeatureFigures, ...]
    exploration: ExplorationFigures
    warnings: tuple[RunWarning, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries; every figure is a number."""
        return asdict(self)


def inspect_log(directory: Path, config: TrainConfig | None = None) -> Inspection:
    """Reads and measures a log.

    Args:
        directory: The folder of the log.
        config: The settings that warnings speak of: slots and sizes; None = the defaults, and the
            slots that a quarter of the pages shows.

    Raises:
        ExposureLogError: The log cannot be read, or has no page.
    """
    path = log_files(directory)[0]
    log = ExposureLog.read(directory)
    if not len(log):
        raise ExposureLogError(f"{path}: no pages")
    facts = read_facts(path)
    if config is None:
        slots = likely_slots(np.diff(log.slate_offsets))
        config = TrainConfig(DataConfig(directory, slots))
    else:
        config = replace(config, data=replace(config.data, log=directory))
    pages = page_figures(log, facts.get("time_unit"))
    features = feature_figures(log, facts.get("missing", {}))
    exploration = exploration_figures(log)
    return Inspection(
        pages,
        feedback_figures(log),
        features,
        exploration,
        tuple(log_warnings(log, config, pages, features, exploration)),
    )
