"""Whether a log can be judged by a run: the features, groups and flags it was trained on."""

from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.run_folder import RunError, RunFolder


def check_log(folder: RunFolder, log: ExposureLog) -> None:
    """Raises RunError where the log is empty, or its pages are none that the run can judge."""
    if not len(log):
        raise RunError("the log has no pages to judge")
    ours, theirs = _features(folder.schema), _features(log.schema)
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            raise RunError(f"feature {other} of the log is {mine} in {folder.path}")
    if len(ours) != len(theirs):
        raise RunError(f"the log has {len(theirs)} features, {folder.path} has {len(ours)}")
    widest = np.diff(log.candidate_offsets).max()
    if widest > folder.max_candidates:
        raise RunError(f"a page has {widest} candidates, not at most {folder.max_candidates}")
    for what in ("groups", "flags"):
        mine, other = getattr(folder.schema, what), getattr(log.schema, what)
        if mine != other:
            raise RunError(f"{what} of the log are {other}, of {folder.path} {mine}")


def _features(schema: FeatureSchema) -> list[tuple[object, ...]]:
    """Of every feature what a model relies on: not the range, which is for information."""
    features = [*schema.user, *schema.candidate]
    return [(f.name, str(f.kind), f.vocabulary, f.hashed, f.values) for f in features]
