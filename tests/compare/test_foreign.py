"""Slates of another system: read whole, or refused by file, line and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gerank.compare.foreign import ForeignSlatesError, read_slates
from tests.train.tiny import SLOTS, tiny_log

LOG, _ = tiny_log(3, seed=5)
PAGES = [str(page) for page in LOG.page_ids]


def written(path: Path, *documents: Any) -> Path:
    path.write_text("".join(f"{d if isinstance(d, str) else json.dumps(d)}\n" for d in documents))
    return path


def line(page: int, order: Any) -> dict[str, Any]:
    return {"id": PAGES[page], "order": order}


def test_orders_are_taken_by_page_cut_and_padded(tmp_path: Path) -> None:
    path = written(tmp_path / "s", line(2, [5, 4, 3, 2]), line(0, [1]), line(1, []))
    slates = read_slates(path, LOG, SLOTS)
    assert slates.tolist() == [[1, -1, -1], [-1, -1, -1], [5, 4, 3]]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["{"], "s, line 1: not JSON: "),
        (["[1]"], r"s, line 1: '\[1\]' is not {\"id\": .., \"order\": ..}"),
        ([{"id": PAGES[0]}], "s, line 1: .* is not "),
        ([{"id": 7, "order": []}], "s, line 1: id is 7, not a text"),
        ([line(0, "012")], "s, line 1: order is '012', not a list"),
        (
            [{"id": "elsewhere", "order": []}],
            "s, line 1: id 'elsewhere' is no page of the test log",
        ),
        ([line(0, [0]), line(0, [1])], "s, line 2: id '.*' is in line 1 already"),
        ([line(0, [0, 6])], r"line 1: order\[1\] is 6, not the index of a candidate, 0..5"),
        ([line(0, [0, True])], r"line 1: order\[1\] is True, not the index of a candidate"),
        ([line(0, [-1])], r"line 1: order\[0\] is -1, not the index of a candidate"),
        ([line(0, [2, 1, 2])], r"line 1: order\[2\] is 2, which stands above it"),
        ([line(0, [0])], f"s: 2 of 3 test pages have no line, such as id '{PAGES[1]}'"),
    ],
)
def test_what_does_not_fit_is_named(documents: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ForeignSlatesError, match=message):
        read_slates(written(tmp_path / "s", *documents), LOG, SLOTS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForeignSlatesError, match=r"^--slates: .*/gone/s: no such file$"):
        read_slates(tmp_path / "gone" / "s", LOG, SLOTS)
