"""Logs that a run cannot judge are refused, by what is wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gerank.data.schema import FeatureSchema
from gerank.train.evaluate import compared_slates, evaluate
from gerank.train.log_of_run import check_log
from gerank.train.run_folder import RunError, RunFolder
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
