"""Vectors and lists as a model sees them: widths, padding, pooling, attention, TorchScript."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank.data.feature_block import Pool
from gerank.data.schema import FeatureSchema
from gerank.export.golden import draw_batch
from gerank.nn.dense_views import dense_views
from gerank.nn.features import FeatureEncoder, IdEmbedding
from gerank.nn.structured.attraction import Attraction
from tests.data.block_cases import CONTRACT, SCHEMA

WIDTH = 4
CANDIDATES = SCHEMA.blocks_of("candidate")
VIEWS = 3 * 3 + 3
"""Columns of the dense part: score, near_0, near_1 thrice, the three numbers of embedding once."""


def encoder_of(seed: int, schema: FeatureSchema = SCHEMA) -> FeatureEncoder:
    torch.manual_seed(seed)
    encoder = FeatureEncoder(schema, WIDTH).requires_grad_(False)
    encoder.candidate_scale.mean += torch.arange(6.0)
    encoder.candidate_scale.deviation += torch.arange(6.0)
    if encoder.attends:
        encoder.list_query.normal_()
    return encoder


def pooled_as(pool: Pool) -> FeatureSchema:
    blocks = [replace(b, pool=pool) if b.name == "tags" else b for b in SCHEMA.blocks]
    return replace(SCHEMA, blocks=tuple(blocks))


def test_a_block_is_as_wide_as_its_parts_say() -> None:
    encoder = FeatureEncoder(SCHEMA, WIDTH)
    assert encoder.dense_width == VIEWS
    assert encoder.candidate_width == VIEWS + 4 * WIDTH  # tags, seller, genres, fresh
    assert encoder.user_width == 3 + WIDTH
    assert encoder.candidate_embedding.table.num_embeddings == 5 + 16 + 6 + 2
    assert encoder.user_embedding.table.num_embeddings == 32
    batch = draw_batch(CONTRACT, 3, 7, seed=0)
    vectors = encoder.candidates(
        batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids
    )
    assert vectors.shape == (3, 7, encoder.candidate_width)
    assert encoder.users(batch.user_dense, batch.user_ids).shape == (3, encoder.user_width)


def test_the_numbers_of_a_vector_are_scaled_and_have_neither_rank_nor_zscore(seed: int) -> None:
    encoder, batch = encoder_of(seed), draw_batch(CONTRACT, 3, 7, seed)
    views = dense_views(SCHEMA.candidate, CANDIDATES)
    assert views[:3] == [("score", "value"), ("near_0", "value"), ("near_1", "value")]
    assert views[-3:] == [(f"embedding_{k}", "value") for k in range(3)]
    assert ("near_1", "rank") in views and ("score", "z-score") in views
    vectors = encoder.set_vectors(batch.candidate_dense, batch.candidate_mask)
    mask = batch.candidate_mask
    scaled = encoder.candidate_scale(batch.candidate_dense)
    torch.testing.assert_close(vectors[..., -3:][mask], scaled[..., :3][mask])
    torch.testing.assert_close(vectors[..., :3][mask], scaled[..., 3:][mask])
    assert not vectors[~mask].any()


def test_without_blocks_an_encoder_is_what_it_was(seed: int) -> None:
    bare = replace(SCHEMA, blocks=())
    encoder, batch = encoder_of(seed, bare), draw_batch(CONTRACT, 3, 7, seed)
    assert encoder.dense_width == 3 * 6
    scale = encoder.candidate_scale
    expected = torch.ops.gerank.set_features(
        batch.candidate_dense, batch.candidate_mask, scale.mean, scale.deviation
    )
    assert torch.equal(encoder.set_vectors(batch.candidate_dense, batch.candidate_mask), expected)
    assert set(encoder.state_dict()) == {
        *(f"calibration.{name}" for name in ("columns", "knots", "values")),
        *(f"{side}_scale.{name}" for side in ("user", "candidate") for name in MOMENTS),
        *(f"{side}_embedding.{name}" for side in ("user", "candidate") for name in TABLES),
    }


MOMENTS, TABLES = ("mean", "deviation"), ("sizes", "offsets", "hashed", "table.weight")


@pytest.mark.parametrize("pool", [Pool.MEAN, Pool.SUM])
def test_a_list_is_pooled_as_by_a_plain_loop(pool: Pool, seed: int) -> None:
    schema = pooled_as(pool)
    torch.manual_seed(seed)
    embedding = IdEmbedding(schema.candidate_ids, WIDTH, schema.blocks_of("candidate"))
    ids = draw_batch(CONTRACT, 3, 7, seed).candidate_ids
    ids[0, 0, :3] = 4  # no entry at all
    found = embedding(ids).detach().view(*ids.shape[:2], 4, WIDTH)
    table = embedding.table.weight.detach()
    for page in range(ids.size(0)):
        for place in range(ids.size(1)):
            entries = [table[row] for row in ids[page, place, :3].tolist() if row != 4]
            total = sum(entries, torch.zeros(WIDTH))
            count = 1 if pool is Pool.SUM else max(1, len(entries))
            torch.testing.assert_close(found[page, place, 0], total / count)
    assert not found[0, 0, 0].any()
    seller = embedding.rows(ids)[..., 3]
    torch.testing.assert_close(found[..., 1, :], table[seller])
    assert seller.min() >= 5 and seller.max() < 5 + 16


def test_a_hashed_list_has_no_row_for_no_entry(seed: int) -> None:
    encoder = encoder_of(seed)
    ids = torch.tensor([[7, -1, 9, -1], [-1, -1, -1, -1], [7, 9, -1, -1]])
    users = encoder.users(torch.zeros(3, 3), ids)[:, 3:]
    rows = encoder.user_embedding.rows(ids)
    table = encoder.user_embedding.table.weight
    torch.testing.assert_close(users[0], table[rows[0, 0]] + table[rows[0, 2]])
    assert not users[1].any()
    torch.testing.assert_close(users[2], users[0])


def shuffled(ids: Tensor) -> Tensor:
    """The entries of `tags` and of `genres` in another order, empty marks among them."""
    order = [2, 0, 1, 3, 7, 5, 4, 6, 8]
    return ids[..., order]


def test_the_order_of_a_list_makes_no_difference(seed: int) -> None:
    encoder, batch = encoder_of(seed), draw_batch(CONTRACT, 4, 7, seed)
    dense, ids, mask = batch.candidate_dense, batch.candidate_ids, batch.candidate_mask
    torch.testing.assert_close(
        encoder.candidates(dense, shuffled(ids), mask, batch.user_ids),
        encoder.candidates(dense, ids, mask, batch.user_ids),
    )


def test_attention_is_a_softmax_over_the_entries_that_there_are(seed: int) -> None:
    encoder, batch = encoder_of(seed), draw_batch(CONTRACT, 3, 7, seed)
    ids, mask = batch.candidate_ids, torch.ones_like(batch.candidate_mask)
    ids[0, 0, 4:8] = 5
    vectors = encoder.candidates(batch.candidate_dense, ids, mask, batch.user_ids)
    genres = vectors[..., VIEWS + 2 * WIDTH : VIEWS + 3 * WIDTH]
    fresh, seller = vectors[..., -WIDTH:], vectors[..., VIEWS + WIDTH : VIEWS + 2 * WIDTH]
    seen = torch.cat([vectors[..., :VIEWS], seller, fresh], dim=-1)
    table = encoder.candidate_embedding.table.weight
    for page in range(3):
        for place in range(7):
            entries = [table[21 + g] for g in ids[page, place, 4:8].tolist() if g != 5]
            expected = torch.zeros(WIDTH)
            if entries:
                stacked = torch.stack(entries)
                query = seen[page, place] @ encoder.list_query[0]
                expected = (stacked @ query).softmax(0) @ stacked
            torch.testing.assert_close(genres[page, place], expected, atol=1e-5, rtol=1e-5)
    assert not genres[0, 0].any()


def test_fresh_attention_is_the_mean_and_learns(seed: int) -> None:
    torch.manual_seed(seed)
    encoder, batch = FeatureEncoder(SCHEMA, WIDTH), draw_batch(CONTRACT, 3, 7, seed)
    dense, ids, mask = batch.candidate_dense, batch.candidate_ids, batch.candidate_mask
    vectors = encoder.candidates(dense, ids, mask, batch.user_ids)
    alike = encoder.candidate_embedding(ids)
    torch.testing.assert_close(vectors[..., VIEWS:][mask], alike[mask])
    vectors.square().sum().backward()
    assert encoder.list_query.grad is not None and encoder.list_query.grad.any()


def test_attention_stays_finite_for_large_products(seed: int) -> None:
    encoder, batch = encoder_of(seed), draw_batch(CONTRACT, 3, 7, seed)
    encoder.list_query.mul_(1e6)
    found = encoder.candidates(
        batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids
    )
    assert found.isfinite().all()


def test_an_encoder_with_blocks_can_be_scripted(seed: int) -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder_of(seed)

        def forward(self, dense: Tensor, ids: Tensor, mask: Tensor, user_ids: Tensor) -> Tensor:
            return self.encoder.candidates(dense, ids, mask, user_ids)

    model, batch = Both(), draw_batch(CONTRACT, 3, 7, seed)
    given = (batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids)
    torch.testing.assert_close(torch.jit.script(model)(*given), model(*given))


@pytest.mark.parametrize("pool", list(Pool))
def test_members_of_an_evaluator_pool_lists_too(pool: Pool, seed: int) -> None:
    schema = pooled_as(pool)
    torch.manual_seed(seed)
    attraction = Attraction(schema, 3, WIDTH, score="score").requires_grad_(False)
    for parameter in attraction.parameters():
        parameter.normal_()
    batch = draw_batch(CONTRACT, 3, 7, seed)
    dense = attraction.set_features(batch.candidate_dense, batch.candidate_mask)
    user, ids = (batch.user_dense, batch.user_ids), batch.candidate_ids
    before = attraction(user, dense, ids)
    after = attraction((user[0], user[1].flip(1)), dense, shuffled(ids))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    full = ids.clone()
    full[..., :3] = torch.tensor([0, 4, 4])
    twice = full.clone()
    twice[..., :3] = torch.tensor([0, 0, 4])
    alike = torch.allclose(
        attraction(user, dense, full).strength, attraction(user, dense, twice).strength, atol=1e-3
    )
    assert alike is (pool is not Pool.SUM)  # a mean does not count
    assert attraction.upstream_ease[[0, 3, 6]].tolist() == pytest.approx([0.02] * 3)
    assert (attraction.upstream_ease == 1).sum() == VIEWS - 3
    assert attraction.prior().shape == (3,)


def test_golden_requests_have_lists_of_any_length() -> None:
    batch = draw_batch(CONTRACT, 40, 7, seed=0)
    lengths = (batch.user_ids >= 0).sum(1)
    assert lengths.min() < 2 and lengths.max() == 4
    assert (batch.user_ids >= -1).all()
    assert (batch.candidate_ids[..., 3] >= 0).all()  # the seller is no list
