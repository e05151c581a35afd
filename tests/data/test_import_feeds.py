"""Pages that follow each other: what was shown on the page before stands above the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError, import_log, write_imported

MAPPING: dict[str, Any] = {
    "page": {"id": "page", "person": "who", "feed": "visit", "feed_order": "number"},
    "shown": {"item": "sku", "slot": "slot"},
    "feedback": {"click": {"column": "clicked"}},
    "candidate": {
        "price": {"kind": "dense"},
        "seller": {"kind": "id", "values": ["s0", "s1", "s2"], "group": True},
        "fresh": {"kind": "flag"},
    },
}
PAGES = [  # page, who, visit, number, time, items
    ("p2", "a", "v1", 2, 30, "cdef"),
    ("p1", "a", "v1", 1, 10, "abcd"),
    ("p4", "b", "v1", 1, 20, "ab"),
    ("p3", "a", "v1", 3, 50, "ga"),
    ("p5", "b", "v1", 2, 60, "ba"),
    ("p6", "a", "v2", 1, 70, "cd"),
    ("p7", "a", None, None, 80, "ef"),
    ("p8", "a", None, None, 90, "gh"),
]
SELLERS = {item: place % 3 for place, item in enumerate("abcdefgh")}


def rows(pages: list[tuple[Any, ...]] | None = None) -> pd.DataFrame:
    """A row per shown item."""
    table = [
        (page, who, visit, number, time, slot, item, 0, float(SELLERS[item]))
        for page, who, visit, number, time, items in pages or PAGES
        for slot, item in enumerate(items)
    ]
    names = ["page", "who", "visit", "number", "time", "slot", "sku", "clicked", "price"]
    frame = pd.DataFrame(table, columns=names)
    frame["seller"] = [f"s{SELLERS[item]}" for item in frame["sku"]]
    frame["fresh"] = frame["sku"].isin(list("ace"))
    return frame.astype({"number": "Int64"})


def mapping(**page: Any) -> dict[str, Any]:
    told = {name: value for name, value in (MAPPING["page"] | page).items() if value is not None}
    return MAPPING | {"page": told}


def told(log: ExposureLog) -> dict[str, list[tuple[str, int, int]]]:
    """Page -> (candidate of the page that it is, seller, fresh) of each slot above it."""
    assert log.above is not None
    found = {}
    for row, page in enumerate(log.page_ids):
        names = log.candidate_names[slice(*log.candidate_offsets[row : row + 2])]
        above = slice(*log.above.offsets[row : row + 2])
        columns = (log.above.features[name][above].tolist() for name in ("seller", "fresh"))
        keys = [names[key] if key >= 0 else "-" for key in log.above.dedup_keys[above]]
        found[str(page)] = list(zip(keys, *columns, strict=True))
    return found


def slots(items: str, again: str = "") -> list[tuple[str, int, int]]:
    return [(i if i in again else "-", SELLERS[i], int(i in "ace")) for i in items]


EXPECTED = {
    "p1": [], "p2": slots("bcd", "cd"), "p3": slots("def"), "p4": [], "p5": slots("ab", "ab"),
    "p6": [], "p7": [], "p8": [],
}  # fmt: skip


def test_the_last_slots_of_the_page_before_stand_above(tmp_path: Path) -> None:
    done = write_imported(rows(), mapping(), tmp_path)
    assert told(ExposureLog.read(tmp_path)) == EXPECTED
    assert done.below == 3 and done.pages == 8


def test_the_order_of_rows_does_not_matter_and_time_may_order(seed: int) -> None:
    shuffled = rows().sample(frac=1, random_state=seed)
    by_time = mapping(feed_order=None, time="time", time_unit="s")
    assert told(import_log(shuffled, mapping())) == EXPECTED
    assert told(import_log(shuffled, by_time)) == EXPECTED


@pytest.mark.parametrize("most", [1, 2, 9])
def test_as_many_slots_stand_above_as_are_asked_for(most: int) -> None:
    found = told(import_log(rows(), mapping(above_slots=most)))
    assert found["p2"] == slots("abcd"[-most:], "cd") and found["p3"] == slots("cdef"[-most:])


def test_wide_tables_have_feeds_too() -> None:
    columns = ["price", "seller", "fresh", "sku", "clicked"]
    table = (
        rows()
        .groupby("page", as_index=False)
        .agg({**dict.fromkeys(("who", "visit", "number"), "first"), **dict.fromkeys(columns, list)})
    )
    wide = mapping() | {"layout": "wide", "shown": {"item": "sku"}}
    assert told(import_log(table, wide)) == EXPECTED


def test_pages_in_many_chunks_keep_what_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gerank.data.importing.write.PAGES_PER_ROW_GROUP", 2)
    assert told(import_log(rows(), mapping())) == EXPECTED


def test_without_a_feed_no_column_tells_of_one() -> None:
    assert import_log(rows(), mapping(feed=None, feed_order=None)).above is None


def test_a_page_that_was_left_out_stands_above_none(tmp_path: Path) -> None:
    table = rows()
    table.loc[table["page"] == "p2", "price"] = np.nan
    done = write_imported(table, mapping(), tmp_path, skip_bad=True)
    assert done.pages == 7
    assert told(ExposureLog.read(tmp_path))["p3"] == slots("bcd")


def swapped(place: int, **changes: Any) -> pd.DataFrame:
    """The rows, one of the pages with another visit or number."""
    names = ("page", "who", "visit", "number", "time", "items")
    pages = [dict(zip(names, page, strict=True)) for page in PAGES]
    pages[place] |= changes
    return rows([tuple(page.values()) for page in pages])


@pytest.mark.parametrize(
    ("table", "page", "words"),
    [
        (swapped(0, number=1), {}, r"column 'number': '1' is the place of two pages of a feed"),
        (
            swapped(0, time=10),
            {"feed_order": None, "time": "time", "time_unit": "s"},
            r"column 'time': '10000000' is the place of two pages of a feed; give page\.feed_order",
        ),
        (swapped(0, number=None), {}, r"page 'p2', column 'number': has no value"),
        (rows(), {"feed_order": "price"}, r"column 'price': .* is not what another row of the"),
        (rows(), {"feed": "visits"}, r"page\.feed: .*visits"),
        (rows(), {"feed": None}, r"page\.feed_order: is the order within feed, which is missing"),
        (rows(), {"feed_order": None}, r"page\.feed: its pages need an order: give feed_order or"),
        (rows(), {"above_slots": 0}, r"page\.above_slots: 0 is not in \[1, 127\]"),
    ],
)
def test_what_does_not_fit_is_named(table: pd.DataFrame, page: dict[str, Any], words: str) -> None:
    with pytest.raises(ImportLogError, match=words):
        import_log(table, mapping(**page))


def test_rows_of_a_page_that_name_two_feeds_are_refused() -> None:
    table = rows()
    table.loc[0, "visit"] = "v9"
    with pytest.raises(ImportLogError, match=r"column 'visit': 'v9' is not what another row"):
        import_log(table, mapping())
