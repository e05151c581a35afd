from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.features import DenseScale, FeatureEncoder, IdEmbedding
from tests.data.request_cases import CONTRACT
from tests.nn.batches import padded, random_batch, random_generator

DENSE_WIDTH = len(CONTRACT.schema.candidate_dense)
FAR = torch.iinfo(torch.int64)


def hashed(vocabulary: int, name: str = "seller") -> Feature:
    return Feature(name, FeatureKind.ID, vocabulary=vocabulary, hashed=True)


def fixed(vocabulary: int, name: str = "category") -> Feature:
    return Feature(name, FeatureKind.ID, vocabulary=vocabulary)


@pytest.fixture
def encoder(seed: int) -> FeatureEncoder:
    return random_generator(seed).features


def test_fitted_columns_have_mean_0_and_deviation_1(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(5.0, 3.0, (500, 4)).clip(-3, 13)
    scale = DenseScale(4)
    scale.fit(lambda: [torch.from_numpy(rows).float()])
    expected = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(scale(torch.from_numpy(rows).float()), expected, atol=1e-5)


def test_a_constant_column_is_only_centred() -> None:
    scale = DenseScale(1)
    scale.fit(lambda: [torch.full((10, 1), 7.0)])
    assert scale(torch.tensor([[7.0], [9.0]])).tolist() == [[0.0], [2.0]]


def test_a_value_far_outside_training_counts_as_six_deviations() -> None:
    scale = DenseScale(1)
    scale.fit(lambda: [torch.tensor([[-1.0], [1.0]])])
    values = torch.tensor([[5.9], [60.0], [3e38], [-3e38]])
    assert scale(values).flatten().tolist() == [pytest.approx(5.9), 6.0, 6.0, -6.0]


def test_ranks_and_zscores_are_those_of_a_direct_loop(seed: int, encoder: FeatureEncoder) -> None:
    batch = random_batch(seed)
    vectors = encoder.candidates(
        batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids
    )
    for b, count in enumerate(batch.candidate_mask.sum(1).tolist()):
        values = batch.candidate_dense[b, :count].double().numpy()
        for column in range(DENSE_WIDTH):
            of_set = values[:, column]
            ranks = [(np.sum(of_set < v) + 0.5 * (np.sum(of_set == v) - 1)) for v in of_set]
            share = np.array(ranks) / (count - 1) if count > 1 else np.array([0.5])
            deviation = of_set.std() or 1.0
            found = vectors[b, :count, DENSE_WIDTH + column : 3 * DENSE_WIDTH : DENSE_WIDTH]
            expected = np.stack([2 * share - 1, (of_set - of_set.mean()) / deviation], axis=1)
            np.testing.assert_allclose(found.detach(), expected, atol=1e-4)


@pytest.mark.parametrize("largest", [1e18, 1e30, torch.finfo(torch.float32).max])
def test_huge_values_leave_the_vectors_finite(largest: float, encoder: FeatureEncoder) -> None:
    batch = random_batch(0)
    every = torch.ones_like(batch.candidate_mask)
    for signs in ([1, 1, 1], [1, -1, 1], [-1, -1, 1]):
        dense = batch.candidate_dense.clone()
        dense[:, :3] = largest * torch.tensor(signs).view(1, 3, 1)
        assert (
            encoder.candidates(dense, batch.candidate_ids, every, batch.user_ids).isfinite().all()
        )


def test_a_fixed_id_is_its_row_of_its_own_columns_table() -> None:
    embedding = IdEmbedding((fixed(3, "first"), fixed(5, "second")), width=4)
    found = embedding(torch.tensor([[2, 0], [0, 4]]))
    rows = embedding.table.weight
    assert torch.equal(found[0], torch.cat([rows[2], rows[3]]))
    assert torch.equal(found[1], torch.cat([rows[0], rows[3 + 4]]))


def test_hashed_ids_of_all_64_bits_stay_in_their_columns_rows(seed: int) -> None:
    embedding = IdEmbedding((fixed(3), hashed(7), fixed(2, "third")), width=1)
    with torch.no_grad():
        embedding.table.weight.copy_(torch.arange(12.0).view(12, 1))
    drawn = np.random.default_rng(seed).integers(FAR.min, FAR.max, 500, endpoint=True)
    ids = torch.cat([torch.tensor([FAR.min, -1, 0, 1, FAR.max]), torch.from_numpy(drawn)])
    rows = embedding(torch.stack([torch.zeros_like(ids), ids, torch.ones_like(ids)], dim=1))
    assert set(rows[:, 1].tolist()) == set(range(3, 10))
    assert set(rows[:, 0].tolist()) == {0.0}
    assert set(rows[:, 2].tolist()) == {11.0}


@pytest.mark.parametrize("stride", [1, 64, 1000, 2**20, 2**32])
def test_ids_that_share_low_bits_are_spread_over_the_buckets(stride: int) -> None:
    embedding = IdEmbedding((hashed(64),), width=1)
    with torch.no_grad():
        embedding.table.weight.copy_(torch.arange(64.0).view(64, 1))
    rows = embedding(torch.arange(640).unsqueeze(1) * stride).flatten().long()
    assert rows.bincount(minlength=64).max() < 40  # of 10 on average


def test_padding_gives_zeros(seed: int, encoder: FeatureEncoder) -> None:
    batch = padded(random_batch(seed), candidates=5, slots=0)
    vectors = encoder.candidates(
        batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids
    )
    assert not vectors[~batch.candidate_mask].any()
    assert vectors[batch.candidate_mask].any(dim=1).all()


def test_the_width_of_the_padding_changes_no_candidate(seed: int, encoder: FeatureEncoder) -> None:
    narrow = random_batch(seed)
    wide = padded(narrow, candidates=9, slots=0)
    left, right = (
        encoder.candidates(
            batch.candidate_dense, batch.candidate_ids, batch.candidate_mask, batch.user_ids
        )
        for batch in (narrow, wide)
    )
    torch.testing.assert_close(left, right[:, : left.size(1)], atol=1e-5, rtol=1e-5)


def test_a_schema_may_lack_user_features_and_ids() -> None:
    schema = FeatureSchema(user=(), candidate=(Feature("score", FeatureKind.DENSE),))
    encoder = FeatureEncoder(schema, embedding_width=4)
    none = torch.zeros(2, 0)
    assert encoder.users(none, none.long()).shape == (2, 0) == (2, encoder.user_width)
    dense, mask = torch.randn(2, 3, 1), torch.ones(2, 3, dtype=torch.bool)
    vectors = encoder.candidates(dense, torch.zeros(2, 3, 0, dtype=torch.int64), mask, none.long())
    assert vectors.shape == (2, 3, encoder.candidate_width)
