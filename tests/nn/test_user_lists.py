"""Users' lists that candidates attend to: in the features, in the evaluator and in the artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gerank
from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import Pool
from gerank.data.log_requests import request_document
from gerank.data.schema import FeatureSchema
from gerank.export.from_run import export_run
from gerank.export.golden import draw_batch
from gerank.nn.features import FeatureEncoder
from gerank.nn.structured.attraction import HIDDEN_WIDTH, PRODUCT_WIDTH, Attraction
from gerank.train.evaluate import default_weights
from gerank.train.orders import generated_slates
from gerank.train.train import train
from tests.data.block_cases import CONTRACT, SCHEMA
from tests.train.test_warm_blocks import log_with_blocks
from tests.train.tiny import tiny_config

WIDTH, MEMBERS = 4, 3
HISTORY = slice(0, 4)  # its columns among the ids of users


def attended(own: bool) -> FeatureSchema:
    """The schema whose users' list has attention; `own`: candidates' lists have it too."""
    blocks = [
        replace(b, pool=Pool.ATTENTION)
        if b.name == "history"
        else replace(b, pool=Pool.MEAN if b.name == "genres" and not own else b.pool)
        for b in SCHEMA.blocks
    ]
    return replace(SCHEMA, blocks=tuple(blocks))


def encoder_of(seed: int, own: bool) -> FeatureEncoder:
    torch.manual_seed(seed)
    encoder = FeatureEncoder(attended(own), WIDTH).requires_grad_(False)
    encoder.user_list_query.normal_()
    if own:
        encoder.list_query.normal_()
    return encoder


def looked_at(table: Tensor, rows: Tensor, ids: Tensor, query: Tensor) -> Tensor:
    """[W] of one list, by a plain loop; 0 where there is no entry."""
    entries = [table[row] for row, value in zip(rows, ids.tolist(), strict=True) if value != -1]
    if not entries:
        return torch.zeros(table.size(-1))
    stacked = torch.stack(entries)
    weighed: Tensor = (stacked @ query).softmax(0) @ stacked
    return weighed


@pytest.mark.parametrize("own", [False, True])
def test_every_candidate_weighs_the_list_by_its_own_features(own: bool, seed: int) -> None:
    encoder, batch = encoder_of(seed, own), draw_batch(CONTRACT, 3, 7, seed)
    batch.user_ids[0, HISTORY] = -1
    mask = torch.ones_like(batch.candidate_mask)
    given = (batch.candidate_dense, batch.candidate_ids, mask, batch.user_ids)
    vectors = encoder.candidates(*given)
    assert vectors.size(-1) == encoder.candidate_width
    views = encoder.dense_width
    seller = vectors[..., views + WIDTH : views + 2 * WIDTH]
    fresh = vectors[..., views + 3 * WIDTH : views + 4 * WIDTH]
    seen = torch.cat([vectors[..., :views], seller, fresh], dim=-1)
    table, rows = encoder.user_embedding.table.weight, encoder.user_embedding.rows(batch.user_ids)
    for page in range(3):
        for place in range(7):
            query = seen[page, place] @ encoder.user_list_query[0]
            ids = batch.user_ids[page, HISTORY]
            expected = looked_at(table, rows[page, HISTORY], ids, query)
            found = vectors[page, place, -WIDTH:]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not vectors[0, :, -WIDTH:].any()


def test_padding_stays_zero_and_the_order_of_the_list_makes_no_difference(seed: int) -> None:
    encoder, batch = encoder_of(seed, True), draw_batch(CONTRACT, 4, 7, seed)
    given = (batch.candidate_dense, batch.candidate_ids, batch.candidate_mask)
    vectors = encoder.candidates(*given, batch.user_ids)
    assert not vectors[~batch.candidate_mask].any()
    flipped = batch.user_ids.clone()
    flipped[:, HISTORY] = flipped[:, HISTORY].flip(1)
    torch.testing.assert_close(encoder.candidates(*given, flipped), vectors)


def test_fresh_attention_is_the_mean_and_learns(seed: int) -> None:
    torch.manual_seed(seed)
    encoder, batch = FeatureEncoder(attended(True), WIDTH), draw_batch(CONTRACT, 3, 7, seed)
    mask = torch.ones_like(batch.candidate_mask)
    vectors = encoder.candidates(batch.candidate_dense, batch.candidate_ids, mask, batch.user_ids)
    mean = encoder.user_embedding(batch.user_ids).unsqueeze(1)
    torch.testing.assert_close(vectors[..., -WIDTH:], mean.expand(-1, 7, -1))
    vectors.square().sum().backward()
    assert encoder.user_list_query.grad is not None and encoder.user_list_query.grad.any()


@pytest.mark.parametrize("own", [False, True])
def test_it_can_be_scripted(own: bool, seed: int) -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder_of(seed, own)

        def forward(self, dense: Tensor, ids: Tensor, mask: Tensor, user_ids: Tensor) -> Tensor:
            return self.encoder.candidates(dense, ids, mask, user_ids)

    model, batch = Both(), draw_batch(CONTRACT, 3, 7, seed)
    given = (batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids)
    torch.testing.assert_close(torch.jit.script(model)(*given), model(*given))


def test_members_of_an_evaluator_look_at_users_lists_each_by_its_own_map(seed: int) -> None:
    """All else of an attraction is silenced: its hidden units add up what is looked at."""
    torch.manual_seed(seed)
    attraction = Attraction(attended(True), MEMBERS, WIDTH).requires_grad_(False)
    attraction.user_list_query.normal_()
    attraction.side.zero_()
    for unit in range(WIDTH):
        attraction.side[:, -WIDTH + unit, PRODUCT_WIDTH + unit] = 1.0
    attraction.user_side.zero_()
    attraction.hidden_bias.fill_(50.0)
    attraction.last.zero_()
    attraction.last[:, :WIDTH] = 1.0
    assert WIDTH < HIDDEN_WIDTH
    batch = draw_batch(CONTRACT, 3, 7, seed)
    batch.user_ids[0, HISTORY] = -1
    dense = attraction.set_features(batch.candidate_dense, torch.ones(3, 7, dtype=torch.bool))
    users = (batch.user_dense, batch.user_ids)
    strength = attraction(users, dense, batch.candidate_ids).strength - 50.0 * WIDTH
    features, own = attraction.features, attraction.embedding
    rows = features.candidate_embedding.rows(batch.candidate_ids)[..., [3, 8]]
    theirs = features.user_embedding.rows(batch.user_ids)[:, HISTORY]
    for member in range(MEMBERS):
        plain = own[member][rows].flatten(-2)
        queries = torch.cat([dense, plain], dim=-1) @ attraction.user_list_query[member, 0]
        for page in range(3):
            for place in range(7):
                expected = looked_at(
                    attraction.user_embedding[member],
                    theirs[page],
                    batch.user_ids[page, HISTORY],
                    queries[page, place],
                ).sum()
                found = strength[member, page, place]
                torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_trained_one_ranks_the_same_from_its_artifact(tmp_path: Path) -> None:
    log_with_blocks(of_users=Pool.ATTENTION, count=300).write(tmp_path / "log")
    run = train(tiny_config(tmp_path / "log"), tmp_path / "run")
    generator, pages = run.load_generator(), ExposureLog.read(tmp_path / "log")
    assert generator.features.user_list_query.any()
    export_run(run.path, tmp_path / "model.gerank", force=True)
    ranker = gerank.load(tmp_path / "model.gerank")
    slates = ranker.rank([request_document(pages, row) for row in range(40)])
    expected = generated_slates(generator, pages, run.config.data.slots, default_weights(run))
    assert [list(slate.candidates) for slate in slates] == expected[:40].tolist()
    assert run.load_evaluator().structured.attraction.user_list_query.any()
