"""The formulas of the papers whose networks score candidates, checked against plain ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from gerank.baselines.attention_block import AttentionBlock
from gerank.baselines.dlcm import DlcmNetwork, LocalContextScore
from gerank.baselines.gsf import GsfNetwork
from gerank.baselines.initial_order import InitialOrder, at_ranks, by_candidate
from gerank.baselines.midnn import global_features, seen_click_loss
from gerank.baselines.prm import PrmNetwork
from gerank.baselines.setrank import SetBlock, SetRankNetwork
from gerank.data.batch import Features
from tests.data.request_cases import CONTRACT
from tests.nn.batches import doubled, permuted, random_batch, random_orders

SCHEMA = CONTRACT.schema


def features_of(seed: int) -> Features:
    return doubled(random_batch(seed)).features


def test_global_features_place_a_value_between_the_extremes_of_its_set() -> None:
    dense = torch.tensor([[[2.0, 7.0], [4.0, 7.0], [10.0, 7.0], [99.0, 0.0]]])
    mask = torch.tensor([[True, True, True, False]])
    expected = torch.tensor([[[0.0, 0], [0.25, 0], [1.0, 0], [0.0, 0]]])
    assert torch.equal(global_features(dense, mask), expected)


def test_the_slot_multiplies_the_probability_of_a_click() -> None:
    """sigma = 3/4 and a factor of 1/2: softplus(0) = log 2."""
    logits, cost = torch.full((1, 3), math.log(3)), torch.zeros(1, 3)
    clicked = torch.tensor([[1.0, 0.0, 1.0]])
    mask = torch.tensor([[True, True, False]])
    found = seen_click_loss(logits, cost, clicked, mask)
    assert found.item() == pytest.approx(-(math.log(3 / 8) + math.log(5 / 8)))


def test_the_attention_block_is_that_of_torch(seed: int) -> None:
    torch.manual_seed(seed)
    block, plain = AttentionBlock(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        parts = (block.query, block.key, block.value)
        plain.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        plain.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        plain.out_proj.weight.copy_(block.out.weight)
        plain.out_proj.bias.copy_(block.out.bias)
    queries, keys = torch.randn(4, 3, 8), torch.randn(4, 5, 8)
    mask = torch.rand(4, 5) < 0.7
    mask[:, 0] = True
    looked, _ = plain(queries, keys, keys, key_padding_mask=~mask)
    seen = block.first_norm(queries + looked)
    expected = block.second_norm(seen + block.feed_forward(seen))
    torch.testing.assert_close(block(queries, keys, mask), expected, rtol=1e-4, atol=1e-5)


def test_an_attention_block_refuses_heads_that_do_not_divide_its_width() -> None:
    with pytest.raises(ValueError, match="heads is 3, not a divisor of width = 8"):
        AttentionBlock(8, 3)


def test_the_initial_order_is_that_of_the_score(seed: int) -> None:
    features = features_of(seed)
    ranks = InitialOrder(SCHEMA, "price")(features)
    price = [feature.name for feature in SCHEMA.candidate_dense].index("price")
    listed = at_ranks(features.candidate_dense, ranks)[..., price]
    for values, mask in zip(listed, features.candidate_mask, strict=True):
        count = int(mask.sum())
        assert (values[1:count] <= values[: count - 1]).all()
    back = by_candidate(at_ranks(features.candidate_dense, ranks), ranks)
    assert torch.equal(back, features.candidate_dense)
    assert (InitialOrder(SCHEMA, None).ordinals(features) == 0).all()
    with pytest.raises(ValueError, match="score feature 'rating' is not one of score, price"):
        InitialOrder(SCHEMA, "rating")


def test_places_in_the_list_matter_to_prm_and_setrank_only_where_upstream_has_a_score(
    seed: int,
) -> None:
    """Permuted candidates have the same scores in any case."""
    torch.manual_seed(seed)
    batch = doubled(random_batch(seed))
    order = random_orders(batch, seed)
    other = permuted(batch, order).features
    sizes = {"blocks": 2, "heads": 2}
    for score in ("score", None):
        for network in (
            PrmNetwork(SCHEMA, 8, 2, score=score, **sizes),
            SetRankNetwork(SCHEMA, 8, 2, score=score, induced=0, **sizes),
            SetRankNetwork(SCHEMA, 8, 2, score=score, induced=3, **sizes),
        ):
            network.double().eval()
            before, after = network.scores(batch.features), network.scores(other)
            real = batch.candidate_mask
            expected = before.gather(1, order)[real.gather(1, order)]
            torch.testing.assert_close(after[other.candidate_mask], expected)
            with torch.no_grad():
                network.places.weight[1:] += torch.randn_like(network.places.weight[1:])
            moved = network.scores(batch.features)[real]
            assert torch.allclose(moved, before[real]) == (score is None)


def test_the_local_context_score_is_a_product_per_hidden_unit() -> None:
    """Two hidden units over vectors of two: sum_k V_k (o . tanh(W_k s + b_k))."""
    layer = LocalContextScore(2, 2)
    with torch.no_grad():
        layer.context.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [2, 0], [0, 0]]))
        layer.context.bias.copy_(torch.tensor([0.0, 0, 0, 0.5]))
        layer.out.weight.copy_(torch.tensor([[3.0, -1.0]]))
    outputs, state = torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]), torch.tensor([[0.25, -1.0]])
    first = [math.tanh(0.25), math.tanh(-1.0)]
    second = [math.tanh(0.5), math.tanh(0.5)]
    expected = [
        3 * (first[0] + 2 * first[1]) - (second[0] + 2 * second[1]),
        3 * first[1] - second[1],
    ]
    assert layer(outputs, state)[0].tolist() == pytest.approx(expected)


@torch.no_grad()
def test_dlcm_reads_the_list_from_its_last_item_to_its_first(seed: int) -> None:
    torch.manual_seed(seed)
    network = DlcmNetwork(SCHEMA, 6, 2, hidden=3, score="score").double().eval()
    features = features_of(seed)
    found = network.scores(features)
    described = network.described(features)
    inputs = torch.cat([described, network.abstract(described)], dim=-1)
    column = [feature.name for feature in SCHEMA.candidate_dense].index("score")
    for page, mask in enumerate(features.candidate_mask):
        score = features.candidate_dense[page, :, column][mask]
        from_below = score.argsort()
        read, final = network.rnn(inputs[page][mask][from_below].unsqueeze(0))
        expected = network.score(read, final[0])[0]
        torch.testing.assert_close(found[page][mask][from_below], expected)


def every_shuffle(count: int, padding: int) -> Iterator[Tensor]:
    for order in itertools.permutations(range(count)):
        keys = torch.tensor([*order, *[0] * padding]) / (count + 1)
        yield keys.unsqueeze(0)


@torch.no_grad()
@pytest.mark.parametrize("group_size", [1, 2, 3])
def test_the_mean_over_shuffles_is_that_over_all_ordered_groups(seed: int, group_size: int) -> None:
    """Four candidates and one padding place; groups of one, two or three."""
    torch.manual_seed(seed)
    network = GsfNetwork(SCHEMA, 4, 2, group_size=group_size, shuffles=1).double()
    described = torch.randn(1, 5, network.described_width, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, True, False]])
    shuffled = [
        network.shuffled_scores(described, mask, keys)[0, :4] for keys in every_shuffle(4, 1)
    ]
    total, groups = torch.zeros(4, dtype=torch.float64), torch.zeros(4)
    for group in itertools.permutations(range(4), group_size):
        said = network.group_scores(described[0, list(group)].flatten())
        for place, member in enumerate(group):
            total[member] += said[place]
            groups[member] += 1
    torch.testing.assert_close(torch.stack(shuffled).mean(0), total / groups)


@torch.no_grad()
def test_an_induced_block_sees_the_set_through_its_points_alone(seed: int) -> None:
    torch.manual_seed(seed)
    items, mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3:] = False
    block = SetBlock(8, 2, induced=3)
    points = block.points.expand(2, -1, -1)
    held = block.onto_points(points, items, mask)
    everyone = torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(block(items, mask), block.onto_set(items, held, everyone))
    full = SetBlock(8, 2, induced=0)
    torch.testing.assert_close(full(items, mask), full.onto_set(items, items, mask))
