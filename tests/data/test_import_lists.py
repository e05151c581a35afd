"""Lists, vectors and times of foreign logs: from Parquet, CSV and JSON lines, in every table."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import gerank.data
from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import Block, BlockKind, Pool
from gerank.data.importing import ImportLogError, write_imported
from gerank.data.importing.guess import guess_mapping
from gerank.data.importing.mapping import SourceOptions
from gerank.data.log_requests import request_document
from gerank.data.schema import hash_id
from tests.data.exposure_logs import assert_same
from tests.data.foreign_lists import CODES, READ, TAGS, VECTOR, listed, source, with_features
from tests.data.foreign_tables import LONG, LONG_MAP, WIDE, WIDE_MAP, mapping, table


def check_log(log: ExposureLog) -> None:
    assert listed(log, "tags", 3) == {"x": [0, 1, 3], "y": [1, 3, 3], "ü": [3, 3, 3]}
    assert listed(log, "codes", 2) == {"x": [7, 8], "y": [-1, -1], "ü": [4, 5]}
    assert listed(log, "vector", 2) == {"x": [1, 2], "y": [3, 4], "ü": [5, 6]}
    assert log.user["read_0"].tolist() == [hash_id("n1"), hash_id("n2")]
    assert log.user["read_1"].tolist() == [-1, hash_id("n3")]


def test_lists_of_parquet_become_columns_and_blocks() -> None:
    log = gerank.data.import_log(source(), with_features())
    check_log(log)
    assert log.schema.blocks == (
        Block("user", "read", BlockKind.IDS, ("read_0", "read_1")),
        Block("candidate", "tags", BlockKind.IDS, ("tags_0", "tags_1", "tags_2")),
        Block("candidate", "codes", BlockKind.IDS, ("codes_0", "codes_1"), pool=Pool.SUM),
        Block("candidate", "vector", BlockKind.VECTOR, ("vector_0", "vector_1")),
    )
    of_name = {feature.name: feature for feature in log.schema.candidate}
    assert of_name["tags_0"].values == ("new", "red", "blue", "<empty>")
    assert (of_name["tags_2"].default, of_name["codes_0"].default) == (3, -1)
    page = request_document(log, 0)
    assert {c["id"]: c["tags"] for c in page["candidates"]} == {
        "x": ["new", "red"],
        "y": ["red"],
        "ü": [],
    }


def test_the_import_counts_lists_that_are_missing_cut_or_hold_unknown_values(
    tmp_path: Path,
) -> None:
    unknown = {"candidate.tags.values": ["new"], "candidate.tags.unknown": True}
    done = write_imported(source(), with_features(unknown), tmp_path)
    assert {name: n for name, n in done.missing.items() if "price" not in name} == {
        "candidate.colour": 1,
        "candidate.tags": 1,
    }
    assert done.cut == {"candidate.codes": 2}
    assert done.unknown == {"candidate.tags": 4}
    log = ExposureLog.read(tmp_path)
    assert listed(log, "tags", 3) == {"x": [0, 1, 2], "y": [1, 2, 2], "ü": [2, 2, 2]}
    assert not any("cut" in feature.name for feature in log.schema.candidate)


def test_lists_of_a_table_of_items_and_of_people() -> None:
    items = pa.table(
        {"sku": ["x", "y", "ü"], "tags": [TAGS[0], TAGS[1], None], "codes": [[7, 8, 9], [], [4, 5]],
         "vector": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}
    )  # fmt: skip
    users = pa.table({"who": ["u1", "u2"], "read": [["n2", "n3"], ["n1"]]})
    joined = {"items": {"key": "sku"}, "users": {"key": "who"}, "user.read.table": "users"}
    joined |= {f"candidate.{name}.table": "items" for name in ("tags", "codes", "vector")}
    log = gerank.data.import_log(table(LONG), with_features(joined), items=items, users=users)
    check_log(log)


def test_lists_within_lists_of_a_wide_table() -> None:
    of_item = {"x": 0, "y": 1, "ü": 4}
    nested = {
        name: [[values[of_item[item]] for item in page] for page in WIDE["skus"]]
        for name, values in (("tags", TAGS), ("codes", CODES), ("vector", VECTOR))
    }
    wide = table(WIDE | nested | {"read": [["n2", "n3"], ["n1"]]})
    check_log(gerank.data.import_log(wide, with_features(base=WIDE_MAP)))


@pytest.mark.parametrize("separator", ["|", ""])
def test_lists_of_csv_are_texts(tmp_path: Path, separator: str) -> None:
    def text(values: list[Any] | None) -> str:
        if values is None:
            return ""
        inner = (separator or ", ").join(str(v) for v in values if v is not None)
        return inner if separator else f'"[{inner}]"'

    lists = {"tags": TAGS, "codes": CODES, "read": READ, "vector": VECTOR}
    names = ["request", "who", "at", "place", "sku", "clicked", "fresh", *lists]
    lines = [",".join(names)]
    for row in range(5):
        cells = [str(LONG[name][row]) for name in names if name not in lists]
        lines.append(",".join([*cells, *(text(values[row]) for values in lists.values())]))
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    integers = {"candidate.codes.integers": True, "source.list_separator": separator}
    others = {"feedback.dwell": None, "candidate.price": None, "candidate.colour": None}
    found = gerank.data.import_log(str(tmp_path / "log.csv"), with_features(integers | others))
    check_log(found)


def test_lists_of_json_lines(tmp_path: Path) -> None:
    rows = source().to_pylist()
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    (tmp_path / "log.jsonl").write_text(text, encoding="utf-8")
    log = gerank.data.import_log(str(tmp_path / "log.jsonl"), with_features())
    check_log(log)
    assert_same(log, gerank.data.import_log(source(), with_features()))


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        (
            {},
            {"tags": [["new", "green"], *TAGS[1:]]},
            r"row 1, page 'b', column 'tags': '\[new, green\]' has an entry, the 2\., that is not "
            "one of the feature's values",
        ),
        ({}, {"codes": [[-3], *CODES[1:]]}, "column 'codes'.* is negative, and ids of lists"),
        (
            {"candidate.codes": {"kind": "ids", "longest": 2, "vocabulary": 9, "hashed": False}},
            {"codes": [[9], *CODES[1:]]},
            r"'\[9\]' has an entry, the 1\., that is outside its vocabulary, 0 to 8",
        ),
        ({}, {"tags": ["new", *["[red]"] * 4]}, "row 1.*column 'tags': 'new' is not a list"),
        ({}, {"codes": [1, 2, 3, 4, 5]}, "candidate.codes: a column of type BIGINT is not a list"),
        ({}, {"vector": [[1.0], *VECTOR[1:]]}, "column 'vector'.*is not of the width 2"),
        ({}, {"vector": [1.0] * 5}, "candidate.vector: a column of type DOUBLE is not a list of"),
        (
            {"candidate.age": {"kind": "age_hours", "column": "place"}},
            {},
            "candidate.age: a column of type BIGINT needs candidate.age.time_unit",
        ),
        (
            {"candidate.age": {"kind": "age_hours", "column": "colour"}},
            {},
            "column 'colour': 'red' is not a time",
        ),
        (
            {"candidate.tags_1": {"kind": "flag", "column": "fresh"}},
            {},
            "'tags_1' is defined twice",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    changes: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportLogError, match=message):
        gerank.data.import_log(source(**columns), with_features(changes))


IDS = {"kind": "ids", "longest": 2, "vocabulary": 8}


@pytest.mark.parametrize(
    ("side", "feature", "message"),
    [
        ("candidate", IDS | {"longest": 0}, "longest: 0 is not in 1..256, which a list needs"),
        ("candidate", IDS | {"longest": 257}, "longest: 257 is not in 1..256"),
        ("candidate", IDS | {"vocabulary": 0}, "vocabulary: 0 is not >= 1"),
        ("candidate", IDS | {"default": 1}, "default: a list that is missing is empty"),
        ("candidate", IDS | {"group": True}, "group: is of id, not of ids"),
        ("candidate", IDS | {"pool": "most"}, "pool"),
        ("candidate", IDS | {"in_context": True}, "in_context: is of vector, not of ids"),
        ("candidate", {"kind": "dense", "longest": 3}, "longest: is of ids, not of dense"),
        ("candidate", {"kind": "dense", "values": ["a"]}, "values: is of id and ids, not of dense"),
        ("candidate", {"kind": "dense", "time_unit": "s"}, "time_unit: is of age_hours and hour"),
        ("candidate", {"kind": "hour", "time_unit": "order"}, "time_unit: an order alone is no"),
        ("candidate", {"kind": "id", "vocabulary": 3, "unknown": True}, "unknown: is of ids with"),
        ("candidate", {"kind": "id", "values": ["<empty>"]}, "values: <unknown> and <empty> are"),
        ("user", {"kind": "vector", "width": 2, "in_context": True}, "in_context: is of cand"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(
    side: str, feature: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportLogError, match=message):
        gerank.data.import_log(source(), mapping(LONG_MAP, {f"{side}.more": feature}))


def test_a_missing_vector_is_counted_once_under_its_name(tmp_path: Path) -> None:
    default = {"candidate.vector.default": 0.0, "candidate.vector.missing_flag": True}
    given = source(vector=[None, *VECTOR[1:3], None, VECTOR[4]])
    done = write_imported(given, with_features(default), tmp_path)
    assert done.missing["candidate.vector"] == 2
    assert not any("vector_" in name for name in done.missing)
    log = ExposureLog.read(tmp_path)
    assert listed(log, "vector", 2)["x"] == [0, 0]
    assert log.candidate["vector_missing"].sum() == 2


def test_a_list_of_texts_is_guessed_to_be_a_list_of_ids(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(guess_mapping(source(), SourceOptions()), encoding="utf-8")
    told = tomllib.loads((tmp_path / "map.toml").read_text(encoding="utf-8"))
    assert told["candidate"]["tags"] == {"kind": "ids", "longest": 2, "vocabulary": 16}
    assert told["candidate"]["codes"]["kind"] == "ids"
    assert told["candidate"]["codes"]["longest"] == 3
    assert told["candidate"]["vector"] == {"kind": "vector", "width": 2}
    assert told["user"]["read"]["kind"] == "ids"
