"""Logs that a run cannot judge are refused, by what is wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_fields import LoggedAbove
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.evaluate import compared_slates, evaluate
from gerank.train.log_identity import LogIdentity
from gerank.train.log_of_run import check_log
from gerank.train.run_folder import RunError, RunFolder
from tests.data.exposure_logs import with_random_above
from tests.train.tiny import tiny_config, tiny_log
from tests.train.uniform_log import BARE, uniform_log

LOG, _ = tiny_log(80, seed=1)


@pytest.fixture
def bare_run() -> RunFolder:
    """This run has a schema of one feature; nothing of it is read but that."""
    return RunFolder(Path("unused"), tiny_config(Path("unused")), BARE, 512)


def test_a_log_of_the_same_features_passes(run: RunFolder, bare_run: RunFolder) -> None:
    check_log(run, LOG)
    check_log(bare_run, uniform_log(0))


def test_an_empty_log_is_refused(bare_run: RunFolder) -> None:
    with pytest.raises(RunError, match="no pages"):
        evaluate(bare_run, uniform_log(0).select(np.zeros(0, np.int64)), None)


def test_too_large_a_candidate_set_is_refused(bare_run: RunFolder) -> None:
    with pytest.raises(RunError, match="a page has 513 candidates, not at most 512"):
        evaluate(bare_run, uniform_log(0, candidates=(513, 513)), None)


def below(log: ExposureLog, slots: int) -> ExposureLog:
    """The same pages, with so many slots above each; the features say nothing."""
    offsets = np.arange(len(log) + 1) * slots
    nothing = np.zeros(offsets[-1], np.int64)
    features = {feature.name: nothing for feature in log.schema.above}
    return dataclasses.replace(log, above=LoggedAbove(offsets, nothing - 1, features))


def test_pages_below_more_slots_than_a_decode_takes_are_refused(bare_run: RunFolder) -> None:
    slots = bare_run.config.data.slots
    check_log(bare_run, below(uniform_log(0), 128 - slots))
    with pytest.raises(RunError, match=f"{slots} slots on a page and {129 - slots} above one are"):
        check_log(bare_run, below(uniform_log(0), 129 - slots))
    wide = uniform_log(0, candidates=(500, 500), slots=3)
    check_log(bare_run, below(wide, 12))
    with pytest.raises(RunError, match="500 candidates on a page and 13 slots above one are more"):
        check_log(bare_run, below(wide, 13))


def test_another_above_makes_another_log() -> None:
    first, other = (LogIdentity.of(with_random_above(LOG, seed)) for seed in (1, 2))
    assert len({first.digest, other.digest, LogIdentity.of(LOG).digest}) == 3
    assert LogIdentity.of(with_random_above(LOG, 1)) == first


def another_name(schema: FeatureSchema) -> FeatureSchema:
    features = (dataclasses.replace(schema.user[0], name="age"), *schema.user[1:])
    return dataclasses.replace(schema, user=features)


def another_order_of_values(schema: FeatureSchema) -> FeatureSchema:
    segment = schema.user[-1]
    features = (*schema.user[:-1], dataclasses.replace(segment, values=segment.values[::-1]))
    return dataclasses.replace(schema, user=features)


def fewer_groups(schema: FeatureSchema) -> FeatureSchema:
    return dataclasses.replace(schema, groups=schema.groups[:1])


def swapped_flags(schema: FeatureSchema) -> FeatureSchema:
    return dataclasses.replace(schema, flags=schema.flags[::-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (another_name, r"the user feature 'taste_0' is missing; the user feature 'age' is new"),
        (
            another_order_of_values,
            r"the user feature 'segment' has 'segment-7' as value 0, not 'segment-0'",
        ),
        (fewer_groups, r"the groups are seller, not seller, category, "),
        (swapped_flags, r"the flags are fresh, cold_start, not cold_start, fresh"),
    ],
)
def test_a_log_of_another_schema_is_refused(
    run: RunFolder, change: Callable[[FeatureSchema], FeatureSchema], words: str
) -> None:
    schema = change(LOG.schema)
    user = {f.name: LOG.user.get(f.name, LOG.user["taste_0"]) for f in schema.user}
    other = dataclasses.replace(LOG, schema=schema, user=user)
    with pytest.raises(RunError, match=words):
        compared_slates(run, other)
