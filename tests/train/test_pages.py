from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.train.choices import Validation
from gerank.train.config import DataConfig
from gerank.train.pages import as_requests, split_by_person, split_pages
from tests.train.uniform_log import uniform_log

CONFIG = DataConfig(Path("pages"), validation_share=0.2, judge_share=0.3)


def test_every_page_is_in_one_part_and_no_person_in_two(seed: int) -> None:
    log = uniform_log(seed, pages=500, people=50)
    split = split_by_person(log, CONFIG)
    parts = [split.train, split.judge, split.validation]
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    people = [set(log.person_ids[rows].tolist()) for rows in parts]
    assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    assert [len(part) for part in people] == [25, 15, 10]


def test_the_split_is_the_same_for_one_seed_and_another_for_another(seed: int) -> None:
    log = uniform_log(seed, pages=500, people=50)
    split, again = split_by_person(log, CONFIG), split_by_person(log, CONFIG)
    other = split_by_person(log, dataclasses.replace(CONFIG, seed=1))
    assert np.array_equal(split.train, again.train)
    assert not np.array_equal(split.train, other.train)


def test_a_persons_part_does_not_depend_on_the_order_of_pages(seed: int) -> None:
    log = uniform_log(seed, pages=200, people=20)
    order = np.random.default_rng(seed).permutation(200)
    split, shuffled = split_by_person(log, CONFIG), split_by_person(log.select(order), CONFIG)
    assert set(order[shuffled.judge].tolist()) == set(split.judge.tolist())


@pytest.mark.parametrize(("validation", "judge", "train"), [(0.0, 0.0, 20), (0.5, 0.5, 0)])
def test_shares_may_take_nothing_or_everything(
    seed: int, validation: float, judge: float, train: int
) -> None:
    log = uniform_log(seed, pages=200, people=20)
    config = dataclasses.replace(CONFIG, validation_share=validation, judge_share=judge)
    split = split_by_person(log, config)
    assert len(set(log.person_ids[split.train].tolist())) == train


def test_by_time_the_latest_pages_of_everybody_validate(seed: int) -> None:
    log = uniform_log(seed, pages=500, people=50)
    times = np.random.default_rng(seed).integers(0, 300, 500)
    log = dataclasses.replace(log, timestamps=times)
    config = dataclasses.replace(CONFIG, validation=Validation.TIME)
    split = split_pages(log, config)
    parts = [split.train, split.judge, split.validation]
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    earlier = np.concatenate([split.train, split.judge])
    assert times[earlier].max() < times[split.validation].min()
    assert 100 <= len(split.validation) <= 100 + np.bincount(times).max()
    people = [set(log.person_ids[rows].tolist()) for rows in (split.train, split.judge)]
    assert not people[0] & people[1]
    assert len(people[1]) / 50 == pytest.approx(0.3 / 0.8, abs=0.02)
    again = split_pages(log, config)
    assert np.array_equal(split.train, again.train)
    assert (
        split_pages(log, CONFIG).validation.tolist()
        == split_by_person(log, CONFIG).validation.tolist()
    )


def test_no_more_pages_validate_or_judge_than_are_asked_for(seed: int) -> None:
    log = uniform_log(seed, pages=400, people=400)
    few = dataclasses.replace(CONFIG, validation_pages=7, judge_pages=11)
    for validation in Validation:
        split = split_pages(log, dataclasses.replace(few, validation=validation))
        assert 1 <= len(split.judge) <= 16
        assert 1 <= len(split.validation) <= 20
        everyone = np.concatenate([split.train, split.judge, split.validation])
        assert sorted(everyone.tolist()) == list(range(400))


def test_pages_of_one_time_cannot_be_split_by_it(seed: int) -> None:
    log = uniform_log(seed, pages=100, people=20)
    log = dataclasses.replace(log, timestamps=np.full(100, 7))
    split = split_pages(log, dataclasses.replace(CONFIG, validation=Validation.TIME))
    assert (len(split.train), len(split.validation)) == (0, 100)


def test_requests_have_no_rules_and_consecutive_seeds(seed: int) -> None:
    log = uniform_log(seed, pages=7)
    weights = torch.rand(7, 2)
    pages = log.batch(np.arange(7))
    batch = as_requests(pages, weights, log.schema, slots=4, seed=2**40, temperature=0.5)
    assert batch.seeds.tolist() == list(range(2**40, 2**40 + 7))
    assert (batch.pins == -1).all()
    assert batch.pins.shape == (7, 4)
    assert (batch.dedup_keys == -1).all()
    assert batch.spacing.shape == batch.quotas.shape == (7, 0, 2)
    assert batch.slots.tolist() == [4] * 7
    assert batch.temperature.tolist() == [0.5] * 7
    assert batch.greedy.all()
    assert torch.equal(batch.weights, weights)
    assert all(map(torch.equal, batch.features, pages.features))
