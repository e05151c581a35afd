"""Files of every format, folders, globs, URLs and tables in memory: the same log from each."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import gerank.data
from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError
from gerank.data.importing.guess import guess_mapping
from tests.data.exposure_logs import assert_same
from tests.data.foreign_tables import LONG, LONG_MAP, WIDE, WIDE_MAP, mapping, shown, table


def compressed(path: Path, content: bytes) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    else:
        path.write_bytes(content)
    return path


def csv_bytes(source: pa.Table, delimiter: str = ",") -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(source, sink, pa_csv.WriteOptions(delimiter=delimiter))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def json_bytes(source: pa.Table) -> bytes:
    rows = [json.dumps(row, ensure_ascii=False) for row in source.to_pylist()]
    return ("\n".join(rows) + "\n").encode()


@pytest.fixture(scope="module")
def expected() -> ExposureLog:
    return gerank.data.import_log(table(LONG), LONG_MAP)


@pytest.mark.parametrize(
    "name",
    [
        "log.csv",
        "log.csv.gz",
        "log.csv.zst",
        "log.tsv",
        "log.jsonl",
        "log.jsonl.gz",
        "log.ndjson.zst",
    ],
)
def test_text_files_of_every_kind_give_the_same_log(
    name: str, tmp_path: Path, expected: ExposureLog
) -> None:
    source = table(LONG)
    if "json" in name:
        content = json_bytes(source)
    else:
        content = csv_bytes(source, "\t" if name.startswith("log.tsv") else ",")
    path = compressed(tmp_path / name, content)
    assert_same(gerank.data.import_log(str(path), LONG_MAP), expected)


def test_parquet_files_globs_lists_and_partitioned_folders_give_the_same_log(
    tmp_path: Path, expected: ExposureLog
) -> None:
    source, names = table(LONG), []
    for row in range(5):
        part = tmp_path / f"parts/hour={row % 2}/part-{row}.parquet"
        part.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(source.slice(row, 1), part)
        names.append(str(part))
    (tmp_path / "parts/_SUCCESS").touch()
    for sources in (str(tmp_path / "parts"), str(tmp_path / "parts/*/*.parquet"), names):
        assert_same(gerank.data.import_log(sources, LONG_MAP), expected)
    by_hour = mapping(LONG_MAP, {"candidate.hour": {"kind": "id", "values": ["0", "1"]}})
    log = gerank.data.import_log(str(tmp_path / "parts"), by_hour)
    assert sorted(log.candidate["hour"].tolist()) == [0, 0, 0, 1, 1]


def test_a_url_is_opened_through_fsspec(expected: ExposureLog) -> None:
    files = fsspec.filesystem("memory")
    with files.open("/import-test/log.csv", "wb") as file:
        file.write(csv_bytes(table(LONG)))
    try:
        for url in (
            "memory://import-test/log.csv",
            "memory://import-test/*.csv",
            "memory://import-test",
        ):
            assert_same(gerank.data.import_log(url, LONG_MAP), expected)
        with pytest.raises(ImportLogError, match=r"memory://import-test/none\.csv: no such file"):
            gerank.data.import_log("memory://import-test/none.csv", LONG_MAP)
    finally:
        files.rm("/import-test", recursive=True)


class Streams:
    """A table of some library that speaks Arrow's stream interface and nothing else."""

    def __init__(self, source: pa.Table) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self._source.__arrow_c_stream__(requested_schema)


def test_tables_in_memory_are_taken_through_arrow(expected: ExposureLog) -> None:
    source = table(LONG)
    for given in (source, source.to_batches()[0], Streams(source)):
        assert_same(gerank.data.import_log(given, LONG_MAP), expected)
    with pytest.raises(ImportLogError, match="a table of pandas, polars or pyarrow is needed"):
        gerank.data.import_log(3, LONG_MAP)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_of_this_library_are_taken(library: str, expected: ExposureLog) -> None:
    frames = pytest.importorskip(library)
    made = table(LONG).to_pandas() if library == "pandas" else frames.from_arrow(table(LONG))
    assert_same(gerank.data.import_log(made, LONG_MAP), expected)


def test_a_wide_csv_holds_its_lists_as_texts(tmp_path: Path) -> None:
    expected = gerank.data.import_log(table(WIDE), WIDE_MAP)
    for separator in ("", "|"):
        lines = ["request,who,at,skus,price,colour,fresh,clicked,clicked_skus,seconds"]
        for row in table(WIDE).to_pylist():
            cells = []
            for value in row.values():
                if not isinstance(value, list):
                    cells.append(str(value))
                elif separator:
                    cells.append(separator.join("" if v is None else str(v) for v in value))
                else:
                    entries = ", ".join("NULL" if v is None else str(v) for v in value)
                    cells.append(f'"[{entries}]"')
            lines.append(",".join(cells))
        path = tmp_path / f"wide{len(separator)}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        changes: dict[str, Any] = {"source.list_separator": separator}
        if separator:  # an empty entry is an empty text, not a missing one
            for name in ("price", "colour"):
                changes[f"candidate.{name}.column"] = (
                    f"=list_transform(string_split({name}, '|'), lambda x: nullif(x, ''))"
                )
        assert_same(gerank.data.import_log(str(path), mapping(WIDE_MAP, changes)), expected)


def test_a_csv_without_a_header_is_named_by_the_mapping(
    tmp_path: Path, expected: ExposureLog
) -> None:
    content = csv_bytes(table(LONG)).split(b"\n", 1)[1]
    path = compressed(tmp_path / "log.csv", content)
    named = mapping(LONG_MAP, {"source.columns": [*LONG]})
    assert_same(gerank.data.import_log(str(path), named), expected)


