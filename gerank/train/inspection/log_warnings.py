"""What may be wrong with a log: checks that need no model, beside those that a run shares."""

from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.train import warnings
from gerank.train.config import TrainConfig
from gerank.train.inspection.exploration import ExplorationFigures
from gerank.train.inspection.features import LATE_SHARE, FeatureFigures
from gerank.train.inspection.pages import PageFigures
from gerank.train.run_folder import RunFolder
from gerank.train.warning_figures import numbers_outside_of_tables, share_below_others
from gerank.train.warnings import RunWarning

MOST_SINGLE = 0.5
"""Share of the pages that may have one candidate: such a page is not ranked."""
MOST_MISSING = 0.5
"""Share of the values of a feature that may be missing."""
MOST_NEW = 0.5
"""Share of the values on the latest pages that may be new."""
MOST_REPEATED = 0.01
"""Share of the pages that may be there twice."""
FEWEST_PEOPLE = 20
"""People that a split by person should have."""


def log_warnings(
    log: ExposureLog,
    config: TrainConfig,
    pages: PageFigures,
    features: tuple[FeatureFigures, ...],
    exploration: ExplorationFigures,
) -> list[RunWarning]:
    """Everything that a log can and cannot teach a model of these settings."""
    lengths = np.diff(log.slate_offsets)
    slots = np.arange(config.data.slots)
    generator = RunFolder(config.data.log, config, log.schema, 1).new_generator()
    found = [
        warnings.one_class_feedback(int((log.clicks > 0).sum()), len(log.clicks)),
        warnings.too_few_pages(len(log), numbers_outside_of_tables(generator)),
        warnings.unlogged_slots((lengths[:, None] > slots).mean(0).tolist()),
        warnings.unseen_above(share_below_others(log), config.evaluator.network),
        warnings.no_exploration(exploration.sorted_by),
        _one_slot_each(exploration),
        _few_people(pages),
        _nothing_to_rank(pages),
        _repeated(pages),
        _nothing_known(log),
        *(check(f, log) for f in features for check in (_constant, _missing, _new, _crowded)),
    ]
    return [warning for warning in found if warning is not None]


def _one_slot_each(exploration: ExplorationFigures) -> RunWarning | None:
    share = exploration.at_one_slot
    if share is None or share <= warnings.MOST_SORTED:
        return None
    return RunWarning(
        "no exploration",
        share,
        warnings.MOST_SORTED,
        f"{share:.0%} of the {exploration.often_shown} items that are shown often always stand at "
        "the same slot.",
        "Show a share of the pages in another order; slot and item cannot be told apart without.",
    )


def _few_people(pages: PageFigures) -> RunWarning | None:
    if pages.people >= FEWEST_PEOPLE:
        return None
    return RunWarning(
        "few people",
        pages.people,
        FEWEST_PEOPLE,
        f"The pages are of {pages.people} people, and nobody is both trained on and judged by.",
        "Map page.person to what tells people apart, or log more of them.",
    )


def _nothing_to_rank(pages: PageFigures) -> RunWarning | None:
    if pages.single_candidate <= MOST_SINGLE:
        return None
    return RunWarning(
        "nothing to rank",
        pages.single_candidate,
        MOST_SINGLE,
        f"{pages.single_candidate:.0%} of the pages have one candidate.",
        "Map the candidates that were not shown ([candidates]), or check page.id.",
    )


def _repeated(pages: PageFigures) -> RunWarning | None:
    share = pages.repeated_pages / pages.pages
    if share <= MOST_REPEATED:
        return None
    return RunWarning(
        "repeated pages",
        share,
        MOST_REPEATED,
        f"{pages.repeated_pages} pages show a person the same slate at the same time as another.",
        "Check that the log is not joined or retried: repeated pages count twice.",
    )


def _nothing_known(log: ExposureLog) -> RunWarning | None:
    if log.schema.candidate:
        return None
    return RunWarning(
        "no candidate features",
        0,
        1,
        "Nothing is known of candidates: they cannot be told apart.",
        "Map a feature of the candidates; the item's own id can be one.",
    )


def _constant(feature: FeatureFigures, log: ExposureLog) -> RunWarning | None:
    del log
    if feature.distinct > 1:
        return None
    return RunWarning(
        "constant feature",
        feature.distinct,
        2,
        f"{feature.full_name} has the same value everywhere.",
        "Check how it was logged, or leave it out.",
    )


def _missing(feature: FeatureFigures, log: ExposureLog) -> RunWarning | None:
    of_user = feature.side == "user"
    share = feature.missing / (len(log) if of_user else len(log.candidate_names))
    if share <= MOST_MISSING:
        return None
    return RunWarning(
        "mostly missing",
        share,
        MOST_MISSING,
        f"{feature.full_name} is missing in {share:.0%} of its places.",
        "Log it, or leave it out; with missing_flag the model can tell its default from a value.",
    )


def _new(feature: FeatureFigures, log: ExposureLog) -> RunWarning | None:
    del log
    if feature.new_share is None or feature.new_share <= MOST_NEW:
        return None
    return RunWarning(
        "mostly new values",
        feature.new_share,
        MOST_NEW,
        f"{feature.new_share:.0%} of the values of {feature.full_name} on the latest "
        f"{LATE_SHARE:.0%} of the pages are on no earlier page.",
        "An id that will not come back teaches nothing: give candidates features that new ones "
        "share, or train more often.",
    )


def _crowded(feature: FeatureFigures, log: ExposureLog) -> RunWarning | None:
    del log
    if not feature.hashed or feature.distinct <= feature.vocabulary:
        return None
    return RunWarning(
        "crowded vocabulary",
        feature.distinct,
        feature.vocabulary,
        f"{feature.full_name} has {feature.distinct} values for {feature.vocabulary} rows.",
        "Raise its vocabulary in the mapping, to four rows a value.",
    )
