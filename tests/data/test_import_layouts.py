"""Long and wide tables, candidates that were not shown, joined tables: what log they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gerank.data
from gerank.data.exposure_log import FILE_NAME, ExposureLog
from gerank.data.exposure_reading import read_facts
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.data.importing import ImportLogError, write_imported
from gerank.data.schema import hash_id
from tests.data.exposure_logs import assert_same
from tests.data.foreign_tables import (
    LONG,
    LONG_MAP,
    WIDE,
    WIDE_MAP,
    mapping,
    of_shown,
    shown,
    table,
)


def test_rows_in_any_order_become_pages_in_the_order_of_time() -> None:
    log = gerank.data.import_log(table(LONG), LONG_MAP)
    assert log.page_ids.tolist() == ["b", "a"]
    assert log.person_ids.tolist() == ["u2", "u1"]
    assert log.timestamps.tolist() == [100_000_000, 200_000_000]
    assert shown(log) == [["y", "ü", "x"], ["y", "x"]]
    assert log.clicks.tolist() == [0, 0, 1, 0, 1]
    assert of_shown(log, log.candidate["price"]) == [2.5, 0, 1.5, 2.5, 1.5]
    assert of_shown(log, log.candidate["price_missing"]) == [0, 1, 0, 0, 0]
    assert of_shown(log, log.candidate["colour"]) == [2, 0, 1, 2, 1]
    assert of_shown(log, log.candidate["fresh"]) == [0, 1, 1, 0, 1]
    assert of_shown(log, log.candidate["sku"]) == [hash_id(n) for n in "yüxyx"]
    assert log.schema.flags == ("fresh", "price_missing")


def test_candidates_are_in_the_order_of_their_names_which_tells_nothing_of_the_page() -> None:
    log = gerank.data.import_log(table(LONG), LONG_MAP)
    assert log.candidate_names.tolist() == ["x", "y", "ü", "x", "y"]
    assert log.slates.tolist() == [1, 2, 0, 1, 0]


def test_propensities_that_nobody_logged_are_unknown() -> None:
    log = gerank.data.import_log(table(LONG), LONG_MAP)
    assert np.isnan(log.log_propensity).all()
    assert np.isnan(log.placement_propensity).all()


def test_propensities_that_were_logged_are_kept() -> None:
    chance = [0.5, 0.25, 1.0, None, 0.125]
    source = table(LONG).append_column("chance", pa.array(chance))
    for key, column in (("choice", "log_propensity"), ("placement", "placement_propensity")):
        changed = mapping(LONG_MAP, {f"shown.{key}_propensity": "chance"})
        found = getattr(gerank.data.import_log(source, changed), column)
        expected = np.array([1.0, 0.125, 0.5, 0.25, np.nan], np.float32)
        np.testing.assert_allclose(found, np.log(expected) if key == "choice" else expected)


@pytest.mark.parametrize("click", [{"column": "clicked"}, {"ids": "clicked_skus"}])
def test_a_wide_table_gives_the_same_log_as_a_long_one(
    click: dict[str, str], tmp_path: Path
) -> None:
    wide = mapping(WIDE_MAP, {"feedback.click": click})
    write_imported(table(WIDE), wide, tmp_path / "wide")
    write_imported(table(LONG), LONG_MAP, tmp_path / "long")
    logs = [ExposureLog.read(tmp_path / name) for name in ("wide", "long")]
    assert_same(*logs)
    np.testing.assert_array_equal(*(log.feedback["dwell"] for log in logs))


def test_feedback_beyond_clicks_is_read_with_its_kind(tmp_path: Path) -> None:
    done = write_imported(table(LONG), LONG_MAP, tmp_path)
    assert done.further_feedback == ("dwell",)
    log = ExposureLog.read(tmp_path)
    assert log.schema.feedback == (FurtherFeedback("dwell", FeedbackKind.AMOUNT),)
    np.testing.assert_array_equal(log.feedback["dwell"], [np.nan, np.nan, 4, np.nan, 7.5])
    assert log.slate_offsets.tolist() == [0, 3, 5]
    facts = read_facts(tmp_path / FILE_NAME)
    assert facts["feedback"] == {"click": "flag", "dwell": "amount"}
    assert facts["time_unit"] == "us"
    assert facts["missing"] == {"candidate.price": 1, "candidate.colour": 1}
    assert len(log) == 2


def test_candidates_of_a_list_column_join_those_that_were_shown() -> None:
    lists = [["y", "x", "z"], ["y", "ü", "x", "w"]]
    source = table(WIDE).append_column("pool", pa.array(lists))
    for name, values in (
        ("price", [[2.5, 1.5, 9.0], [2.5, None, 1.5, 8.0]]),
        ("colour", [["blue", "red", "red"], ["blue", None, "red", "blue"]]),
        ("fresh", [[False, True, True], [False, True, True, False]]),
    ):
        source = source.set_column(source.schema.get_field_index(name), name, pa.array(values))
    log = gerank.data.import_log(source, mapping(WIDE_MAP, {"candidates.column": "pool"}))
    assert log.candidate_names.tolist() == ["w", "x", "y", "ü", "x", "y", "z"]
    assert shown(log) == [["y", "ü", "x"], ["y", "x"]]
    assert log.candidate["price"].tolist() == [8, 1.5, 2.5, 0, 1.5, 2.5, 9]
    assert log.candidate["sku"].tolist() == [hash_id(n) for n in "wxyüxyz"]


def test_candidates_of_a_second_table_join_those_that_were_shown(tmp_path: Path) -> None:
    others = pa.table(
        {
            "request": ["a", "a", "b", "elsewhere"],
            "item": ["z", "x", "w", "q"],
            "price": [9.0, 77.0, 8.0, 1.0],
            "colour": ["red", "red", "blue", "red"],
            "fresh": [True, False, False, True],
        }
    )
    pq.write_table(others, tmp_path / "others.parquet")
    told = {"source": "others.parquet", "page": "request", "item": "item"}
    toml = tmp_path / "map.toml"
    toml.write_text(_toml(mapping(LONG_MAP, {"candidates": told})), encoding="utf-8")
    log = gerank.data.import_log(table(LONG), toml)
    assert log.candidate_names.tolist() == ["w", "x", "y", "ü", "x", "y", "z"]
    assert log.candidate["price"].tolist() == [8, 1.5, 2.5, 0, 1.5, 2.5, 9]  # as shown, not 77


def test_every_item_of_the_log_can_be_a_candidate_of_every_page() -> None:
    changed = mapping(
        LONG_MAP,
        {"candidates.every_item": True, "candidate": {"sku": LONG_MAP["candidate"]["sku"]}},
    )
    log = gerank.data.import_log(table(LONG), changed)
    assert log.candidate_names.tolist() == ["x", "y", "ü"] * 2
    assert shown(log) == [["y", "ü", "x"], ["y", "x"]]


def test_items_and_people_are_looked_up_by_key() -> None:
    items = pa.table({"id": ["x", "y", "ü"], "weight": pa.array([1, 2, 3], pa.int8())})
    users = pa.table({"name": ["u1", "u2"], "age": [30.0, None]})
    changed = mapping(
        LONG_MAP,
        {
            "items": {"key": "id"},
            "users": {"key": "name"},
            "candidate.weight": {"kind": "dense", "table": "items"},
            "user.age": {"kind": "dense", "table": "users", "default": -1},
        },
    )
    log = gerank.data.import_log(table(LONG), changed, items=items, users=users)
    assert log.candidate["weight"].tolist() == [1, 2, 3, 1, 2]
    assert log.user["age"].tolist() == [-1, 30]


def test_columns_may_be_expressions_of_duckdb() -> None:
    changed = mapping(
        LONG_MAP,
        {
            "page.person": "=upper(who)",
            "candidate.cheap": {"kind": "flag", "column": "=coalesce(price < 2, false)"},
        },
    )
    log = gerank.data.import_log(table(LONG), changed)
    assert log.person_ids.tolist() == ["U2", "U1"]
    assert of_shown(log, log.candidate["cheap"]) == [0, 0, 1, 0, 1]


def test_a_page_may_be_mended_where_the_mapping_says_so() -> None:
    twice = table(LONG, sku=["y", "y", "y", "x", "ü"], place=[9, 1, 1, 2, 2])
    changed = mapping(LONG_MAP, {"shown.repeated_items": "mend", "shown.slot_gaps": "mend"})
    assert shown(gerank.data.import_log(twice, changed)) == [["y", "ü"], ["y", "x"]]


def test_grades_count_as_clicks_from_a_threshold_on() -> None:
    graded = table(LONG, clicked=[4, 0, 1, 2, 3])
    changed = mapping(LONG_MAP, {"feedback.click": {"column": "clicked", "at_least": 2}})
    assert gerank.data.import_log(graded, changed).clicks.tolist() == [0, 1, 1, 0, 1]


def test_judged_rows_are_shuffled_the_same_way_each_time() -> None:
    rows = {"request": ["a"] * 40, "sku": [f"s{n:02}" for n in range(40)], "clicked": [0] * 40}
    drawn = {
        "page": {"id": "request"},
        "shown": {"item": "sku", "order": "shuffled"},
        "feedback": {"click": {"column": "clicked"}},
        "candidate": {"sku": {"kind": "id", "vocabulary": 64}},
    }
    orders = [shown(gerank.data.import_log(pa.table(rows), drawn))[0] for _ in range(2)]
    other = shown(gerank.data.import_log(pa.table(rows), mapping(drawn, {"shown.seed": 1})))[0]
    assert orders[0] == orders[1] != sorted(orders[0])
    assert other != orders[0]


def test_columns_that_begin_alike_become_features_by_one_line_and_vectors_by_their_width() -> None:
    source = table(LONG)
    for number in range(3):
        source = source.append_column(f"f{number}", pa.array(np.arange(5.0) + number))
    source = source.append_column("vector", pa.array([[n, -n] for n in range(5)]))
    changed = mapping(
        LONG_MAP,
        {
            "candidate": {
                "f*": {"kind": "dense", "column": "f*"},
                "vector": {"kind": "vector", "width": 2},
            }
        },
    )
    changed["candidate"]["f*"].pop("column")
    source = source.drop_columns(["fresh"])
    log = gerank.data.import_log(source, changed)
    names = [feature.name for feature in log.schema.candidate]
    assert names == ["f0", "f1", "f2", "vector_0", "vector_1"]
    assert of_shown(log, log.candidate["vector_1"]) == [-2, -4, 0, -1, -3]
    assert of_shown(log, log.candidate["f2"]) == [4, 6, 2, 3, 5]


def _toml(document: dict[str, Any], prefix: str = "") -> str:
    plain = [f"{key} = {_value(v)}" for key, v in document.items() if not isinstance(v, dict)]
    lines = [f"[{prefix}]"] if prefix else []
    for key, value in document.items():
        if isinstance(value, dict):
            plain.append(_toml(value, f"{prefix}.{key}" if prefix else key))
    return "\n".join(lines + plain)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).replace("'", '"')


def test_a_feature_with_a_default_may_be_optional_in_requests(tmp_path: Path) -> None:
    optional = mapping(
        LONG_MAP,
        {
            "candidate.price": {
                "kind": "dense",
                "default": 2.5,
                "optional": True,
                "missing_flag": True,
            }
        },
    )
    write_imported(table(LONG), optional, tmp_path)
    features = {f.name: f for f in ExposureLog.read(tmp_path).schema.candidate}
    assert (features["price"].default, features["price_missing"].default) == (2.5, 1)
    assert features["colour"].default is None
    bad = mapping(LONG_MAP, {"candidate.price": {"kind": "dense", "optional": True}})
    with pytest.raises(ImportLogError, match=r"candidate\.price: optional: needs a default"):
        write_imported(table(LONG), bad, tmp_path / "other")
