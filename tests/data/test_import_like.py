"""Imports of another day: the vocabularies of an earlier log, so that a run can judge both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gerank.data
from gerank.data.exposure_checks import ExposureLogError
from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError, write_imported
from gerank.data.schema_difference import schema_differences
from tests.cli.command import done
from tests.cli.command import gerank as command
from tests.data.foreign_tables import LONG, LONG_MAP, mapping, table

CHANGES: dict[str, Any] = {
    "candidate.colour": {"kind": "id", "min_count": 2, "default": "<unknown>"},
    "candidate.tags": {"kind": "ids", "longest": 2, "min_count": 1},
    "candidate.size": {"kind": "id", "values": ["s", "m"]},
    "candidate.brand": {"kind": "id", "vocabulary": 16},
}
FIRST = {
    "colour": ["red", "blue", "blue", "red", "green"],
    "tags": [["a", "b"], ["b"], None, ["b", "c"], []],
    "size": ["s", "m", "s", "m", "s"],
    "brand": ["k", "l", "k", "l", "k"],
}
LATER = {
    "colour": ["pink", "blue", "pink", "red", "pink"],
    "tags": [["z", "b"], ["z"], None, ["c", "a"], []],
    "size": ["s", "m", "s", "m", "s"],
    "brand": ["n", "l", "k", "l", "k"],
}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    write_imported(table(LONG | FIRST), mapping(LONG_MAP, CHANGES), tmp_path / "first")
    return tmp_path / "first"


def test_a_later_log_has_the_values_of_the_earlier_one_and_new_texts_are_unknown(
    first: Path,
) -> None:
    other = CHANGES | {"candidate.brand": {"kind": "id", "vocabulary": 99}}
    later = table(LONG | LATER)
    log = gerank.data.import_log(later, mapping(LONG_MAP, other), like=first)
    before = ExposureLog.read(first).schema
    assert schema_differences(before, log.schema) == []
    colour = log.schema.named["candidate"]["colour"]
    assert colour.values == ("blue", "red", "<unknown>")
    assert log.candidate["colour"].tolist() == [2, 2, 2, 1, 0]
    without = gerank.data.import_log(later, mapping(LONG_MAP, other))
    assert schema_differences(before, without.schema)


def test_a_new_text_is_an_error_where_the_earlier_log_has_no_unknown(first: Path) -> None:
    sizes = {"size": ["s", "m", "s", "m", "xl"]}
    changes = CHANGES | {"candidate.size": {"kind": "id", "values": ["s", "m", "xl"]}}
    with pytest.raises(ImportLogError, match="column 'size': 'xl' is not one of"):
        gerank.data.import_log(table(LONG | LATER | sizes), mapping(LONG_MAP, changes), like=first)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidate.more": {"kind": "id", "min_count": 1, "column": "size"}},
         "candidate.more: min_count: like .*first: it is not in that log"),
        ({"candidate.brand": {"kind": "id", "min_count": 1}},
         "candidate.brand: min_count: like .*first: it has no named values in that log"),
        ({"candidate.more": {"kind": "id", "vocabulary": 4, "column": "brand"}},
         "like .*first: this mapping makes another log: the candidate feature 'more' is new"),
        ({"candidate.tags": {"kind": "ids", "longest": 1, "min_count": 1}},
         "like .*first: this mapping makes another log: the candidate feature 'tags_1' is missing"),
    ],
)  # fmt: skip
def test_a_mapping_that_makes_another_schema_is_refused(
    first: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportLogError, match=message):
        write_imported(
            table(LONG | LATER),
            mapping(LONG_MAP, CHANGES | changes),
            tmp_path / "later",
            like=first,
        )
    assert not (tmp_path / "later").exists()


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExposureLogError, match=str(tmp_path / "none")):
        gerank.data.import_log(
            table(LONG | LATER), mapping(LONG_MAP, CHANGES), like=tmp_path / "none"
        )


def test_the_command_imports_alike(tmp_path: Path) -> None:
    rows = "page,item,slot,click,colour\n1,x,1,1,{}\n1,y,2,0,{}\n"
    for name, colours in (("first", ("red", "blue")), ("later", ("blue", "pink"))):
        (tmp_path / f"{name}.csv").write_text(rows.format(*colours))
    (tmp_path / "map.toml").write_text(
        '[page]\nid = "page"\n[shown]\nitem = "item"\nslot = "slot"\nfirst_slot = 1\n'
        '[feedback.click]\ncolumn = "click"\n'
        '[candidate.colour]\nkind = "id"\nmin_count = 1\n'
    )
    where = ("--map", tmp_path / "map.toml", "--out")
    done("import", tmp_path / "first.csv", *where, tmp_path / "first")
    told = done(
        "import", tmp_path / "later.csv", *where, tmp_path / "later", "--like", tmp_path / "first"
    )
    assert "candidate.colour: 1 values are none of its names and stand for <unknown>" in told
    schemas = [ExposureLog.read(tmp_path / name).schema for name in ("first", "later")]
    assert schema_differences(*schemas) == []
    refused = command("import", tmp_path / "later.csv", "--guess", "--like", tmp_path / "first")
    assert refused.code == 2
