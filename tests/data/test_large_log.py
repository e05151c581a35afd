"""A log that is larger than its share of memory lies in files, and is the same log."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.column_store import ColumnStore, ColumnStoreError
from gerank.data.exposure_log import FILE_NAME, ExposureLog, ExposureLogError
from gerank.data.mapped_texts import MappedTexts
from tests.data.exposure_logs import assert_same, random_log


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("gerank.data.exposure_parquet.PAGES_PER_ROW_GROUP", 5)
    monkeypatch.setattr("gerank.data.exposure_log._PAGES_OF_A_WINDOW", 4)
    random_log(7, pages=23, feeds=True).write(tmp_path)
    return tmp_path


def test_a_mapped_log_is_the_same_log(folder: Path) -> None:
    mapped, log = ExposureLog.read(folder, memory_mb=0), ExposureLog.read(folder)
    assert mapped.store.is_mapped
    assert not log.store.is_mapped
    assert isinstance(mapped.candidate_names, MappedTexts)
    assert_same(mapped, log)


def test_pages_of_a_mapped_log_are_selected_and_batched_alike(folder: Path) -> None:
    mapped, log = ExposureLog.read(folder, memory_mb=0), ExposureLog.read(folder)
    rows = np.array([22, 3, 3, 0, 17])
    assert_same(mapped.select(rows), log.select(rows))
    for ours, theirs in zip(mapped.batch(rows, 3), log.batch(rows, 3), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    assert mapped.candidate_names[2:5].tolist() == log.candidate_names[2:5].tolist()
    assert mapped.candidate_names[4] == log.candidate_names[4]


def test_windows_are_all_pages_in_their_order(folder: Path) -> None:
    mapped = ExposureLog.read(folder, memory_mb=0)
    windows = list(mapped.windows())
    assert [len(window) for window in windows] == [4, 4, 4, 4, 4, 3]
    for place, window in enumerate(windows):
        rows = np.arange(4 * place, 4 * place + len(window))
        assert_same(window, mapped.select(rows))


def test_a_mapped_log_can_be_written(folder: Path, tmp_path: Path) -> None:
    mapped = ExposureLog.read(folder, memory_mb=0)
    mapped.write(tmp_path / "copy")
    assert_same(ExposureLog.read(tmp_path / "copy"), mapped)


def test_parts_are_read_as_one_log(tmp_path: Path) -> None:
    log = random_log(7, pages=23)
    for name, rows in (("a", np.arange(9)), ("b", np.arange(9, 23))):
        log.select(rows).write(tmp_path / name)
        (tmp_path / name / FILE_NAME).rename(tmp_path / f"exposures-{name}.parquet")
    assert_same(ExposureLog.read(tmp_path), log)
    random_log(8, pages=2).write(tmp_path)  # the one file is the log, where it is there
    assert len(ExposureLog.read(tmp_path)) == 2


def test_a_part_of_another_schema_is_named(tmp_path: Path) -> None:
    log = random_log(7)
    log.with_ranges().write(tmp_path / "a")
    random_log(8).with_ranges().write(tmp_path / "b")
    for name in "ab":
        (tmp_path / name / FILE_NAME).rename(tmp_path / f"exposures-{name}.parquet")
    words = "exposures-b.parquet: its features are not those of .*exposures-a.parquet"
    with pytest.raises(ExposureLogError, match=words):
        ExposureLog.read(tmp_path)


def test_a_page_that_is_in_two_parts_is_named(tmp_path: Path) -> None:
    log = random_log(7)
    for name in "ab":
        log.write(tmp_path / name)
        (tmp_path / name / FILE_NAME).rename(tmp_path / f"exposures-{name}.parquet")
    words = "exposures-.*.parquet: column 'page_id', page 'page-0-é': .* names more than one page"
    with pytest.raises(ExposureLogError, match=words):
        ExposureLog.read(tmp_path)


def test_no_room_for_the_columns_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gerank.data.column_store.os.posix_fallocate", full)
    with pytest.raises(ColumnStoreError, match=r"no room for .* MiB .*TMPDIR .*data\.memory_mb"):
        ColumnStore.for_columns(1 << 20, 0).column(1 << 17, np.float32)


def test_no_room_for_what_was_written_last_is_told() -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ColumnStoreError, match=r"no room for .* MiB"):
        ColumnStore.for_columns(1 << 20, 0).mapped(Full(), 8, np.float32)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for memory")
def test_what_was_read_of_a_mapped_column_is_given_back() -> None:
    store = ColumnStore.for_columns(1 << 26, memory_mb=16)
    column = store.column(1 << 24, np.float32)
    column[:] = np.arange(1 << 24, dtype=np.float32)
    store.release_memory()
    before = resident()
    for first in range(0, 1 << 24, 1 << 16):
        places = np.arange(first, first + (1 << 16))
        assert column[places[-1]] == places[-1]
        assert column[places].min() == first
        store.read(places, columns=1)
        assert resident() - before < 12 << 20
    assert column.sum(dtype=np.float64) == sum(range(1 << 24))
    assert resident() - before > 60 << 20  # nobody took note of what the sum read
