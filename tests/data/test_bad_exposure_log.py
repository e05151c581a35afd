"""Exposure logs that someone else wrote, or that were damaged: each is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gerank.data.exposure_log import FILE_NAME, ExposureLog, ExposureLogError
from gerank.data.schema import FeatureSchema
from tests.data.exposure_logs import assert_same, random_log

_METADATA_KEY = b"gerank.exposure_log"


def rewrite(directory: Path, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Edits the table of a written log and keeps its metadata."""
    path = directory / FILE_NAME
    table = pq.read_table(path)
    pq.write_table(edit(table).replace_schema_metadata(table.schema.metadata), path)


def set_cell(name: str, page: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        cells = table.column(name).to_pylist()
        cells[page] = value
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, pa.array(cells, type=table.schema.types[place]))

    return edit


def set_entry(name: str, page: int, value: object) -> Callable[[pa.Table], pa.Table]:
    """Changes the last entry of one page's list."""

    def edit(table: pa.Table) -> pa.Table:
        return set_cell(name, page, [*table.column(name)[page].as_py()[:-1], value])(table)

    return edit


def test_a_candidate_stands_once_on_a_page(tmp_path: Path) -> None:
    log = random_log(6)
    log.write(tmp_path)
    first = str(log.candidate_names[log.candidate_offsets[3]])
    rewrite(tmp_path, set_entry("candidate.id", 3, first))
    pattern = f"page 'page-3-é': {first!r} is a candidate of the page twice"
    with pytest.raises(ExposureLogError, match=re.escape(pattern)):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("user.age", float("nan"), "nan is not a finite float32"),
        ("user.age", float("-inf"), "-inf is not a finite float32"),
        ("user.home", 7, r"7 is outside \[0, 6\]"),
        ("user.home", -1, r"-1 is outside \[0, 6\]"),
        ("user.home", None, "null is not a value"),
        ("page_id", "page-0-é", "'page-0-é' names more than one page"),
        ("candidate.price", None, "null is not a value"),
        ("candidate.id", [], "0 entries: a page needs at least one"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, name: str, value: object, verdict: str) -> None:
    random_log(6).write(tmp_path)
    rewrite(tmp_path, set_cell(name, 3, value))
    if name == "candidate.id":  # an empty page: every column of it must agree
        with pytest.raises(ExposureLogError, match="page 'page-3-é': a list of"):
            ExposureLog.read(tmp_path)
        for feature in random_log(6).schema.candidate:
            rewrite(tmp_path, set_cell(f"candidate.{feature.name}", 3, []))
    page = "page-0-é" if name == "page_id" else "page-3-é"
    pattern = f"{FILE_NAME}: column '{name}', page '{page}': {verdict}"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("candidate.price", float("nan"), "nan is not a finite float32"),
        ("candidate.score", float("inf"), "inf is not a finite float32"),
        ("candidate.score", None, "null is not a value"),
        ("candidate.fresh", 2, r"2 is outside \[0, 1\]"),
        ("slate", 99, "99 is not a candidate of the page"),
        ("slate", -1, "-1 is not a candidate of the page"),
        ("feedback.click", 2.0, r"2\.0 is outside \[0, 1\]"),
        ("feedback.click", float("nan"), r"nan is outside \[0, 1\]"),
        ("log_propensity", 0.5, r"0\.5 is neither the logarithm of a positive probability"),
        ("log_propensity", float("-inf"), "-inf is neither the logarithm of a positive"),
        ("placement_propensity", 0.0, r"0\.0 is neither a positive probability nor NaN"),
        ("placement_propensity", 1.5, r"1\.5 is neither a positive probability nor NaN"),
    ],
)
def test_a_bad_list_entry_is_named(tmp_path: Path, name: str, value: object, verdict: str) -> None:
    random_log(6).write(tmp_path)
    rewrite(tmp_path, set_entry(name, 3, value))
    pattern = f"{FILE_NAME}: column '{name}', page 'page-3-é': {verdict}"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("above.fresh", 2, r"2 is outside \[0, 1\]"),
        ("above.seller", None, "null is not a value"),
        ("above.dedup_key", 99, r"99 is neither a candidate of the page nor -1 \(none of them\)"),
        ("above.dedup_key", -2, r"-2 is neither a candidate of the page nor -1"),
    ],
)
def test_a_bad_slot_above_is_named(tmp_path: Path, name: str, value: object, verdict: str) -> None:
    log = random_log(6, feeds=True)
    log.write(tmp_path)
    assert log.above is not None
    page = int(np.diff(log.above.offsets).argmax())
    rewrite(tmp_path, set_entry(name, page, value))
    pattern = f"{FILE_NAME}: column '{name}', page 'page-{page}-é': {verdict}"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


def test_lists_of_slots_above_that_differ_in_length_or_are_missing_are_named(
    tmp_path: Path,
) -> None:
    log = random_log(6, feeds=True)
    log.write(tmp_path)
    rewrite(tmp_path, set_cell("above.fresh", 4, [0] * 9))
    with pytest.raises(ExposureLogError, match=r"'above\.fresh', page 'page-4-é': a list of 9"):
        ExposureLog.read(tmp_path)
    rewrite(tmp_path, lambda table: table.drop_columns(["above.fresh"]))
    with pytest.raises(ExposureLogError, match=r"column 'above\.fresh' is missing"):
        ExposureLog.read(tmp_path)


