"""Large vocabularies: smaller tables for evaluators, sparse gradients for the generator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import EMPTY_HASHED, Block, BlockKind
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.small_tables import MOST_ROWS, with_small_tables
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.clone_stage import CloneStage
from gerank.train.table_adam import TableAdam
from tests.train.uniform_log import uniform_log

LARGE = 100_000


def ids(name: str, vocabulary: int, **changes: object) -> Feature:
    return replace(Feature(name, FeatureKind.ID, vocabulary), **changes)


@pytest.fixture
def log(seed: int) -> ExposureLog:
    """Pages whose candidates have an id of a large vocabulary."""
    plain = uniform_log(seed, pages=40)
    schema = replace(plain.schema, candidate=(*plain.schema.candidate, ids("item", LARGE)))
    drawn = np.random.default_rng(seed).integers(LARGE, size=len(plain.candidate_names))
    return replace(plain, schema=schema, candidate={**plain.candidate, "item": drawn})


def test_only_larger_vocabularies_are_hashed() -> None:
    schema = FeatureSchema(
        user=(ids("city", MOST_ROWS + 1), Feature("age", FeatureKind.DENSE)),
        candidate=(
            ids("small", MOST_ROWS),
            ids("large", LARGE, hashed=True),
            ids("tags_0", LARGE, hashed=True, default=EMPTY_HASHED),
            ids("fixed_0", LARGE, default=LARGE - 1),
        ),
        blocks=(
            Block("candidate", "tags", BlockKind.IDS, ("tags_0",)),
            Block("candidate", "fixed", BlockKind.IDS, ("fixed_0",)),
        ),
    )
    small = with_small_tables(schema)
    assert [(f.vocabulary, f.hashed) for f in small.user] == [(MOST_ROWS, True), (0, False)]
    assert [f.vocabulary for f in small.candidate] == [MOST_ROWS, MOST_ROWS, MOST_ROWS, LARGE]
    assert [f.hashed for f in small.candidate] == [False, True, True, False]
    assert with_small_tables(small) == small


def test_an_evaluator_has_the_smaller_table(log: ExposureLog) -> None:
    shape = StructuredShape(slots=4, reading="examination", members=2)
    ensemble = StructuredEvaluator(log.schema, shape)
    assert ensemble.attraction.id_weight.shape == (2, MOST_ROWS)
    placed = ensemble.place_exposed(log.batch(np.arange(40), 4))
    assert placed.logits.isfinite().all()


def test_a_generator_learns_the_rows_that_it_looks_up(log: ExposureLog) -> None:
    torch.manual_seed(0)
    generator = Generator(log.schema, GeneratorShape(width=8, attention_width=8))
    table = generator.features.candidate_embedding.table
    before = table.weight.detach().clone()
    rows = np.arange(20)
    stage = CloneStage(generator, log, rows, rows, torch.ones(1), steps=3, slots=3, seed=0)
    assert isinstance(stage.optimizer, TableAdam)
    for _ in stage.train_epoch(0):
        pass
    moved = (table.weight.detach() != before).any(1).nonzero().squeeze(1)
    page = np.repeat(np.arange(40), np.diff(log.candidate_offsets))
    looked_up = set(log.candidate["item"][page < 20].tolist())
    assert len(moved) > 0
    assert set(moved.tolist()) <= looked_up


def test_a_small_table_has_dense_gradients() -> None:
    schema = FeatureSchema((), (Feature("score", FeatureKind.DENSE), ids("item", 1000)))
    generator = Generator(schema, GeneratorShape(width=8, attention_width=8))
    assert not generator.features.candidate_embedding.table.sparse
