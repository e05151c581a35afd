"""Whether a log can be judged by a run: the features, groups and flags it was trained on."""

from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.log_columns import MOST_SLOTS
from gerank.data.schema_difference import schema_differences
from gerank.train.run_folder import RunError, RunFolder


def check_log(folder: RunFolder, log: ExposureLog) -> None:
    """Raises RunError where the log is empty, or its pages are none that the run can judge."""
    if not len(log):
        raise RunError("the log has no pages to judge")
    different = schema_differences(folder.schema, log.schema)
    if different:
        raise RunError(f"the log is not of the schema of {folder.path}: {'; '.join(different)}")
    widest = np.diff(log.candidate_offsets).max()
    if widest > folder.max_candidates:
        raise RunError(f"a page has {widest} candidates, not at most {folder.max_candidates}")
    if widest + log.most_above > folder.max_candidates:
        raise RunError(
            f"{widest} candidates on a page and {log.most_above} slots above one are more than "
            f"{folder.max_candidates}"
        )
    slots = folder.config.data.slots
    if slots + log.most_above > MOST_SLOTS:
        raise RunError(
            f"{slots} slots on a page and {log.most_above} above one are more than {MOST_SLOTS}"
        )
