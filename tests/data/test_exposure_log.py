"""The exposure log: what is written comes back, and what cannot be used is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gerank.data.exposure_log import FILE_NAME, ExposureLog, ExposureLogError
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_METADATA_KEY = b"gerank.exposure_log"


def random_log(seed: int, pages: int = 12) -> ExposureLog:
    """Pages of 3 to 9 candidates and 1 to M slots, with hashed ids over all 64 bits."""
    rng = np.random.default_rng(seed)
    candidates = rng.integers(3, 10, size=pages)
    slots = rng.integers(1, candidates + 1)
    items, shown = int(candidates.sum()), int(slots.sum())
    slates = [rng.permutation(m)[:n] for m, n in zip(candidates, slots, strict=True)]
    placement = rng.uniform(0.01, 1, shown).astype(np.float32)
    placement[rng.random(shown) < 0.3] = np.nan
    far = np.iinfo(np.int64)
    return ExposureLog(
        schema=FeatureSchema(
            user=(
                Feature("age", FeatureKind.DENSE),
                Feature("home", FeatureKind.ID, vocabulary=7),
            ),
            candidate=(
                Feature("price", FeatureKind.DENSE),
                Feature("score", FeatureKind.DENSE),
                Feature("seller", FeatureKind.ID, vocabulary=64, hashed=True),
                Feature("fresh", FeatureKind.ID, vocabulary=2, values=("no", "yes")),
            ),
            groups=("seller",),
            flags=("fresh",),
        ),
        page_ids=np.array([f"page-{index}-é" for index in range(pages)]),
        person_ids=np.array([f"person-{index}" for index in rng.integers(4, size=pages)]),
        timestamps=rng.integers(-(10**12), 10**12, size=pages),
        candidate_offsets=np.concatenate([[0], np.cumsum(candidates)]),
        slate_offsets=np.concatenate([[0], np.cumsum(slots)]),
        user={
            "age": rng.standard_normal(pages).astype(np.float32),
            "home": rng.integers(7, size=pages),
        },
        candidate={
            "price": rng.standard_normal(items).astype(np.float32),
            "score": rng.standard_normal(items).astype(np.float32),
            "seller": rng.integers(far.min, far.max, size=items, endpoint=True),
            "fresh": rng.integers(2, size=items),
        },
        candidate_names=np.array([f"item {index}" for index in rng.integers(50, size=items)]),
        slates=np.concatenate(slates),
        clicks=rng.integers(2, size=shown).astype(np.float32),
        log_propensity=np.log(rng.uniform(0.01, 1, shown)).astype(np.float32),
        placement_propensity=placement,
    )


def assert_same(left: ExposureLog, right: ExposureLog) -> None:
    for field in fields(ExposureLog):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, dict):
            assert a.keys() == b.keys()
            for name, values in a.items():
                assert values.dtype == b[name].dtype
                np.testing.assert_array_equal(values, b[name])
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


def test_reading_gives_back_what_was_written(tmp_path: Path, seed: int) -> None:
    log = random_log(seed).with_ranges()
    log.write(tmp_path / "new" / "folder")
    assert_same(ExposureLog.read(tmp_path / "new" / "folder"), log)


def test_a_log_without_pages_travels_too(tmp_path: Path) -> None:
    empty = random_log(1).select(np.zeros(0, dtype=np.int64))
    empty.write(tmp_path)
    back = ExposureLog.read(tmp_path)
    assert len(back) == 0
    assert back.batch(np.zeros(0, dtype=np.int64)).candidate_dense.shape == (0, 0, 2)


def test_row_groups_of_a_long_log_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank.data.exposure_parquet._PAGES_PER_ROW_GROUP", 5)
    log = random_log(3, pages=23)
    log.write(tmp_path)
    assert pq.ParquetFile(tmp_path / FILE_NAME).num_row_groups == 5
    assert_same(ExposureLog.read(tmp_path), log)


def test_writing_replaces_an_older_log(tmp_path: Path) -> None:
    random_log(1).write(tmp_path)
    newer = random_log(2)
    newer.write(tmp_path)
    assert_same(ExposureLog.read(tmp_path), newer)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_write_that_fails_leaves_the_older_log_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = random_log(1)
    older.write(tmp_path)

    def half_written(table: pa.Table, path: Path, **options: Any) -> None:
        path.write_bytes(b"PAR1 and then the disk is full")
        raise OSError("No space left on device")

    monkeypatch.setattr(pq, "write_table", half_written)
    with pytest.raises(OSError, match="No space left"):
        random_log(2).write(tmp_path)
    assert_same(ExposureLog.read(tmp_path), older)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_log_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    log = random_log(1)
    log.candidate["price"][4] = np.inf
    with pytest.raises(ExposureLogError, match=r"candidate\.price.*inf is not a finite float32"):
        log.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_selected_pages_are_the_pages(seed: int) -> None:
    log = random_log(seed)
    rows = np.random.default_rng(seed).integers(len(log), size=20)
    chosen = log.select(rows)
    for place, row in enumerate(rows):
        assert_same(chosen.select(np.array([place])), log.select(np.array([row])))
    first = log.select(np.array([5]))
    items = slice(*log.candidate_offsets[5:7])
    np.testing.assert_array_equal(first.candidate["seller"], log.candidate["seller"][items])
    np.testing.assert_array_equal(first.slates, log.slates[slice(*log.slate_offsets[5:7])])


def test_rows_may_be_a_mask() -> None:
    log = random_log(4)
    mask = log.user["home"] > 2
    assert_same(log.select(mask), log.select(np.flatnonzero(mask)))


@pytest.mark.parametrize("row", [-1, 12])
def test_rows_outside_the_log_are_refused(row: int) -> None:
    log = random_log(1)
    with pytest.raises(IndexError, match=f"row {row} of a log of 12 pages"):
        log.select(np.array([0, row]))
    with pytest.raises(IndexError, match=f"row {row} of a log of 12 pages"):
        log.batch(np.array([0, row]))


@pytest.mark.parametrize("max_slots", [None, 1, 2, 50])
def test_a_batch_holds_each_page_and_nothing_behind_it(seed: int, max_slots: int | None) -> None:
    log = random_log(seed)
    rows = np.random.default_rng(seed).permutation(len(log))[:7]
    batch = log.batch(rows, max_slots)
    lengths = [np.diff(log.candidate_offsets)[row] for row in rows]
    assert batch.candidate_mask.shape[1] == max(lengths)
    shown = [min(np.diff(log.slate_offsets)[row], max_slots or 99) for row in rows]
    assert batch.slates.shape[1] == max(shown)
    for place, (row, m, n) in enumerate(zip(rows, lengths, shown, strict=True)):
        items = slice(log.candidate_offsets[row], log.candidate_offsets[row] + m)
        slots = slice(log.slate_offsets[row], log.slate_offsets[row] + n)
        assert batch.candidate_mask[place].tolist() == [True] * m + [False] * (max(lengths) - m)
        for column, name in enumerate(("price", "score")):
            expected = log.candidate[name][items]
            np.testing.assert_array_equal(batch.candidate_dense[place, :m, column], expected)
        for column, name in enumerate(("seller", "fresh")):
            expected = log.candidate[name][items]
            np.testing.assert_array_equal(batch.candidate_ids[place, :m, column], expected)
        assert batch.user_dense[place].tolist() == [log.user["age"][row]]
        assert batch.user_ids[place].tolist() == [log.user["home"][row]]
        np.testing.assert_array_equal(batch.slates[place, :n], log.slates[slots])
        for name in ("clicks", "log_propensity", "placement_propensity"):
            expected = getattr(log, name)[slots]
            np.testing.assert_array_equal(getattr(batch, name)[place, :n], expected)
        assert not batch.candidate_dense[place, m:].any()
        assert not batch.candidate_ids[place, m:].any()
        assert (batch.slates[place, n:] == -1).all()
        assert not batch.clicks[place, n:].any()
        assert not batch.log_propensity[place, n:].any()


def test_a_batch_has_the_types_that_models_take() -> None:
    batch = random_log(1).batch(np.arange(3))
    kinds = {name: getattr(batch, name).dtype for name in batch._fields}
    whole = {"user_ids", "candidate_ids", "slates"}
    for name, dtype in kinds.items():
        expected = torch.int64 if name in whole else torch.float32
        assert dtype == (torch.bool if name == "candidate_mask" else expected), name


def test_a_batch_of_no_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="max_slots is 0, not >= 1"):
        random_log(1).batch(np.arange(3), max_slots=0)


def test_ranges_are_those_of_the_columns() -> None:
    log = random_log(5)
    ranges = {f.name: (f.minimum, f.maximum) for f in log.with_ranges().schema.candidate}
    assert ranges["price"] == (log.candidate["price"].min(), log.candidate["price"].max())
    assert ranges["seller"] == (None, None)
    assert log.with_ranges().schema.user[0].maximum == log.user["age"].max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: {"user": {"age": log.user["age"]}}, r"column 'user\.home' is missing"),
        (
            lambda log: {"candidate": {**log.candidate, "colour": log.candidate["fresh"]}},
            r"column 'candidate\.colour' is not in the schema",
        ),
        (lambda log: {"clicks": log.clicks.astype(np.float64)}, "'feedback.click' is float64"),
        (lambda log: {"timestamps": log.timestamps[1:]}, r"'timestamp' has shape \(11,\), not"),
        (
            lambda log: {"candidate_names": log.candidate_names[1:]},
            r"'candidate\.id' has shape",
        ),
        (lambda log: {"slate_offsets": log.slate_offsets + 1}, "does not rise from 0"),
    ],
)
def test_columns_that_do_not_fit_each_other_make_no_log(
    change: Callable[[ExposureLog], dict[str, Any]], message: str
) -> None:
    log = random_log(1)
    with pytest.raises(ExposureLogError, match=message):
        replace(log, **change(log))


# Files that someone else wrote, or that were damaged.


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
        ("log_propensity", 0.5, r"0\.5 is not the logarithm of a positive probability"),
        ("log_propensity", float("-inf"), "-inf is not the logarithm of a positive probability"),
        ("log_propensity", float("nan"), "nan is not the logarithm of a positive probability"),
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
