"""Models with lists and vectors that start from yesterday's weights; tables of slots of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import Block, BlockKind, Pool
from gerank.data.schema import Feature, FeatureKind
from gerank.nn.channel_residual import ChannelResidual, ResidualShape
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.feature_match import SideMatch
from gerank.train.fit_features import fit_features
from gerank.train.pages import as_requests
from gerank.train.run_folder import RunFolder
from gerank.train.slot_features import SlotFeatures
from gerank.train.warm_start import WarmStart
from tests.train.changed_logs import one_more
from tests.train.tiny import SLOTS, tiny_config, tiny_log

TAGS = ("a", "b", "c", "<empty>")


def with_block(log: ExposureLog, block: Block, like: Feature, values: Any) -> ExposureLog:
    """The log with the columns of a block, whose values [E, columns] are in the order of rows."""
    features = tuple(replace(like, name=name) for name in block.columns)
    schema = replace(
        log.schema,
        **{block.side: (*features, *getattr(log.schema, block.side))},
        blocks=(*log.schema.blocks, block),
    )
    kind = np.float32 if like.kind is FeatureKind.DENSE else np.int64
    columns = {name: values[:, n].astype(kind) for n, name in enumerate(block.columns)}
    return replace(log, schema=schema, **{block.side: {**columns, **getattr(log, block.side)}})


def block_of(side: str, name: str, kind: str, count: int, **how: Any) -> Block:
    columns = tuple(f"{name}_{k}" for k in range(count))
    return Block(side, name, BlockKind(kind), columns, **how)


def log_with_blocks(
    tags: tuple[str, ...] = TAGS,
    longest: int = 3,
    pool: Pool = Pool.ATTENTION,
    more: bool = False,
    of_users: Pool = Pool.SUM,
    count: int = 80,
) -> ExposureLog:
    """Pages with a list of tags and a vector of the candidates, and a list of the users.

    The same pages whatever the names of the tags and the longest list: values follow their names.
    """
    log, _ = tiny_log(pages=count)
    rng = np.random.default_rng(0)
    items, pages = int(log.candidate_offsets[-1]), len(log)
    code = np.array([tags.index(name) for name in TAGS])
    lists = np.full((items, longest), len(tags) - 1)
    lists[:, :3] = code[rng.integers(0, 4, (items, 3))]
    vectors, read = rng.normal(size=(items, 2)), rng.integers(-1, 9, (pages, 2))
    tag = Feature("t", FeatureKind.ID, len(tags), values=tags, default=len(tags) - 1)
    steps: list[tuple[Block, Feature, Any]] = [
        (block_of("candidate", "tags", "ids", longest, pool=pool), tag, lists),
        (block_of("candidate", "vector", "vector", 2), Feature("v", FeatureKind.DENSE), vectors),
        (
            block_of("user", "read", "ids", 2, pool=of_users),
            Feature("r", FeatureKind.ID, 16, hashed=True, default=-1),
            read,
        ),
    ]
    if more:
        extra = block_of("candidate", "genres", "ids", 2, pool=Pool.ATTENTION)
        genre = Feature("g", FeatureKind.ID, 3, default=2)
        steps.insert(0, (extra, genre, rng.integers(0, 3, (items, 2))))
        steps.reverse()
    for block, feature, values in steps:
        log = with_block(log, block, feature, values)
    return log


CHANGES: dict[str, Callable[[Pool], ExposureLog]] = {
    "the same": lambda read: log_with_blocks(of_users=read),
    "longer": lambda read: log_with_blocks(of_users=read, longest=5),
    "other values": lambda read: log_with_blocks(
        of_users=read, tags=("c", "z", "a", "y", "b", "<empty>")
    ),
    "one more": lambda read: log_with_blocks(of_users=read, more=True),
    "a number more": lambda read: one_more(log_with_blocks(of_users=read)),
}


def drawn(model: Any, seed: int) -> Any:
    """Every parameter matters, also those that start at zero."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@torch.no_grad()
def log_prob(generator: Any, log: ExposureLog) -> torch.Tensor:
    fit_features(generator.features, (), log, np.arange(len(log)))
    pages = log.batch(np.arange(40), SLOTS)
    batch = as_requests(pages, torch.ones(40, 1), log.schema, slots=SLOTS)
    encoded = generator.encode_batch(batch)
    found: torch.Tensor = generator.slate_log_prob(encoded, batch, pages.slates.unsqueeze(1))[0]
    return found


