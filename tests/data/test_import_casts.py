"""Casts: silent where nothing is lost, an error with column, row and value where something is."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import gerank.data
from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError
from gerank.data.importing.hashing import hash_ids, register_hash
from gerank.data.schema import hash_id
from tests.data.exposure_logs import assert_same
from tests.data.foreign_tables import LONG, LONG_MAP, WIDE, WIDE_MAP, mapping, of_shown, table

UTC = datetime.UTC


def imported(source: pa.Table, **changes: Any) -> ExposureLog:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return gerank.data.import_log(source, mapping(LONG_MAP, dotted))


def with_column(name: str, values: pa.Array) -> pa.Table:
    columns = table(LONG)
    return columns.set_column(columns.schema.get_field_index(name), name, values)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clicked", pa.int8()),
        ("clicked", pa.uint32()),
        ("clicked", pa.bool_()),
        ("clicked", pa.float32()),
        ("clicked", pa.string()),
        ("clicked", pa.decimal128(5, 2)),
        ("place", pa.int16()),
        ("place", pa.float64()),
        ("place", pa.string()),
        ("price", pa.float32()),
        ("price", pa.string()),
        ("price", pa.decimal128(8, 3)),
        ("sku", pa.large_string()),
        ("sku", pa.dictionary(pa.int8(), pa.string())),
        ("colour", pa.dictionary(pa.int32(), pa.string())),
        ("fresh", pa.int64()),
        ("fresh", pa.string()),
        ("at", pa.int32()),
        ("at", pa.timestamp("s")),
        ("at", pa.timestamp("ns", tz="Europe/Vienna")),
    ],
    ids=str,
)
def test_a_cast_that_loses_nothing_is_silent(name: str, kind: pa.DataType) -> None:
    values = pa.array(LONG[name])
    if pa.types.is_decimal(kind):
        made = [None if v is None else decimal.Decimal(str(v)) for v in LONG[name]]
        cast = pa.array(made, type=kind)
    elif pa.types.is_timestamp(kind):
        made = [datetime.datetime.fromtimestamp(v, UTC) for v in LONG[name]]
        cast = pa.array(made, type=pa.timestamp("s", tz="UTC")).cast(kind)
    else:
        cast = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
    assert_same(imported(with_column(name, cast)), imported(table(LONG)))


@pytest.mark.parametrize("name", ["skus", "price", "clicked"])
def test_lists_of_any_width_are_lists(name: str) -> None:
    source = table(WIDE)
    place = source.schema.get_field_index(name)
    value = source.schema.field(name).type.value_type
    large = source.set_column(place, name, source[name].cast(pa.large_list(value)))
    assert_same(
        gerank.data.import_log(large, WIDE_MAP), gerank.data.import_log(table(WIDE), WIDE_MAP)
    )


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "price",
            ["1", "cheap", "2", "3", "4"],
            "row 2, page 'a', column 'price': 'cheap' is not a number",
        ),
        (
            "price",
            [1, 2, 16777217, 3, 4],
            "row 3, page 'b', column 'price': '16777217' would be rounded",
        ),
        ("price", [1.0, np.inf, 1, 1, 1], "column 'price': 'inf' is not a finite float32"),
        ("price", [1.0, 1e39, 1, 1, 1], "row 2.*column 'price'.* is not a finite float32"),
        (
            "clicked",
            [1, 0, 2, 0, 0],
            "row 3, page 'b', column 'clicked': '2' is neither yes nor no",
        ),
        (
            "clicked",
            [1, None, 0, 0, 0],
            "row 2.*column 'clicked': has no value; give feedback.click a default",
        ),
        ("place", [3, 1, 1.5, 2, 2], r"row 3.*column 'place': '1\.5' is not an integer"),
        ("place", [3, 1, 0, 2, 2], "column 'place': '0' is above the topmost slot, 1"),
        (
            "fresh",
            ["yes", "no", "perhaps", "no", "no"],
            "row 3.*column 'fresh': 'perhaps' is neither yes nor no",
        ),
        (
            "colour",
            ["red", "pink", "red", "red", "red"],
            "row 2.*column 'colour': 'pink' is not one of the feature's values",
        ),
        ("sku", ["x", "", "y", "x", "z"], "row 2.*column 'sku': '' is an empty name"),
        ("sku", ["x", None, "y", "x", "z"], "row 2.*column 'sku': has no value"),
        ("request", ["b", None, "b", "a", "b"], "row 2, column 'request': has no value"),
    ],
)
def test_what_would_lose_something_is_told_with_column_row_and_value(
    name: str, values: list[Any], message: str
) -> None:
    with pytest.raises(ImportLogError, match=message):
        imported(table(LONG, **{name: values}))


@pytest.mark.parametrize(
    "values", [[100, 200, 100, "soon", 100], ["2023-11-14", "14.11.", "", "", ""]]
)
def test_a_time_that_does_not_parse_is_told(values: list[Any]) -> None:
    changed = mapping(LONG_MAP, {"page.time_unit": None})
    with pytest.raises(ImportLogError, match=r"row \d, page '.', column 'at': '.*' is not a time"):
        gerank.data.import_log(table(LONG, at=[str(v) for v in values]), changed)


def test_an_id_beyond_its_vocabulary_is_told() -> None:
    source = table(LONG).append_column("shop", pa.array([0, 1, 2, 7, 3]))
    shop = {"kind": "id", "vocabulary": 4, "hashed": False}
    with pytest.raises(
        ImportLogError, match=r"row 4.*'shop': '7' is outside its vocabulary, 0 to 3"
    ):
        imported(source, candidate__shop=shop)


@pytest.mark.parametrize("wrong", [[1.0], [1.0, 2.0, 3.0]])
def test_a_vector_of_another_width_is_told(wrong: list[float]) -> None:
    vectors = [[1.0, 2.0]] * 3 + [wrong, [0.0, 1.0]]
    source = table(LONG).append_column("vector", pa.array(vectors))
    with pytest.raises(ImportLogError, match=r"row 4.*column 'vector'.*is not of the width 2"):
        imported(source, candidate__vector={"kind": "vector", "width": 2})


def test_a_missing_value_without_a_default_is_told_with_what_to_do() -> None:
    with pytest.raises(
        ImportLogError,
        match=r"row 5, page 'b', column 'price': 'ü' has no value; give candidate\.price a default",
    ):
        imported(table(LONG), candidate__price={"kind": "dense"})


def test_ids_are_hashed_as_requests_hash_them() -> None:
    words = ["", "a", "SKU-00001", "Marke 17 Ü", "日本語", "x" * 300]
    assert hash_ids(pa.array(words)).tolist() == [hash_id(word) for word in words]
    assert hash_ids(pa.array(words)[2:5]).tolist() == [hash_id(word) for word in words[2:5]]
    connection = duckdb.connect()
    register_hash(connection)
    sql = "SELECT gerank_hash_id(w) FROM (VALUES ('Marke 17 Ü'), (NULL)) AS t(w)"
    assert connection.execute(sql).fetchall() == [(hash_id("Marke 17 Ü"),), (None,)]


def test_integers_stay_themselves_as_ids_and_texts_are_read_so_when_asked() -> None:
    numbers = [7, 2**62, -5, 3, 1]
    for values in (numbers, [str(number) for number in numbers]):
        source = table(LONG).append_column("code", pa.array(values))
        code = {"kind": "id", "vocabulary": 8, "integers": True}
        log = imported(source, candidate__code=code)
        assert of_shown(log, log.candidate["code"]) == [-5, 1, 7, 2**62, 3]
