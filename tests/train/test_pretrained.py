"""Embedding tables of elsewhere: read by value, put into the generator, held where frozen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import EMPTY_HASHED, Block, BlockKind
from gerank.data.schema import Feature, FeatureKind, FeatureSchema, hash_id
from gerank.nn.generator import Generator, GeneratorShape
from gerank.train.clone_stage import CloneStage
from gerank.train.config_toml import read_config
from gerank.train.pretrained import PretrainedTables
from gerank.train.run_folder import RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.table_config import TableConfig
from gerank.train.train import train
from tests.train.tiny import tiny_config, tiny_log

WIDTH = 2
LARGE = 100_000
TAG = Feature("tags_0", FeatureKind.ID, 64, hashed=True, default=EMPTY_HASHED)
SCHEMA = FeatureSchema(
    user=(Feature("city", FeatureKind.ID, 3, values=("a", "b", "c")),),
    candidate=(
        Feature("score", FeatureKind.DENSE),
        Feature("item", FeatureKind.ID, 8, hashed=True),
        TAG,
        dataclasses.replace(TAG, name="tags_1"),
        Feature("shelf", FeatureKind.ID, LARGE),
    ),
    blocks=(Block("candidate", "tags", BlockKind.IDS, ("tags_0", "tags_1")),),
)


def new_generator() -> Generator:
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, attention_width=8, embedding_width=WIDTH)
    return Generator(SCHEMA, shape)


def parquet(path: Path, keys: list[Any], vectors: list[Any]) -> TableConfig:
    pq.write_table(pa.table({"key": keys, "vector": vectors}), path)
    return TableConfig(path)


def read(**tables: TableConfig) -> PretrainedTables:
    named = {name.replace("_", ".", 1): table for name, table in tables.items()}
    return PretrainedTables.read(named, SCHEMA, WIDTH)


def test_rows_are_found_by_value(tmp_path: Path) -> None:
    cities = parquet(tmp_path / "cities", ["c", "elsewhere", "a"], [[1, 2], [9, 9], [3, 4]])
    tags = parquet(tmp_path / "tags", ["new"], [[5, 6]])
    np.save(tmp_path / "shelves.npy", np.array([[7, 8], [9, 10]]))
    generator, fresh = new_generator(), new_generator()
    shelves = TableConfig(tmp_path / "shelves.npy")
    read(user_city=cities, candidate_tags=tags, candidate_shelf=shelves).put(generator)
    table = generator.features.user_embedding.table.weight
    assert table[[0, 2]].tolist() == [[3, 4], [1, 2]]
    assert torch.equal(table[1], fresh.features.user_embedding.table.weight[1])
    ids = torch.tensor([[4, hash_id("new"), hash_id("new"), 1]])
    looked_up = generator.features.candidate_embedding(ids)[0]
    assert looked_up[WIDTH:].tolist() == [5, 6, 9, 10]


def test_hashed_values_of_one_row_share_their_mean(tmp_path: Path) -> None:
    keys = list(range(200))
    table = parquet(tmp_path / "items", keys, [[float(key), 1.0] for key in keys])
    generator = new_generator()
    read(candidate_item=table).put(generator)
    embedding = generator.features.candidate_embedding
    ids = torch.zeros(200, 4, dtype=torch.int64)
    ids[:, 0] = torch.arange(200)
    rows = embedding.rows(ids)[:, 0]
    for row in rows.unique().tolist():
        mean = torch.arange(200.0)[rows == row].mean()
        torch.testing.assert_close(embedding.table.weight[row].detach(), torch.tensor([mean, 1.0]))


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_rows_are_those_of_the_file_after_training(tmp_path: Path, frozen: bool) -> None:
    log, _ = tiny_log(60)
    schema = dataclasses.replace(log.schema, candidate=(*log.schema.candidate, SCHEMA.candidate[4]))
    shelf = np.arange(len(log.candidate_names)) % 40
    log = dataclasses.replace(log, schema=schema, candidate={**log.candidate, "shelf": shelf})
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, attention_width=8, embedding_width=WIDTH)
    generator = Generator(schema, shape)
    vectors = np.random.default_rng(0).normal(size=(20, WIDTH))
    np.save(tmp_path / "shelves.npy", vectors)
    tables = PretrainedTables.read(
        {"candidate.shelf": TableConfig(tmp_path / "shelves.npy", frozen)}, schema, WIDTH
    )
    tables.put(generator)
    tables.hold(generator)
    embedding = generator.features.candidate_embedding
    assert embedding.table.sparse
    before = embedding.table.weight.detach().clone()
    rows = np.arange(40)
    for _ in CloneStage(
        generator, log, rows, rows, torch.ones(1), steps=4, slots=3, seed=0
    ).train_epoch(0):
        pass
    moved = (embedding.table.weight.detach() != before).any(1)
    first = len(before) - LARGE
    assert bool(moved[first : first + 20].any()) is not frozen
    assert moved[first + 20 : first + 40].any()


def test_a_run_starts_from_its_tables_and_keeps_the_frozen_ones(tmp_path: Path) -> None:
    log, _ = tiny_log(90)
    log.write(tmp_path / "log")
    feature = next(f for f in log.schema.candidate_ids if not f.hashed)
    np.save(tmp_path / "rows.npy", np.full((feature.vocabulary, WIDTH), 0.25))
    name = f"candidate.{feature.name}"
    table = TableConfig(tmp_path / "rows.npy", frozen=True)
    config = dataclasses.replace(tiny_config(tmp_path / "log"), tables={name: table})
    run = train(config, tmp_path / "run")
    assert read_config(tmp_path / "run/config.toml") == config
    for model in (RunFolder.open(run.path).load_generator(), run.load_clone()):
        weights = model.state_dict()["features.candidate_embedding.table.weight"]
        assert int((weights == 0.25).all(1).sum()) == feature.vocabulary


@pytest.mark.parametrize(
    ("name", "keys", "vectors", "message"),
    [
        ("candidate_score", [1], [[1, 2]], r"tables.'candidate.score': is no id feature or list"),
        ("page_item", [1], [[1, 2]], r"tables.'page.item': is no id feature"),
        ("user_city", ["a"], [[1, 2, 3]], r"its vectors have the shape \(3,\), not the \(2,\) of"),
        ("user_city", ["a", "b"], [[1, 2], [1]], r"different widths: \[1, 2\]"),
        ("user_city", ["a", "b"], [[1, 2], None], r"different widths: \[0, 2\]"),
        ("user_city", ["a"], [[1, float("nan")]], "the vector of 'a' is not finite"),
        ("user_city", ["a", "a"], [[1, 2], [1, 2]], "'a' is there twice"),
        ("user_city", ["x"], [[1, 2]], "column 'key' has no value of the feature"),
        ("candidate_shelf", [LARGE], [[1, 2]], "100000 is outside"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, name: str, keys: list[Any], vectors: list[Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(**{name: parquet(tmp_path / "table", keys, vectors)})


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((4, WIDTH)))
    (tmp_path / "text").write_text("no table")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "other")
    for table, message in (
        (TableConfig(tmp_path / "gone"), "gone: no such file"),
        (TableConfig(tmp_path / "rows.npy"), "4 rows for a vocabulary of 3"),
        (TableConfig(tmp_path / "text"), "text: "),
        (TableConfig(tmp_path / "other"), "other: .*key"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(user_city=table)
    with pytest.raises(ConfigError, match="a hashed id have no order: take Parquet"):
        read(candidate_item=TableConfig(tmp_path / "rows.npy"))


def test_nothing_is_written_where_a_table_does_not_fit(tmp_path: Path) -> None:
    log, _ = tiny_log(90)
    log.write(tmp_path / "log")
    tables = {"candidate.gone": TableConfig(tmp_path / "rows.npy")}
    config = dataclasses.replace(tiny_config(tmp_path / "log"), tables=tables)
    with pytest.raises(ConfigError, match="is no id feature"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert isinstance(ExposureLog.read(tmp_path / "log"), ExposureLog)