def test_codes_with_leading_zeros_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("page,item,click\n007,01,1\n007,1,0\n")
    told = {
        "page": {"id": "page"},
        "shown": {"item": "item"},
        "feedback": {"click": {"column": "click"}},
        "candidate": {"item": {"kind": "id", "vocabulary": 8}},
    }
    log = gerank.data.import_log(str(path), told)
    assert log.page_ids.tolist() == ["007"]
    assert shown(log) == [["01", "1"]]


def test_a_condition_takes_some_rows_and_counts_all(tmp_path: Path) -> None:
    log = gerank.data.import_log(table(LONG), LONG_MAP, where="who = 'u1'")
    assert log.page_ids.tolist() == ["a"]
    with pytest.raises(ImportLogError, match=r"row 4, page 'a', column 'clicked': '9'"):
        gerank.data.import_log(table(LONG, clicked=[0, 0, 0, 9, 0]), LONG_MAP, where="who = 'u1'")
    with pytest.raises(ImportLogError, match="where: 'nobody = 1' is no condition that fits"):
        gerank.data.import_log(table(LONG), LONG_MAP, where="nobody = 1")
    with pytest.raises(ImportLogError, match="no rows where who = 'u9'"):
        gerank.data.import_log(table(LONG), LONG_MAP, where="who = 'u9'")


SVMLIGHT = "2 qid:7 1:0.5 3:-1 # docid = D1\n\n0 qid:7 2:4\n1 qid:9 1:1\n"


def test_judged_documents_are_a_format_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(SVMLIGHT)
    told = {
        "page": {"id": "query"},
        "shown": {"item": "document"},
        "feedback": {"click": {"column": "grade", "at_least": 1}},
        "candidate": {"feature_*": {"kind": "dense"}},
    }
    log = gerank.data.import_log(str(tmp_path / "log.txt"), told)
    assert log.page_ids.tolist() == ["7", "9"]
    assert shown(log) == [["D1", "7-1"], ["9-0"]]
    assert log.clicks.tolist() == [1, 0, 1]
    assert log.candidate["feature_3"].tolist() == [0, -1, 0]
    assert log.candidate["feature_2"].tolist() == [4, 0, 0]
    (tmp_path / "sized.train").write_text(SVMLIGHT.replace("qid:7 ", "").replace("qid:9 ", ""))
    with pytest.raises(ImportLogError, match=r"sized\.train:1: the line has no qid"):
        gerank.data.import_log(str(tmp_path / "sized.train"), told)
    (tmp_path / "sized.train.query").write_text("2\n1\n")
    log = gerank.data.import_log(str(tmp_path / "sized.train"), told)
    assert log.page_ids.tolist() == ["0", "1"]
    for sizes in ("2", "2 2", "3 1"):
        (tmp_path / "sized.train.query").write_text(sizes)
        with pytest.raises(ImportLogError, match=r"(more|fewer) lines than its query sizes"):
            gerank.data.import_log(str(tmp_path / "sized.train"), told)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.parquet", b"PAR1 and no more", "log.parquet: cannot be read: "),
        ("log.csv.gz", b"no gzip", "log.csv.gz: cannot be read: "),
        ("log.jsonl", b'{"a": 1}\n{"a": ', "log.jsonl: cannot be read: "),
        ("log.svm", b"1 qid:1 one:2\n", r"log.svm:1: '1 qid:1 one:2' is not svmlight"),
        ("log.svm", b"1 qid:1 0:2\n", r"log.svm:1: features are counted from 1, not 0"),
        ("log.xlsx", b"PK", r"log.xlsx: the format is not known by the name; set source.format"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportLogError, match=message) as caught:
        gerank.data.import_log(str(tmp_path / name), LONG_MAP)
    assert "\n" not in str(caught.value)


def test_a_guess_from_each_form_of_a_table_is_a_mapping_of_it(tmp_path: Path) -> None:
    import tomllib

    rng = np.random.default_rng(0)
    pages, items = np.repeat(np.arange(60), 4), rng.integers(20, size=240)
    items = np.concatenate([rng.permutation(20)[:4] for _ in range(60)])
    source = pa.table(
        {
            "request_id": [f"r{page}" for page in pages],
            "user_id": [f"u{page % 7}" for page in pages],
            "shown_at": [1_700_000_000 + int(page) for page in pages],
            "position": np.tile(np.arange(4), 60),
            "item_id": items,
            "price": [None if n % 9 == 0 else float(n) for n in range(240)],
            "brand": [None if n % 5 == 0 else f"b{n % 5}" for n in items],
            "is_new": items % 2 == 0,
            "clicked": rng.integers(2, size=240),
            "purchased": np.zeros(240, dtype=np.int64),
            "nothing": pa.nulls(240),
        }
    )  # fmt: skip
    compressed(tmp_path / "log.csv", csv_bytes(source))
    compressed(tmp_path / "log.jsonl", json_bytes(source))
    pq.write_table(source, tmp_path / "log.parquet")
    files = [str(tmp_path / f"log.{kind}") for kind in ("csv", "jsonl", "parquet")]
    logs = [
        gerank.data.import_log(given, tomllib.loads(guess_mapping(given)))
        for given in (*files, source)
    ]
    for log in logs[1:]:
        assert_same(log, logs[0])
    log = logs[0]
    assert (len(log), len(log.slates)) == (60, 240)
    assert [f.name for f in log.schema.candidate] == [
        "price", "price_missing", "brand", "is_new", "item_id"
    ]  # fmt: skip
    assert log.schema.groups == ("brand",)


def test_a_guess_says_what_it_did_not_find(tmp_path: Path) -> None:
    text = guess_mapping(pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    assert text.count("no column looks like it: write its name here") == 3
    assert "No column looks like a person" in text