@torch.no_grad()
def likelihood(evaluator: StructuredEvaluator, log: ExposureLog) -> torch.Tensor:
    fit_features(evaluator.features, (), log, np.arange(len(log)))
    pages = log.batch(np.arange(40), SLOTS)
    return evaluator.log_likelihood(evaluator.place_exposed(pages), pages.clicks)


@torch.no_grad()
def logits(residual: ChannelResidual, log: ExposureLog) -> torch.Tensor:
    fit_features(residual.features, (), log, np.arange(len(log)))
    pages = log.batch(np.arange(40), SLOTS)
    given = (pages.user_dense, pages.user_ids, pages.candidate_dense, pages.candidate_ids)
    found: torch.Tensor = residual(
        residual.items(*given, pages.candidate_mask), pages.slates.unsqueeze(1)
    )
    return found[(pages.slates >= 0)]


@pytest.mark.parametrize("read", [Pool.SUM, Pool.ATTENTION])
@pytest.mark.parametrize("change", CHANGES)
def test_models_with_blocks_begin_as_yesterdays(change: str, read: Pool, tmp_path: Path) -> None:
    log, today = log_with_blocks(of_users=read), CHANGES[change](read)
    config = tiny_config(tmp_path)
    config = replace(config, evaluator=replace(config.evaluator, residual=True))
    before = RunFolder(tmp_path / "before", config, log.schema, 512)
    folder = RunFolder(tmp_path / "today", config, today.schema, 512)
    shape, wide = StructuredShape(SLOTS, "examination", 1, 2), ResidualShape(SLOTS, 8, 2, 2, 0.0)
    old = drawn(before.new_generator(), 1)
    evaluator = drawn(StructuredEvaluator(log.schema, shape), 2)
    residual = drawn(ChannelResidual(log.schema, wide), 3).eval()
    document = {
        "run": "before",
        "schema": log.schema.to_json(),
        "utilities": list(config.reward),
        "control": "",
        "slots": SLOTS,
        "forms": {},
        "evaluator": {"form": "examination", "model": evaluator.state_dict()},
        "residual": residual.state_dict(),
        "clone": {},
        "generator": old.state_dict(),
    }
    warm = WarmStart(document, folder)
    torch.manual_seed(9)
    generator, now = folder.new_generator(), StructuredEvaluator(today.schema, shape)
    channels = ChannelResidual(today.schema, wide).eval()
    assert not torch.allclose(log_prob(generator, today), log_prob(old, log), atol=1e-2)
    warm.start_generator(generator)
    warm.start_chosen(now)
    warm.start_residual(channels)
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(log_prob(generator, today), log_prob(old, log), **close)
    torch.testing.assert_close(likelihood(now, today), likelihood(evaluator, log), **close)
    torch.testing.assert_close(logits(channels, today), logits(residual, log), **close)
    told = "\n".join(warm.sentences())
    assert "candidate.tags" in told and "user.read" in told
    assert ("features new, without effect at first: candidate.genres" in told) is (
        change == "one more"
    )
    assert ("candidate.tags: 4 of 6 rows taken over" in told) is (change == "other values")


def test_the_mark_of_no_entry_is_no_value_when_a_vocabulary_grows() -> None:
    old, new = (
        tuple(Feature(f"l_{k}", FeatureKind.ID, size, default=size - 1) for k in range(2))
        for size in (3, 5)
    )
    blocks = (block_of("candidate", "l", "ids", 2),)
    match = SideMatch("candidate", old, new, blocks, blocks)
    assert match.rows.before.tolist() == [0, 1, -1, -1, -1]
    assert [(f.name, f.rows, f.of_rows) for f in match.fates] == [("candidate.l", 2, 5)]


def test_a_table_of_slots_counts_the_values_of_small_lists() -> None:
    log = log_with_blocks()
    features = SlotFeatures(log.schema, "ctr_score")
    pages = log.batch(np.arange(10), SLOTS)
    rows = features(pages, pages.slates.unsqueeze(1))
    assert rows.shape[1] == len(features.names)
    assert "vector_0, value" in features.names
    assert "vector_0, rank" not in features.names
    assert not any("read" in name for name in features.names)  # hashed
    places = log.candidate_offsets[:10, None] + log.slates[: 10 * SLOTS].reshape(10, SLOTS)
    lists = np.stack([log.candidate[f"tags_{k}"][places.ravel()] for k in range(3)], axis=1)
    for code, name in enumerate(TAGS[:3]):
        column = rows[:, features.names.index(f"tags has {name}")]
        np.testing.assert_array_equal(column, (lists == code).sum(1))
    assert "tags has <empty>" not in features.names
