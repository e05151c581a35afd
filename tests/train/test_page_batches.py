"""Batches of like length: every page once, little padding, answers in the order of the pages."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.train.page_batches import (
    PageBatches,
    at_most,
    by_page,
    length_classes,
    ordered_batches,
)
from tests.data.exposure_logs import random_log
from tests.train.uniform_log import uniform_log


def lengths_of(log: ExposureLog) -> np.ndarray:
    return np.diff(log.candidate_offsets)


def even_log(seed: int, pages: int) -> ExposureLog:
    """The same page many times, each with an id of its own."""
    log = uniform_log(seed, pages=1).select(np.zeros(pages, np.int64))
    ids = np.array([str(page) for page in range(pages)], np.object_)
    return replace(log, page_ids=ids)


@pytest.fixture
def uneven(seed: int, monkeypatch: pytest.MonkeyPatch) -> ExposureLog:
    """40 pages with different numbers of candidates, which are too many for any batch."""
    monkeypatch.setattr("gerank.train.page_batches._MIXED_CANDIDATES", 0)
    log = random_log(seed, pages=40)
    assert lengths_of(log).max() >= 2 * lengths_of(log).min()
    return log


def test_classes_hold_every_page_once_and_at_most_half_is_padding(seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 200, 500)
    classes = length_classes(lengths)
    assert sorted(np.concatenate(classes).tolist()) == list(range(500))
    for members in classes:
        assert lengths[members].max() < 2 * lengths[members].min()
        assert (np.diff(members) > 0).all()
    assert length_classes(np.zeros(0, np.int64)) == []


def test_the_mean_size_is_that_of_an_epochs_batches(uneven: ExposureLog, seed: int) -> None:
    batches = PageBatches(uneven, np.arange(40), 8)
    sizes = [len(batch) for batch in batches.epoch(seed)]
    assert min(sizes) < 8
    assert batches.mean_size == pytest.approx(np.mean(sizes))


def test_an_epoch_has_every_page_once(uneven: ExposureLog, seed: int) -> None:
    rows = np.arange(3, 40)
    batches = PageBatches(uneven, rows, 8)
    epoch = list(batches.epoch(seed))
    assert len(epoch) == len(batches)
    assert sorted(np.concatenate(epoch).tolist()) == list(range(len(rows)))
    assert [b.tolist() for b in epoch] == [b.tolist() for b in batches.epoch(seed)]
    assert [b.tolist() for b in epoch] != [b.tolist() for b in batches.epoch(seed + 1)]
    for places in epoch:
        lengths = lengths_of(uneven)[rows[places]]
        assert lengths.max() < 2 * lengths.min()
    assert sum(map(batches.share, epoch)) == pytest.approx(len(rows) / 8)


def test_small_batches_mix_all_lengths(seed: int) -> None:
    log = random_log(seed, pages=40)
    batches = PageBatches(log, np.arange(40), 8)
    together = np.random.default_rng(9).permutation(40)
    assert np.concatenate(list(batches.epoch(9))).tolist() == together.tolist()
    longest = int(lengths_of(log).max())
    size = (1 << 15) // longest + 1  # one page more than a batch that may mix
    assert len(PageBatches(log, np.arange(40), size - 1)) == 1
    assert len(PageBatches(log, np.arange(40), size)) == len(length_classes(lengths_of(log)))


def test_pages_of_one_length_are_shuffled_as_a_whole(seed: int) -> None:
    log = even_log(seed, pages=50)
    batches = PageBatches(log, np.arange(50), 20)
    together = np.random.default_rng(9).permutation(50)
    assert np.concatenate(list(batches.epoch(9))).tolist() == together.tolist()
    assert [len(places) for places in batches.epoch(9)] == [20, 20, 10]
    assert {len(places) for places in islice(batches.endless(9), 9)} == {20}


def test_no_page_is_left_out_for_ever(uneven: ExposureLog, seed: int) -> None:
    batches = PageBatches(uneven, np.arange(40), 8)
    seen = {place for places in islice(batches.endless(seed), 200) for place in places.tolist()}
    assert seen == set(range(40))


def test_a_log_of_fewer_pages_than_a_batch_is_a_full_batch(seed: int) -> None:
    batches = PageBatches(even_log(seed, pages=5), np.arange(5), 32)
    (places,) = batches.epoch(0)
    assert batches.share(places) == 1


def test_neighbours_stay_near_in_a_log_that_lies_in_files(seed: int, tmp_path: Path) -> None:
    even_log(seed, pages=40_000).write(tmp_path)
    mapped = ExposureLog.read(tmp_path, memory_mb=0)
    batches = PageBatches(mapped, np.arange(40_000), 128)
    epoch = list(batches.epoch(seed))
    order = np.concatenate(epoch)
    assert sorted(order.tolist()) == list(range(40_000))
    first = order[: 63 * 256 + 40_000 % 256]  # what 64 chunks hold at least: one may be short
    assert len(np.unique(first // 256)) <= 64
    assert len(np.unique(first[:128] // 256)) > 30


def test_answers_come_in_the_order_of_the_rows(uneven: ExposureLog, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(40)[:33]
    asked = []

    def answer(places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(places)
        pages = uneven.batch(rows[places])
        return pages.candidate_mask.sum(1), torch.from_numpy(rows[places]).unsqueeze(0)

    (lengths,) = by_page(uneven, rows, 8, lambda places: answer(places)[:1])
    assert lengths.tolist() == lengths_of(uneven)[rows].tolist()
    (told,) = by_page(uneven, rows, 8, lambda places: answer(places)[1:], dim=1)
    assert told.tolist() == [rows.tolist()]
    assert max(map(len, asked)) <= 8


def test_batches_in_order_hold_no_more_candidates_than_asked_for(uneven: ExposureLog) -> None:
    rows = np.arange(40)
    for places in ordered_batches(uneven, rows, 16, candidates=24):
        longest = lengths_of(uneven)[places].max()
        assert len(places) == 1 or len(places) * longest <= 24


def test_a_statistic_looks_at_pages_of_the_whole_log() -> None:
    rows = np.arange(10, 1010)
    assert at_most(rows, 1000) is rows
    some = at_most(rows, 100)
    assert len(np.unique(some)) == 100
    assert (some[0], some[-1]) == (10, 1009)
