"""An inspection of a log in files: the figures of one in memory, and never all names at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gerank.data import exposure_log
from gerank.data.exposure_log import ExposureLog
from gerank.data.mapped_texts import MappedTexts
from gerank.train.inspection.exploration import exploration_figures
from gerank.train.inspection.pages import page_figures
from tests.train.tiny import CANDIDATES, tiny_log

PAGES, WINDOW = 6000, 500


def test_figures_are_those_of_a_log_in_memory_and_names_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tiny_log(PAGES)[0]
    again = np.r_[np.arange(PAGES), 7, 8, 8]
    twice = log.select(again)
    ids = np.array([f"page {row}" for row in range(len(again))], np.object_)
    replace(twice, page_ids=ids).write(tmp_path)
    whole = ExposureLog.read(tmp_path)
    expected = page_figures(whole, None), exploration_figures(whole)
    assert expected[0].repeated_pages == 3
    assert expected[0].items == len(set(whole.candidate_names.tolist()))
    assert expected[1].often_shown > 10

    monkeypatch.setattr(exposure_log, "_PAGES_OF_A_WINDOW", WINDOW)
    mapped = ExposureLog.read(tmp_path, memory_mb=1)
    assert mapped.store.is_mapped
    held: list[int] = []
    read, chosen = MappedTexts.__array__, MappedTexts.__getitem__

    def all_read(texts: MappedTexts, *arguments: Any, **named: Any) -> Any:
        held.append(len(texts))
        return read(texts, *arguments, **named)

    def some_read(texts: MappedTexts, places: Any) -> Any:
        found = chosen(texts, places)
        held.append(np.size(found))
        return found

    monkeypatch.setattr(MappedTexts, "__array__", all_read)
    monkeypatch.setattr(MappedTexts, "__getitem__", some_read)
    assert (page_figures(mapped, None), exploration_figures(mapped)) == expected
    assert max(held) <= WINDOW * CANDIDATES