def test_more_slots_above_than_a_decode_takes_are_refused(tmp_path: Path) -> None:
    log = random_log(6, feeds=True)
    log.write(tmp_path)
    for name in ("dedup_key", "seller", "fresh"):
        rewrite(tmp_path, set_cell(f"above.{name}", 4, [0] * 128))
    pattern = r"'above\.dedup_key', page 'page-4-é': 128 slots above the page: at most 127"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


def test_a_candidate_shown_twice_is_named(tmp_path: Path) -> None:
    log = random_log(6)
    page = int(np.argmax(np.diff(log.slate_offsets)))
    first = int(log.slates[log.slate_offsets[page]])
    log.write(tmp_path)
    rewrite(tmp_path, set_entry("slate", page, first))
    pattern = f"column 'slate', page 'page-{page}-é': {first} is shown twice"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["candidate.price", "candidate.seller", "feedback.click", "log_propensity",
     "placement_propensity"],
)  # fmt: skip
def test_lists_of_one_page_that_differ_in_length_are_named(tmp_path: Path, name: str) -> None:
    random_log(6).write(tmp_path)
    short = pq.read_table(tmp_path / FILE_NAME).column(name)[4].as_py()[1:]
    rewrite(tmp_path, set_cell(name, 4, short))
    pattern = f"'{name}', page 'page-4-é': a list of {len(short)}, not of {len(short) + 1}"
    with pytest.raises(ExposureLogError, match=pattern):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    "name", ["page_id", "timestamp", "user.age", "candidate.id", "candidate.fresh", "slate"]
)
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    random_log(1).write(tmp_path)
    rewrite(tmp_path, lambda table: table.drop_columns([name]))
    with pytest.raises(ExposureLogError, match=f"{FILE_NAME}: column '{name}' is missing"):
        ExposureLog.read(tmp_path)


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    random_log(1).write(tmp_path)
    rewrite(tmp_path, lambda table: table.append_column("user.iq", table.column("user.age")))
    with pytest.raises(ExposureLogError, match=r"column 'user\.iq' is not in the schema"):
        ExposureLog.read(tmp_path)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    random_log(1).write(tmp_path)
    rewrite(tmp_path, lambda table: table.append_column("user.age", table.column("user.age")))
    with pytest.raises(ExposureLogError, match=r"column 'user\.age' is there 2 times"):
        ExposureLog.read(tmp_path)


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    def widen(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("user.age")
        return table.set_column(place, "user.age", table.column("user.age").cast(pa.float64()))

    random_log(1).write(tmp_path)
    rewrite(tmp_path, widen)
    with pytest.raises(ExposureLogError, match=r"column 'user\.age' is double, not float"):
        ExposureLog.read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExposureLogError, match=f"{FILE_NAME}: no such file"):
        ExposureLog.read(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"page,person\n1,2\n" * 50])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ExposureLogError, match=f"{FILE_NAME}: not a readable Parquet file"):
        ExposureLog.read(tmp_path)


def test_a_parquet_file_of_another_origin_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"page_id": ["a"]}), tmp_path / FILE_NAME)
    with pytest.raises(ExposureLogError, match="not an exposure log: its metadata has no"):
        ExposureLog.read(tmp_path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"format_version": 99, "schema": {}}', "format version 99, this gerank reads 1"),
        ('{"format_version": 1, "schema": {"user": []}}', "malformed metadata"),
        ('{"format_version": 1, "schema": {"user": [{"kind": "?"}]}}', "malformed metadata"),
        ('{"format_version": 1}', "malformed metadata"),
        ("[1, 2]", "malformed metadata"),
        ("not json", "malformed metadata"),
        (b"\xff\xfe", "malformed metadata"),
    ],
)
def test_metadata_that_is_not_understood_is_refused(
    tmp_path: Path, document: str | bytes, message: str
) -> None:
    random_log(1).write(tmp_path)
    path = tmp_path / FILE_NAME
    table = pq.read_table(path).replace_schema_metadata({_METADATA_KEY: document})
    pq.write_table(table, path)
    with pytest.raises(ExposureLogError, match=message):
        ExposureLog.read(tmp_path)


def test_metadata_says_what_the_log_is(tmp_path: Path) -> None:
    log = random_log(1)
    log.write(tmp_path)
    document = json.loads(pq.read_schema(tmp_path / FILE_NAME).metadata[_METADATA_KEY])
    assert document["format_version"] == 1
    assert FeatureSchema.from_json(document["schema"]) == log.schema


def test_a_truncated_file_is_refused(tmp_path: Path, seed: int) -> None:
    random_log(seed).write(tmp_path)
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    for length in np.random.default_rng(seed).integers(len(content), size=20):
        path.write_bytes(content[:length])
        with pytest.raises(ExposureLogError, match=FILE_NAME):
            ExposureLog.read(tmp_path)


def test_a_flipped_bit_never_changes_the_pages_unnoticed(tmp_path: Path, seed: int) -> None:
    log = random_log(seed)
    log.write(tmp_path)
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    rng = np.random.default_rng(seed)
    noticed = 0
    for place in rng.integers(len(content), size=150):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(damaged))
        try:
            found = ExposureLog.read(tmp_path)
        except ExposureLogError:
            noticed += 1
        else:
            # The schema's ranges and value names lie in the footer, which carries no checksum.
            assert_same(replace(found, schema=log.schema), log)
    assert noticed > 50
