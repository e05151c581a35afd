from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gerank.train.orders import (
    exposed_slates,
    generated_slates,
    name_ranks,
    score_slates,
    shown_length,
    shuffled_slates,
)
from gerank.train.run_folder import RunError, RunFolder
from tests.data.exposure_logs import random_log
from tests.train.tiny import SLOTS, tiny_log
from tests.train.uniform_log import uniform_log


def test_exposed_slates_are_what_was_shown_cut_and_padded(seed: int) -> None:
    log = uniform_log(seed, pages=30, candidates=(1, 6))
    slates = exposed_slates(log, 4)
    assert slates.shape == (30, 4)
    for page, slate in enumerate(slates.tolist()):
        first, last = log.slate_offsets[page : page + 2]
        shown = log.slates[first:last].tolist()[:4]
        assert slate == shown + [-1] * (4 - len(shown))


def test_sorting_by_score_is_that_of_a_direct_loop(seed: int) -> None:
    log = uniform_log(seed, pages=30, candidates=(1, 6))
    coarse = {"score": log.candidate["score"].round()}  # with many ties
    log = dataclasses.replace(log, candidate=coarse)
    slates = score_slates(log, "score", 4)
    for page, slate in enumerate(slates.tolist()):
        first, last = log.candidate_offsets[page : page + 2]
        ranked = sorted(
            range(last - first),
            key=lambda m: (-log.candidate["score"][first + m], log.candidate_names[first + m]),
        )[:4]
        assert slate == ranked + [-1] * (4 - len(ranked))


def test_an_item_that_stands_above_does_not_come_again(seed: int) -> None:
    log = random_log(seed, 60, feeds=True)
    keys = log.slots_above(np.arange(60)).above_dedup_keys
    slates = [score_slates(log, "score", 9), shuffled_slates(log, 9)]
    counts = np.diff(log.candidate_offsets)
    for page in range(60):
        excluded = {key for key in keys[page].tolist() if key >= 0}
        for order in slates:
            shown = [m for m in order[page].tolist() if m >= 0]
            assert sorted(shown) == sorted(set(range(counts[page])) - excluded)
    assert (keys >= 0).any()


def test_sorting_by_score_does_not_see_the_logged_order(seed: int) -> None:
    log = uniform_log(seed, pages=1, candidates=(6, 6))
    order = np.random.default_rng(seed).permutation(6)
    tied = dataclasses.replace(log, candidate={"score": np.zeros(6, np.float32)})
    moved = dataclasses.replace(tied, candidate_names=log.candidate_names[order])
    left, right = (
        each.candidate_names[score_slates(each, "score", 6)[0]] for each in (tied, moved)
    )
    assert left.tolist() == right.tolist()


def test_an_unknown_score_is_named(seed: int) -> None:
    with pytest.raises(RunError, match="score feature 'ctr' is not one of score"):
        score_slates(uniform_log(seed), "ctr", 3)


def test_generated_slates_are_greedy_whatever_the_batch(run: RunFolder) -> None:
    log, _ = tiny_log(30, seed=2)
    generator, weights = run.load_generator(), torch.ones(1)
    together = generated_slates(generator, log, SLOTS, weights)
    apart = [
        generated_slates(generator, log.select(np.array([page])), SLOTS, weights)
        for page in range(30)
    ]
    assert torch.equal(together, torch.cat(apart))
    assert all(len(set(slate)) == SLOTS for slate in together.tolist())


def test_shuffled_slates_are_of_the_page_and_the_same_each_time(seed: int) -> None:
    log = uniform_log(seed, pages=30, candidates=(1, 6))
    slates = shuffled_slates(log, 4)
    assert torch.equal(slates, shuffled_slates(log, 4))
    for slate, size in zip(slates.tolist(), np.diff(log.candidate_offsets).tolist(), strict=True):
        length = min(size, 4)
        assert len({place for place in slate[:length] if 0 <= place < size}) == length
        assert slate[length:] == [-1] * (4 - length)


def test_every_candidate_is_shuffled_to_the_top_as_often(seed: int) -> None:
    log = uniform_log(seed, pages=4000, candidates=(4, 4))
    top = np.bincount(shuffled_slates(log, 1)[:, 0].numpy(), minlength=4) / 4000
    assert abs(top - 0.25).max() < 0.05


def test_shuffling_does_not_see_the_logged_order(seed: int) -> None:
    log = uniform_log(seed, pages=1, candidates=(6, 6))
    order = np.random.default_rng(seed).permutation(6)
    moved = dataclasses.replace(log, candidate_names=log.candidate_names[order])
    left, right = (each.candidate_names[shuffled_slates(each, 6)[0]] for each in (log, moved))
    assert left.tolist() == right.tolist()


def test_names_are_ranked_within_their_page(seed: int) -> None:
    log = uniform_log(seed, pages=20, candidates=(1, 6))
    ranks = name_ranks(log, np.arange(len(log)))
    for page, of_page in enumerate(ranks):
        first, last = log.candidate_offsets[page : page + 2]
        names = log.candidate_names[first:last]
        assert names[of_page[: last - first].numpy().argsort()].tolist() == sorted(names)
        assert (of_page[last - first :] > of_page[: last - first].max()).all()


def test_slates_are_cut_to_what_was_shown() -> None:
    logged = torch.tensor([[3, 1, -1], [2, -1, -1], [0, 1, 2]])
    slates = torch.tensor([[0, 1, 2], [3, 2, 1], [2, -1, -1]])
    assert shown_length(slates, logged).tolist() == [[0, 1, -1], [3, -1, -1], [2, -1, -1]]
