"""Bad input: one sentence with file, column, row or key and value, and nothing half-written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gerank.data.exposure_log import FILE_NAME, ExposureLog, ExposureLogError
from gerank.data.importing import ImportLogError, write_imported
from gerank.data.importing.bad_rows import FILE_NAME as LEFT_OUT
from gerank.data.log_columns import METADATA_KEY
from tests.data.foreign_tables import (
    LONG,
    LONG_MAP,
    WIDE,
    WIDE_MAP,
    mapping,
    shown,
    table,
    write_parquet,
)


def refused(source: Any, changed: Any, folder: Path, **options: Any) -> str:
    """The message of an import that must fail and leave nothing behind."""
    before = {path.name for path in folder.rglob("*")}
    with pytest.raises(ImportLogError) as caught:
        write_imported(source, changed, folder / "log", **options)
    assert {path.name for path in folder.rglob("*")} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"shown.item": "skuu"},
            "shown.item: the source has no column 'skuu'; did you mean 'sku'?",
        ),
        ({"candidate.rank": {"kind": "dense"}}, "candidate.rank: the source has no column 'rank'"),
        ({"page.person": "=nobody + 1"}, "page.person: '=nobody + 1' is no expression that fits"),
        ({"shown.colum": "x"}, "unknown key 'shown.colum'; known: item"),
        ({"shown.item": None}, "missing key 'shown.item'"),
        ({"shown.order": "random"}, "shown.order: 'random' is not one of rows, shuffled"),
        ({"feedback": {}}, "feedback.click: is missing"),
        ({"feedback.dwell.kind": "long"}, "feedback.dwell.kind: 'long' is not one of flag, count"),
        ({"page.id": None}, "page.id: is missing: a long table needs the column of pages"),
        ({"candidate.price.default": "low"}, "candidate.price: default: .*'low' is not a number"),
        ({"candidate.colour.default": "pink"}, "candidate.colour: default: .*unknown value 'pink'"),
        ({"candidate.price.table": "items"}, "candidate.price: table: there is no [items]"),
        ({"candidate.price": {"kind": "id"}}, "candidate.price.vocabulary: 0 is not >= 1"),
        (
            {"candidate.at": {"kind": "dense", "column": '=to_timestamp("at")'}},
            "candidate.at: a column of type TIMESTAMP WITH TIME ZONE is not a number",
        ),
        ({"candidate.all*": {"kind": "dense"}}, "candidate.all*: no column begins with 'all'"),
        ({"page.time_unit": None}, "page.time: a column of type BIGINT needs page.time_unit"),
        ({"items": {"key": "id"}}, "items.source: is missing"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_by_its_key(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    said = refused(table(LONG), mapping(LONG_MAP, changes), tmp_path)
    pattern = message if ".*" in message else re.escape(message)
    assert re.search(pattern, said), said


def test_a_mapping_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    assert refused(table(LONG), path, tmp_path) == f"{path}: no such file"
    path.write_text("[shown]\nitem = ")
    assert refused(table(LONG), path, tmp_path).startswith(f"{path}: not TOML: ")
    path.write_text(
        '[page]\nid="request"\n[shown]\nitem="nothing"\n[feedback.click]\ncolumn="clicked"'
    )
    said = refused(table(LONG), path, tmp_path)
    assert said.startswith(f"{path}: shown.item: the source has no column 'nothing'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": [2, 1, 1, 2, 2]}, r"row 5, page 'b', column 'place': '2' is there twice"),
        ({"sku": ["y", "y", "y", "x", "ü"]}, r"page 'b', column 'sku': 'y' is shown twice"),
        (
            {"place": [4, 1, 1, 2, 2]},
            r"row 1, page 'b', column 'place': '4' is the lowest slot of a page that lacks a slot",
        ),
        (
            {"who": ["u2", "u1", "u3", "u1", "u2"]},
            r"row 3, page 'b', column 'who': 'u3' is not what another row of the page says: u2",
        ),
    ],
)
def test_a_page_that_cannot_be_is_told(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert re.search(message, refused(table(LONG, **changes), LONG_MAP, tmp_path))


@pytest.mark.parametrize(
    ("changes", "click", "message"),
    [
        (
            {"skus": [["y", "x"], []]},
            "clicked",
            r"row 2, page 'b', column 'skus': '\[\]' is a page without slots",
        ),
        (
            {"skus": [None, ["y", "ü", "x"]]},
            "clicked",
            "row 1, page 'a', column 'skus': is no list of shown items",
        ),
        (
            {"clicked": [[0, 1, 1], [0, 0, 1]]},
            "clicked",
            "row 1, page 'a', column 'clicked': '3 entries for 2 shown items' do not fit",
        ),
        (
            {"clicked_skus": [["x"], ["q"]]},
            "ids",
            "row 2, page 'b', column 'clicked_skus': 'q' was not shown",
        ),
        (
            {"skus": [["y", "y"], ["y", "ü", "x"]]},
            "clicked",
            "page 'a', column 'skus': 'y' is shown twice",
        ),
    ],
)
def test_a_wide_page_that_cannot_be_is_told(
    changes: dict[str, Any], click: str, message: str, tmp_path: Path
) -> None:
    told = {"ids": "clicked_skus"} if click == "ids" else {"column": "clicked"}
    said = refused(table(WIDE, **changes), mapping(WIDE_MAP, {"feedback.click": told}), tmp_path)
    assert re.search(message, said), said


def test_a_key_that_is_twice_in_a_joined_table_or_not_there_is_told(tmp_path: Path) -> None:
    changed = mapping(
        LONG_MAP,
        {"items": {"key": "id"}, "candidate.weight": {"kind": "dense", "table": "items"}},
    )
    twice = {"items": pa.table({"id": ["x", "y", "x"], "weight": [1, 2, 3]})}
    said = refused(table(LONG), changed, tmp_path, others=twice)
    assert said == "the table, row 3, column 'id': 'x' is there twice"
    lacking = {"items": pa.table({"id": ["x", "y"], "weight": [1, 2]})}
    said = refused(table(LONG), changed, tmp_path, others=lacking)
    assert "page 'b', column 'weight': 'ü' has no row in the table of items" in said


def test_an_empty_source_is_told(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "empty.parquet", {name: [] for name in LONG})
    assert refused(str(path), LONG_MAP, tmp_path) == f"{path}: no rows"
    (tmp_path / "folder").mkdir()
    said = refused(str(tmp_path / "folder"), LONG_MAP, tmp_path)
    assert said.startswith(f"{tmp_path / 'folder'}: no file with a name")
    assert refused(str(tmp_path / "no*.csv"), LONG_MAP, tmp_path).endswith("no such file")


@pytest.mark.parametrize(
    ("changes", "dropped", "message"),
    [
        (
            {"price": ["a", "b", "c", "d", "e"]},
            None,
            "column 'price' is VARCHAR, and in .*0.parquet it is DOUBLE",
        ),
        ({}, "price", "1.parquet: has no column 'price', which .*0.parquet has"),
    ],
)
def test_a_folder_whose_files_disagree_is_told_by_name(
    changes: dict[str, Any], dropped: str | None, message: str, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "in/0.parquet", LONG)
    other = table(LONG, **changes)
    pq.write_table(other.drop_columns([dropped]) if dropped else other, tmp_path / "in/1.parquet")
    assert re.search(message, refused(str(tmp_path / "in"), LONG_MAP, tmp_path))


def test_a_row_of_many_files_is_counted_in_its_own(tmp_path: Path) -> None:
    write_parquet(tmp_path / "in/0.parquet", LONG)
    requests = [f"{name}2" for name in LONG["request"]]
    write_parquet(tmp_path / "in/1.parquet", LONG, request=requests, clicked=[0, 0, 0, 5, 0])
    said = refused(str(tmp_path / "in"), LONG_MAP, tmp_path)
    assert said.startswith(f"{tmp_path / 'in/1.parquet'}, row 4, page 'a2', column 'clicked': '5'")


def test_bad_pages_can_be_left_out_and_are_listed(tmp_path: Path) -> None:
    source = table(
        LONG | {"request": ["b", "a", "b", "a", "c"], "who": ["u2", "u1", "u2", "u1", "u3"]},
        clicked=[1, 0, 0, 7, 0],
        place=[2, 1, 1, 2, 1],
    )
    done = write_imported(source, LONG_MAP, tmp_path, skip_bad=True)
    assert (done.pages, done.left_out) == (2, {"column 'clicked' is neither yes nor no": 1})
    assert shown(ExposureLog.read(tmp_path)) == [["y", "x"], ["ü"]]
    lines = (tmp_path / LEFT_OUT).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "log", "row": 4, "file": None, "page": "a", "column": "clicked", "value": "7",
         "reason": "is neither yes nor no"}
    ]  # fmt: skip


def test_every_kind_of_bad_page_can_be_left_out(tmp_path: Path) -> None:
    good = table(LONG)
    bad = [
        table(LONG, request=["1", "2", "1", "2", "1"], place=[1, 1, 1, 2, 2]),
        table(LONG, request=["3", "4", "3", "4", "3"], sku=["y", "x", "y", "x", "z"]),
        table(LONG, request=["5", "6", "5", "6", "5"], who=["u1", "u1", "u2", "u2", "u2"]),
    ]
    changed = mapping(LONG_MAP, {"candidate.price": {"kind": "dense"}})
    source = pa.concat_tables([good, *bad])
    done = write_imported(source, changed, tmp_path, skip_bad=True)
    # page b of the good ones lacks a price, and of the bad ones only page 2 is whole
    assert ExposureLog.read(tmp_path).page_ids.tolist() == ["2", "a"]
    assert sum(done.left_out.values()) == 6
    with pytest.raises(ImportLogError, match="no page is left"):
        write_imported(bad[2], changed, tmp_path / "none", skip_bad=True)
    assert not (tmp_path / "none").exists()


def test_a_failed_import_leaves_the_older_log(tmp_path: Path) -> None:
    write_imported(table(LONG), LONG_MAP, tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(ImportLogError):
        write_imported(table(LONG, clicked=[5] * 5), LONG_MAP, tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_an_imported_log_of_another_version_is_refused(tmp_path: Path) -> None:
    write_imported(table(LONG), LONG_MAP, tmp_path)
    path = tmp_path / FILE_NAME
    found = pq.read_table(path)
    document = json.loads(found.schema.metadata[METADATA_KEY]) | {"format_version": 99}
    pq.write_table(found.replace_schema_metadata({METADATA_KEY: json.dumps(document)}), path)
    with pytest.raises(ExposureLogError, match="format version 99, this gerank reads 1"):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize("memory", ["", "much"])
def test_a_memory_that_is_no_size_is_told(memory: str, tmp_path: Path) -> None:
    said = refused(table(LONG), LONG_MAP, tmp_path, memory=memory)
    assert said == f"memory: {memory!r} is not a size such as 2GB"
