"""Values of lists and vectors that an import would have to misread: each is an error by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import gerank.data
from gerank.data.exposure_log import FILE_NAME, ExposureLog
from gerank.data.importing import ImportLogError
from gerank.data.importing.mapping_toml import build_mapping
from gerank.data.schema import Feature, FeatureKind, FeatureSchema, SchemaError, hash_id
from gerank.train.inspection.inspect import inspect_log

SHOWN = {"page": {"id": "page"}, "shown": {"item": "item"}}
CLICK = {"feedback": {"click": {"column": "clicked"}}}
VECTOR = {"kind": "vector", "column": "v", "width": 2}
LIST = {"kind": "ids", "column": "v", "vocabulary": 16, "longest": 2}


def long_log(values: pa.Array | list[Any], **feature: Any) -> ExposureLog:
    table = pa.table(
        {"page": ["p", "p"], "item": ["a", "b"], "clicked": [True, False], "v": values}
    )
    mapping = {**SHOWN, **CLICK, "candidate": {"v": feature}}
    return gerank.data.import_log(table, build_mapping(mapping))


def wide_log(values: pa.Array | list[Any], **feature: Any) -> ExposureLog:
    table = pa.table({"page": ["p"], "item": [["a", "b"]], "clicked": [[True, False]], "v": values})
    mapping = {"layout": "wide", **SHOWN, **CLICK, "candidate": {"v": feature}}
    return gerank.data.import_log(table, build_mapping(mapping))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["[1, oops]", "[3, 4]"], r"'\[1, oops\]' has an entry that is no number"),
        ([[1.0, None], [3.0, 4.0]], "has an entry that is no number"),
        ([[1.0, float("nan")], [3.0, 4.0]], "has an entry that is no number"),
        ([[16777217, 2], [3, 4]], "has an entry that would be rounded as a float32"),
    ],
)
@pytest.mark.parametrize("default", [{}, {"default": 9.0, "missing_flag": True}])
def test_an_entry_of_a_vector_is_never_a_default(
    values: list[Any], message: str, default: dict[str, Any]
) -> None:
    with pytest.raises(ImportLogError, match=message):
        long_log(values, **VECTOR, **default)


@pytest.mark.parametrize("values", [["[[x, y], [z]]"], [["[x, y]", "[z]"]], [[["x", "y"], ["z"]]]])
def test_lists_in_a_wide_table_are_read_alike_however_they_stand_there(values: list[Any]) -> None:
    log = wide_log(values, **LIST)
    assert log.candidate["v_0"].tolist() == [hash_id("x"), hash_id("z")]
    assert log.candidate["v_1"].tolist() == [hash_id("y"), -1]


def test_vectors_in_a_wide_table_may_be_texts() -> None:
    log = wide_log(["[[1, 2], [3, 4]]"], **VECTOR)
    assert [log.candidate[name].tolist() for name in ("v_0", "v_1")] == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("values", "feature", "message"),
    [
        ([[1, 2]], LIST, r"candidate\.v: a column of type BIGINT\[\] has no list for each"),
        ([[1.0, 2.0]], VECTOR, r"candidate\.v: a column of type DOUBLE\[\] has no list for each"),
        ([["x", "y"]], LIST, "is not a list"),
    ],
)
def test_a_list_of_the_page_is_not_dealt_out_to_its_candidates(
    values: list[Any], feature: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportLogError, match=message):
        wide_log(values, **feature)


def test_a_table_of_candidates_has_the_columns_of_lists() -> None:
    table = pa.table(
        {"page": ["p", "p"], "item": ["a", "b"], "clicked": [True, False], "v": [["x"], ["y"]]}
    )
    candidates = pa.table({"page": ["p"], "item": ["c"], "w": [["z"]]})
    document = {**SHOWN, **CLICK, "candidates": {"page": "page", "item": "item"}}
    mapping = build_mapping({**document, "candidate": {"v": LIST}})
    with pytest.raises(
        ImportLogError, match=r"candidate\.v: the table of candidates has no column"
    ):
        gerank.data.import_log(table, mapping, candidates=candidates)


@pytest.mark.parametrize("name", ["id", "dedup_key"])
def test_a_feature_has_no_name_that_requests_use_otherwise(name: str) -> None:
    with pytest.raises(SchemaError, match=f"candidate feature '{name}': requests have another"):
        FeatureSchema((), (Feature(name, FeatureKind.DENSE),))
    FeatureSchema((Feature(name, FeatureKind.DENSE),), ())


def test_half_precision_is_taken() -> None:
    halves = pa.array(np.array([0.5, 2], np.float16))
    assert long_log(halves, kind="dense").candidate["v"].tolist() == [0.5, 2]


def test_cells_of_pandas_with_several_dimensions_are_named() -> None:
    frame = pd.DataFrame({"page": ["p"], "v": [np.zeros((2, 2))]})
    mapping = build_mapping({**SHOWN, **CLICK})
    with pytest.raises(ImportLogError, match=r"a table of pandas: .*must be lists of lists"):
        gerank.data.import_log(frame, mapping)


def test_a_log_in_parts_can_be_looked_at(tmp_path: Path) -> None:
    log = long_log([[1.0, 2.0], [3.0, 4.0]], **VECTOR)
    log.write(tmp_path)
    (tmp_path / FILE_NAME).rename(tmp_path / "exposures-1.parquet")
    assert inspect_log(tmp_path).pages.pages == 1
