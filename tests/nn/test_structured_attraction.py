"""What an item is worth by itself, for members that learn side by side."""

from __future__ import annotations

import torch

from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.structured.attraction import Attraction, ItemTerms
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_batch, random_structured

MEMBERS, WIDTH = 3, 3


def attraction_of(seed: int, *, fresh: bool = False, score: str = "") -> Attraction:
    if fresh:
        torch.manual_seed(seed)
        return Attraction(CONTRACT.schema, MEMBERS, WIDTH, score=score).requires_grad_(False)
    return random_structured(seed, members=MEMBERS).attraction.requires_grad_(False)


def terms_of(attraction: Attraction, seed: int) -> ItemTerms:
    """Terms of all candidates of random requests."""
    batch = random_batch(seed)
    dense = attraction.set_features(batch.candidate_dense, batch.candidate_mask)
    return attraction((batch.user_dense, batch.user_ids), dense, batch.candidate_ids)


def test_a_fresh_users_part_is_zero(seed: int) -> None:
    assert not terms_of(attraction_of(seed, fresh=True), seed).page.any()


def test_an_item_is_the_same_wherever_it_stands(seed: int) -> None:
    attraction, batch = attraction_of(seed), random_batch(seed)
    dense = attraction.set_features(batch.candidate_dense, batch.candidate_mask)
    user = (batch.user_dense, batch.user_ids)
    forward = attraction(user, dense, batch.candidate_ids)
    backward = attraction(user, dense.flip(1), batch.candidate_ids.flip(1))
    torch.testing.assert_close(forward.strength, backward.strength.flip(2), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(forward.facets, backward.facets.flip(2), atol=1e-4, rtol=1e-4)
    assert torch.equal(forward.page, backward.page)


def test_every_feature_of_the_item_and_of_the_user_matters(seed: int) -> None:
    attraction, batch = attraction_of(seed), random_batch(seed)
    dense = attraction.set_features(batch.candidate_dense, batch.candidate_mask)
    user, ids = (batch.user_dense, batch.user_ids), batch.candidate_ids
    before = attraction(user, dense, ids)
    for column in range(dense.size(2)):
        other = dense.clone()
        other[..., column] += 1.0
        assert not torch.allclose(attraction(user, other, ids).strength, before.strength)
    for column in range(ids.size(2)):
        other_ids = ids.clone()
        other_ids[..., column] = (other_ids[..., column] + 1) % 2
        assert not torch.allclose(attraction(user, dense, other_ids).strength, before.strength)
    others = (user[0] + 1, user[1]), (user[0], (user[1] + 1) % 3)
    for other_user in others:
        after = attraction(other_user, dense, ids)
        assert not torch.allclose(after.page, before.page)
        assert not torch.allclose(after.strength, before.strength), "users differ in what they like"


def test_the_users_part_is_that_of_all_items(seed: int) -> None:
    """Features of items do not enter it, so that it cannot tell one order from another."""
    attraction, batch = attraction_of(seed), random_batch(seed)
    dense = attraction.set_features(batch.candidate_dense, batch.candidate_mask)
    user = (batch.user_dense, batch.user_ids)
    one = attraction(user, dense, batch.candidate_ids).page
    other = attraction(user, dense + 1, batch.candidate_ids * 0).page
    assert torch.equal(one, other)


def test_members_learn_side_by_side(seed: int) -> None:
    attraction = attraction_of(seed)
    before = terms_of(attraction, seed)
    for name, parameter in attraction.named_parameters():
        if not name.startswith("features."):
            assert parameter.size(0) == MEMBERS, name
            parameter[1] += 1.0
    after = terms_of(attraction, seed)
    for part, other in zip(before, after, strict=True):
        torch.testing.assert_close(part[[0, 2]], other[[0, 2]], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(part[1], other[1])


def test_the_prior_draws_every_weight_to_zero(seed: int) -> None:
    """Against its gradient, every parameter that it knows gets smaller."""
    attraction = attraction_of(seed).requires_grad_(True)
    attraction.prior().sum().backward()
    known = 0
    for parameter in attraction.parameters():
        if parameter.grad is not None and parameter.numel():
            assert (parameter.grad * parameter >= 0).all()
            assert torch.equal(parameter.grad == 0, parameter == 0)
            known += 1
    assert known > 5


def test_each_member_has_a_prior_of_its_own(seed: int) -> None:
    attraction = attraction_of(seed).requires_grad_(True)
    attraction.prior()[0].backward()
    for parameter in attraction.parameters():
        if parameter.grad is not None:
            assert not parameter.grad[1:].any()


def test_the_score_of_upstream_is_trusted_more_than_any_other_feature(seed: int) -> None:
    """All three views of it: value, rank and z-score."""
    plain, eased = attraction_of(seed, fresh=True), attraction_of(seed, fresh=True, score="score")
    dense = plain.linear.size(1)
    score = {column for column in range(dense) if column % (dense // 3) == 0}
    for column in range(dense):
        costs = []
        for attraction in (plain, eased):
            start = attraction.prior()
            attraction.linear[:, column] = 1.0
            costs.append((attraction.prior() - start).mean().item())
            attraction.linear.zero_()
        assert (costs[1] < costs[0] / 4) == (column in score)


def test_a_schema_without_users_and_ids_is_enough(seed: int) -> None:
    torch.manual_seed(seed)
    schema = FeatureSchema(user=(), candidate=(Feature("score", FeatureKind.DENSE),))
    attraction = Attraction(schema, MEMBERS, WIDTH)
    values, mask = torch.randn(4, 5, 1), torch.ones(4, 5, dtype=torch.bool)
    none = torch.zeros(4, 0), torch.zeros(4, 0, dtype=torch.int64)
    ids = torch.zeros(4, 5, 0, dtype=torch.int64)
    terms = attraction(none, attraction.set_features(values, mask), ids)
    assert terms.strength.shape == (MEMBERS, 4, 5)
    (terms.strength.sum() + terms.page.sum() + attraction.prior().sum()).backward()
    assert attraction.linear.grad is not None
    assert attraction.linear.grad.any()
