"""What an import must not take for something else: a page in two rows, times in another unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gerank.data.importing import ImportLogError, write_imported

MAPPING: dict[str, Any] = {
    "layout": "wide",
    "page": {"id": "page", "person": "person", "time": "time", "time_unit": "s"},
    "shown": {"item": "shown"},
    "feedback": {"click": {"column": "clicked"}},
    "candidate": {"score": {"kind": "dense", "column": "scores"}},
}


def pages(**changed: Any) -> pd.DataFrame:
    columns = {
        "page": ["p0", "p1", "p2"],
        "person": ["a", "b", "a"],
        "time": [1_700_000_000, 1_700_000_100, 1_700_000_200],
        "shown": [["x", "y"], ["z", "x"], ["u", "v"]],
        "clicked": [[0, 1], [0, 0], [1, 0]],
        "scores": [[0.5, 0.1], [0.2, 0.3], [0.4, 0.9]],
    }
    return pd.DataFrame(columns | changed)


def test_a_page_that_has_two_rows_is_refused_by_name(tmp_path: Path) -> None:
    for again in (["p0", "p1", "p0"], ["p0", "p0", "p1"]):
        words = r"column 'page': 'p0' names a page that has a row already"
        with pytest.raises(ImportLogError, match=words):
            write_imported(pages(page=again), MAPPING, tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_it_is_left_out_where_bad_rows_are_skipped(tmp_path: Path) -> None:
    table = pages(page=["p0", "p1", "p0"])
    done = write_imported(table, MAPPING, tmp_path / "log", skip_bad=True)
    assert done.pages == 1 and sum(done.left_out.values()) >= 1


def test_a_time_in_another_unit_is_refused_with_the_setting(tmp_path: Path) -> None:
    late = [1_700_000_000, 1_700_000_100_000, 1_700_000_200]
    words = r"'1700000100000' is after the year 2200, counted in s; see page.time_unit"
    with pytest.raises(ImportLogError, match=words):
        write_imported(pages(time=late), MAPPING, tmp_path / "log")


def test_a_log_is_not_replaced_by_the_one_that_is_imported_like_it(tmp_path: Path) -> None:
    write_imported(pages(), MAPPING, tmp_path / "log")
    before = {path: path.read_bytes() for path in (tmp_path / "log").iterdir()}
    with pytest.raises(ImportLogError, match="the earlier log would be replaced"):
        write_imported(pages(), MAPPING, tmp_path / "log", like=tmp_path / "log")
    assert {path: path.read_bytes() for path in (tmp_path / "log").iterdir()} == before
