"""Times of foreign logs, texts that no name stands for, and values that a table tells by itself."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import gerank.data
from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError, write_imported
from tests.data.foreign_lists import listed, source
from tests.data.foreign_tables import LONG, LONG_MAP, WIDE, WIDE_MAP, mapping, table


def test_an_id_may_have_a_value_for_all_unknown_texts() -> None:
    changes = {"candidate.colour": {"kind": "id", "values": ["red"], "unknown": True, "default": 0}}
    log = gerank.data.import_log(table(LONG), mapping(LONG_MAP, changes))
    feature = next(f for f in log.schema.candidate if f.name == "colour")
    assert feature.values == ("red", "<unknown>")
    assert dict(zip(log.candidate_names, log.candidate["colour"], strict=True)) == {
        "x": 0,
        "y": 1,
        "ü": 0,
    }
    assert feature.encode("green") == 1


HOUR = 3_600


@pytest.mark.parametrize("kind", ["seconds", "timestamp", "text"])
def test_times_become_ages_and_hours_of_the_day(kind: str) -> None:
    base = 1_700_000_000 // (24 * HOUR) * 24 * HOUR  # midnight, UTC
    pages = [
        base + 30 * HOUR,
        base + 40 * HOUR,
        base + 30 * HOUR,
        base + 40 * HOUR,
        base + 30 * HOUR,
    ]
    made = [base, base + 39 * HOUR + 1800, base + 39 * HOUR + 1800, base, None]
    values: Any = made
    unit = "s" if kind == "seconds" else None
    if kind != "seconds":
        moments = [
            None if v is None else datetime.datetime.fromtimestamp(v, datetime.UTC) for v in made
        ]
        values = moments if kind == "timestamp" else [m and m.isoformat() for m in moments]
    changes = {
        "candidate.age": {"kind": "age_hours", "column": "made", "default": 99.0},
        "candidate.hour": {"kind": "hour", "column": "made", "default": 0},
        "user.hour": {"kind": "hour", "column": "at", "time_unit": "s"},
    }
    if unit:
        changes["candidate.age"]["time_unit"] = changes["candidate.hour"]["time_unit"] = unit
    given = table(LONG | {"at": pages, "made": values})
    log = gerank.data.import_log(given, mapping(LONG_MAP, changes))
    assert log.page_ids.tolist() == ["b", "a"]
    ages = log.candidate["age"].tolist()
    assert log.candidate_names.tolist() == ["x", "y", "ü", "x", "y"]
    assert ages == [30.0, 0.0, 99.0, 40.0, 0.5]
    assert log.candidate["hour"].tolist() == [0, 15, 0, 0, 15]
    assert log.user["hour"].tolist() == [6, 16]
    hour = log.schema.user[0]
    assert (hour.vocabulary, hour.hashed, hour.values) == (24, False, ())


def test_ages_of_items_that_another_table_tells_of() -> None:
    items = pa.table({"sku": ["x", "y", "ü"], "made": [0, -HOUR, 3 * HOUR]})
    age = {"kind": "age_hours", "column": "made", "time_unit": "s", "table": "items"}
    changes = {"items": {"key": "sku"}, "candidate.age": age}
    at = [2 * HOUR] * 5
    log = gerank.data.import_log(table(LONG | {"at": at}), mapping(LONG_MAP, changes), items=items)
    found = dict(zip(log.candidate_names, log.candidate["age"].tolist(), strict=True))
    assert found == {"x": 2.0, "y": 3.0, "ü": 0.0}


def test_an_age_keeps_its_precision_where_candidates_come_from_another_table() -> None:
    """A moment in microseconds is no float32 on its way."""
    base = 1_700_000_000
    candidates = pa.table({"request": ["a", "b"], "sku": ["z", "z"]})
    age = {"kind": "age_hours", "column": "made", "time_unit": "s", "default": 5.0}
    changes = {
        "candidates": {"page": "request", "item": "sku"},
        "candidate": {"age": age},
    }
    given = table(LONG | {"at": [base + 36] * 5, "made": [base] * 5})
    log = gerank.data.import_log(given, mapping(LONG_MAP, changes), candidates=candidates)
    found = dict(zip(log.candidate_names, log.candidate["age"].tolist(), strict=True))
    assert found == pytest.approx({"x": 0.01, "y": 0.01, "ü": 0.01, "z": 5.0})


@pytest.mark.parametrize("page", [{"time": None, "time_unit": None}, {"time_unit": "order"}])
def test_an_age_needs_the_pages_time(page: dict[str, Any]) -> None:
    changes: dict[str, Any] = {f"page.{name}": value for name, value in page.items()}
    age = {"kind": "age_hours", "column": "at", "time_unit": "s"}
    with pytest.raises(ImportLogError, match=r"candidate.age: age_hours: needs the page's time"):
        gerank.data.import_log(source(), mapping(LONG_MAP, changes | {"candidate.age": age}))


FREQUENT = {"kind": "id", "min_count": 2, "default": "<unknown>"}
LISTED = {"kind": "ids", "longest": 2, "min_count": 3}


@pytest.mark.parametrize("layout", ["long", "wide", "items"])
def test_values_that_are_frequent_have_rows_of_their_own_and_rare_ones_share_one(
    layout: str, tmp_path: Path
) -> None:
    base, items, changes = LONG_MAP, None, dict[str, Any]()
    tags = [["a", "b"], ["b", "c"], ["b"], ["d", "c"], None]
    colours = ["red", "blue", "blue", "red", "green"]
    if layout == "wide":
        base = WIDE_MAP
        of_item = {"x": 0, "y": 1, "ü": 4}
        pick = [[of_item[item] for item in page] for page in WIDE["skus"]]
        columns = {"tags": tags, "colour": colours}
        lists = {n: [[v[k] for k in page] for page in pick] for n, v in columns.items()}
        given = table(WIDE | lists)
    else:
        given = table(LONG | {"tags": tags, "colour": colours})
    if layout == "items":
        items = pa.table({"sku": ["x", "y", "ü"], "tags": [["a", "b"], ["b", "c"], ["b"]],
                          "colour": ["red", "red", "green"]})  # fmt: skip
        changes = {"items": {"key": "sku"}}
    where = {"table": "items"} if items is not None else {}
    changes |= {"candidate.colour": FREQUENT | where, "candidate.tags": LISTED | where}
    done = write_imported(given, mapping(base, changes), tmp_path, others={"items": items})
    log = ExposureLog.read(tmp_path)
    of_name = {feature.name: feature for feature in log.schema.candidate}
    least = {"items": ("red", "<unknown>")}.get(layout, ("blue", "red", "<unknown>"))
    assert of_name["colour"].values == least
    code = of_name["colour"].encode("green")
    found = dict(zip(log.candidate_names, log.candidate["colour"], strict=True))
    assert found["ü"] == code == len(least) - 1
    assert done.unknown["candidate.colour"] == 1
    assert of_name["tags_0"].values == ("b", "<unknown>", "<empty>")
    assert of_name["tags_1"].encode("zzz") == 1
    assert listed(log, "tags", 2)["x"] == ([1, 1] if layout == "long" else [1, 0])


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"kind": "id", "column": "colour", "min_count": 9}, "0 values are there 9 times or more"),
        ({"kind": "id", "column": "place", "min_count": 1}, "a column of type BIGINT holds no"),
        ({"kind": "ids", "longest": 2, "column": "codes", "min_count": 1}, "BIGINT holds no texts"),
        ({"kind": "id", "column": "sku", "min_count": -1}, "min_count: -1 is not >= 1"),
        ({"kind": "id", "min_count": 1, "vocabulary": 8}, "min_count: is in place of values"),
        ({"kind": "dense", "min_count": 1}, "min_count: is of id and ids, not of dense"),
        ({"kind": "id", "column": "colours", "min_count": 1}, "candidate.more: .*'colours'"),
    ],
)
def test_what_min_count_cannot_take_is_told(feature: dict[str, Any], message: str) -> None:
    with pytest.raises(ImportLogError, match=message):
        gerank.data.import_log(source(), mapping(LONG_MAP, {"candidate.more": feature}))
