"""The exposure log: what is written comes back; pages are selected and batched."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gerank.data.exposure_fields import LoggedAbove
from gerank.data.exposure_log import FILE_NAME, ExposureLog, ExposureLogError
from gerank.train.orders import name_ranks, score_slates, shuffled_slates
from tests.data.exposure_logs import assert_same, random_log


def test_reading_gives_back_what_was_written(tmp_path: Path, seed: int) -> None:
    log = random_log(seed).with_ranges()
    log.write(tmp_path / "new" / "folder")
    assert_same(ExposureLog.read(tmp_path / "new" / "folder"), log)


def test_what_stood_above_travels_with_the_pages(tmp_path: Path, seed: int) -> None:
    log = random_log(seed, 40, feeds=True)
    log.write(tmp_path)
    back = ExposureLog.read(tmp_path)
    assert_same(back, log)
    assert back.above is not None and len(back.above.dedup_keys)
    rows = np.random.default_rng(seed).integers(40, size=20)
    assert_same(back.select(rows), log.select(rows))


def test_a_batch_tells_what_stood_above_each_page(seed: int) -> None:
    log = random_log(seed, 40, feeds=True)
    assert log.above is not None
    rows = np.random.default_rng(seed).permutation(40)[:9]
    batch = log.batch(rows)
    counts = np.diff(log.above.offsets)[rows]
    assert batch.above_mask.shape == (9, max(counts))
    for place, (row, count) in enumerate(zip(rows, counts, strict=True)):
        slots = slice(log.above.offsets[row], log.above.offsets[row + 1])
        padding = max(counts) - count
        assert batch.above_mask[place].tolist() == [False] * padding + [True] * count
        for column, name in enumerate(("seller", "fresh")):
            expected = log.above.features[name][slots]
            np.testing.assert_array_equal(batch.above_ids[place, padding:, column], expected)
        shown = log.slates[log.slate_offsets[row] : log.slate_offsets[row + 1]]
        keys = [-1 if key in shown else key for key in log.above.dedup_keys[slots]]
        assert batch.above_dedup_keys[place, padding:].tolist() == keys
        assert not batch.above_ids[place, :padding].any()
        assert (batch.above_dedup_keys[place, :padding] == -1).all()


def test_a_log_without_feeds_has_no_columns_of_them(tmp_path: Path) -> None:
    random_log(2).write(tmp_path)
    assert not [name for name in pq.read_schema(tmp_path / FILE_NAME).names if "above" in name]
    batch = ExposureLog.read(tmp_path).batch(np.arange(5))
    assert batch.above_ids.shape == (5, 0, 2) and batch.above_mask.shape == (5, 0)


def test_a_log_without_pages_travels_too(tmp_path: Path) -> None:
    empty = random_log(1).select(np.zeros(0, dtype=np.int64))
    empty.write(tmp_path)
    back = ExposureLog.read(tmp_path)
    assert len(back) == 0
    assert back.batch(np.zeros(0, dtype=np.int64)).candidate_dense.shape == (0, 0, 2)


def test_row_groups_of_a_long_log_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank.data.exposure_parquet.PAGES_PER_ROW_GROUP", 5)
    log = random_log(3, pages=23)
    log.write(tmp_path)
    assert pq.ParquetFile(tmp_path / FILE_NAME).num_row_groups == 5
    assert_same(ExposureLog.read(tmp_path), log)


def test_writing_replaces_an_older_log(tmp_path: Path) -> None:
    random_log(1).write(tmp_path)
    newer = random_log(2)
    newer.write(tmp_path)
    assert_same(ExposureLog.read(tmp_path), newer)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_write_that_fails_leaves_the_older_log_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = random_log(1)
    older.write(tmp_path)

    def half_written(table: pa.Table, file: BinaryIO, **options: Any) -> None:
        file.write(b"PAR1 and then the disk is full")
        raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", half_written)
    with pytest.raises(OSError, match="No space left"):
        random_log(2).write(tmp_path)
    assert_same(ExposureLog.read(tmp_path), older)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_log_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    log = random_log(1)
    log.candidate["price"][4] = np.inf
    with pytest.raises(ExposureLogError, match=r"candidate\.price.*inf is not a finite float32"):
        log.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_selected_pages_are_the_pages(seed: int) -> None:
    log = random_log(seed)
    rows = np.random.default_rng(seed).integers(len(log), size=20)
    chosen = log.select(rows)
    for place, row in enumerate(rows):
        assert_same(chosen.select(np.array([place])), log.select(np.array([row])))
    first = log.select(np.array([5]))
    items = slice(*log.candidate_offsets[5:7])
    np.testing.assert_array_equal(first.candidate["seller"], log.candidate["seller"][items])
    np.testing.assert_array_equal(first.slates, log.slates[slice(*log.slate_offsets[5:7])])


def test_rows_may_be_a_mask() -> None:
    log = random_log(4)
    mask = log.user["home"] > 2
    assert_same(log.select(mask), log.select(np.flatnonzero(mask)))


@pytest.mark.parametrize("row", [-1, 12])
def test_rows_outside_the_log_are_refused(row: int) -> None:
    log = random_log(1)
    with pytest.raises(IndexError, match=f"row {row} of a log of 12 pages"):
        log.select(np.array([0, row]))
    with pytest.raises(IndexError, match=f"row {row} of a log of 12 pages"):
        log.batch(np.array([0, row]))


@pytest.mark.parametrize("max_slots", [None, 1, 2, 50])
def test_a_batch_holds_each_page_and_nothing_behind_it(seed: int, max_slots: int | None) -> None:
    log = random_log(seed)
    rows = np.random.default_rng(seed).permutation(len(log))[:7]
    batch = log.batch(rows, max_slots)
    lengths = [np.diff(log.candidate_offsets)[row] for row in rows]
    assert batch.candidate_mask.shape[1] == max(lengths)
    shown = [min(np.diff(log.slate_offsets)[row], max_slots or 99) for row in rows]
    assert batch.slates.shape[1] == max(shown)
    for place, (row, m, n) in enumerate(zip(rows, lengths, shown, strict=True)):
        items = slice(log.candidate_offsets[row], log.candidate_offsets[row] + m)
        slots = slice(log.slate_offsets[row], log.slate_offsets[row] + n)
        assert batch.candidate_mask[place].tolist() == [True] * m + [False] * (max(lengths) - m)
        for column, name in enumerate(("price", "score")):
            expected = log.candidate[name][items]
            np.testing.assert_array_equal(batch.candidate_dense[place, :m, column], expected)
        for column, name in enumerate(("seller", "fresh")):
            expected = log.candidate[name][items]
            np.testing.assert_array_equal(batch.candidate_ids[place, :m, column], expected)
        assert batch.user_dense[place].tolist() == [log.user["age"][row]]
        assert batch.user_ids[place].tolist() == [log.user["home"][row]]
        np.testing.assert_array_equal(batch.slates[place, :n], log.slates[slots])
        for name in ("clicks", "log_propensity", "placement_propensity"):
            expected = getattr(log, name)[slots]
            np.testing.assert_array_equal(getattr(batch, name)[place, :n], expected)
        assert not batch.candidate_dense[place, m:].any()
        assert not batch.candidate_ids[place, m:].any()
        assert (batch.slates[place, n:] == -1).all()
        assert not batch.clicks[place, n:].any()
        assert not batch.log_propensity[place, n:].any()


def test_a_batch_has_the_types_that_models_take() -> None:
    batch = random_log(1).batch(np.arange(3))
    kinds = {name: getattr(batch, name).dtype for name in batch._fields}
    whole = {"user_ids", "candidate_ids", "slates", "above_ids", "above_dedup_keys"}
    for name, dtype in kinds.items():
        expected = torch.int64 if name in whole else torch.float32
        assert dtype == (torch.bool if name.endswith("_mask") else expected), name


def test_a_batch_of_no_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="max_slots is 0, not >= 1"):
        random_log(1).batch(np.arange(3), max_slots=0)


def test_ranges_are_those_of_the_columns() -> None:
    log = random_log(5)
    ranges = {f.name: (f.minimum, f.maximum) for f in log.with_ranges().schema.candidate}
    assert ranges["price"] == (log.candidate["price"].min(), log.candidate["price"].max())
    assert ranges["seller"] == (None, None)
    assert log.with_ranges().schema.user[0].maximum == log.user["age"].max()


def _above(log: ExposureLog, **changes: Any) -> LoggedAbove:
    """One slot above each page, of a new seller; with changes."""
    ones = np.ones(len(log), np.int64)
    above = LoggedAbove(np.arange(len(log) + 1), -ones, {"seller": ones, "fresh": ones})
    return replace(above, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: {"user": {"age": log.user["age"]}}, r"column 'user\.home' is missing"),
        (
            lambda log: {"candidate": {**log.candidate, "colour": log.candidate["fresh"]}},
            r"column 'candidate\.colour' is not in the schema",
        ),
        (lambda log: {"clicks": log.clicks.astype(np.float64)}, "'feedback.click' is float64"),
        (lambda log: {"timestamps": log.timestamps[1:]}, r"'timestamp' has shape \(11,\), not"),
        (
            lambda log: {"candidate_names": log.candidate_names[1:]},
            r"'candidate\.id' has shape",
        ),
        (lambda log: {"slate_offsets": log.slate_offsets + 1}, "does not rise from 0"),
        (lambda log: {"above": _above(log, features={})}, r"column 'above\.fresh' is missing"),
        (
            lambda log: {"above": _above(log, dedup_keys=np.zeros(3, np.int64))},
            r"column 'above\.dedup_key' has shape \(3,\), not \(12,\)",
        ),
    ],
)
def test_columns_that_do_not_fit_each_other_make_no_log(
    change: Callable[[ExposureLog], dict[str, Any]], message: str
) -> None:
    log = random_log(1)
    with pytest.raises(ExposureLogError, match=message):
        replace(log, **change(log))


def test_one_long_name_among_many_costs_what_it_is_long(tmp_path: Path) -> None:
    """A column as wide as its longest name would take 200 MB here."""
    log = random_log(5, pages=1500)
    names = log.candidate_names.copy()
    names[7] = long = "n" * 5000
    replace(log, candidate_names=names).write(tmp_path)
    tracemalloc.start()
    back = ExposureLog.read(tmp_path)
    back.select(np.arange(1000)).batch(np.arange(10))
    score_slates(back, "score", slots=3)
    shuffled_slates(back, slots=3)
    name_ranks(back, np.arange(len(back)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert back.candidate_names[7] == long
    assert peak < 10e6, f"{peak / 1e6:.0f} MB"


@pytest.mark.parametrize("kind", [np.str_, np.object_])
def test_texts_of_every_kind_of_array_are_strings_inside(kind: Any) -> None:
    log = random_log(6)
    given = replace(log, page_ids=np.array(log.page_ids.tolist(), dtype=kind))
    assert given.page_ids.dtype == np.object_
    assert all(type(name) is str for name in given.page_ids)
    assert given.page_ids.tolist() == log.page_ids.tolist()


@pytest.mark.parametrize("value", [5, None, b"page"], ids=repr)
def test_texts_that_are_none_make_no_log(value: object) -> None:
    log = random_log(7)
    names = log.page_ids.copy()
    names[3] = value
    with pytest.raises(ExposureLogError, match="column 'page_id' is object, not a string"):
        replace(log, page_ids=names)


def test_propensities_may_be_left_out_or_unknown_and_nothing_is_invented(tmp_path: Path) -> None:
    log = random_log(4)
    unknown = np.full_like(log.log_propensity, np.nan)
    log = replace(log, log_propensity=unknown, placement_propensity=unknown)
    log.write(tmp_path)
    assert_same(ExposureLog.read(tmp_path), log)
    path = tmp_path / FILE_NAME
    lacking = pq.read_table(path).drop_columns(["log_propensity", "placement_propensity"])
    pq.write_table(lacking, path)
    assert_same(ExposureLog.read(tmp_path), log)


def test_every_column_of_the_log_is_documented(tmp_path: Path) -> None:
    random_log(4, feeds=True).write(tmp_path)
    text = (Path(__file__).parents[2] / "docs/exposure_log.md").read_text(encoding="utf-8")
    for field in pq.read_schema(tmp_path / FILE_NAME):
        side, _, name = field.name.partition(".")
        told = name == "" or field.name in ("candidate.id", "feedback.click", "above.dedup_key")
        assert f"`{field.name if told else f'{side}.<feature>'}`" in text
