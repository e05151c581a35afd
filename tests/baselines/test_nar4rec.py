"""NAR4Rec: matching, unlikelihood and contrastive decoding, on small numbers."""

from __future__ import annotations

import math

import pytest
import torch

from gerank.baselines.nar4rec import Nar4RecNetwork, unlikelihood_loss
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import doubled, permuted, random_batch, random_orders


def network_of(seed: int, contrast: float = 0.1) -> Nar4RecNetwork:
    torch.manual_seed(seed)
    sizes = {"positions": MAX_SLOTS, "blocks": 1, "heads": 2, "contrast": contrast}
    return Nar4RecNetwork(CONTRACT.schema, 8, 2, **sizes).double().eval()  # type: ignore[arg-type]


def test_lists_of_high_utility_become_likely_and_others_unlikely() -> None:
    log_p = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [1.0, 0, 0]]]).log()
    slates, both = torch.tensor([[1, 1, -1]]), log_p.expand(2, -1, -1)
    found = unlikelihood_loss(both, slates.expand(2, -1), torch.tensor([True, False]))
    assert found[0].item() == pytest.approx(-(math.log(0.25) + math.log(0.8)))
    assert found[1].item() == pytest.approx(-(math.log(0.75) + math.log(0.2)))


def test_a_candidate_pays_for_its_likeness_to_those_above() -> None:
    """alpha = 1/2; candidates at 0, 60 and 90 degrees, of which the first was placed."""
    network = network_of(0, contrast=0.5)
    p = torch.tensor([[[0.9, 0.05, 0.05], [0.2, 0.5, 0.3]]])
    unit = torch.tensor([[[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 1.0]]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    state = [p, unit, torch.full((1, 3), -1.0), torch.zeros(1, dtype=torch.int64), mask]
    assert torch.equal(network.slot_logits(state), p[:, 0])
    state = network.placed(state, torch.tensor([0]))
    expected = [0.2 - 0.5, 0.5 - 0.25, 0.3]
    assert network.slot_logits(state)[0].tolist() == pytest.approx(expected)
    state = network.placed(state, torch.tensor([2]))  # 30 degrees are nearer than 60
    expected = [0.2 - 0.5, 0.5 - 0.5 * math.sqrt(0.75), 0.3 - 0.5]
    assert network.slot_logits(state)[0].tolist() == pytest.approx(expected)


def test_empty_slots_and_what_is_pinned_above_have_no_position() -> None:
    network = network_of(0)
    mask = torch.tensor([[True, True, False], [True, True, False]])
    p, unit = torch.rand(2, 2, 3), torch.rand(2, 3, 2)
    state = [p, unit, torch.full((2, 3), -1.0), torch.zeros(2, dtype=torch.int64), mask]
    after = network.placed(state, torch.tensor([-1, 2]))
    assert after[3].tolist() == [0, 0]
    assert torch.equal(after[2], state[2])
    assert network.placed(state, torch.tensor([1, 0]))[3].tolist() == [1, 1]


@torch.no_grad()
def test_every_position_is_a_distribution_over_the_real_candidates(seed: int) -> None:
    network, batch = network_of(seed), doubled(random_batch(seed))
    p = network.matched(batch.features)[0].exp()
    torch.testing.assert_close(p.sum(2), torch.ones_like(p[:, :, 0]))
    assert (p.masked_select(~batch.candidate_mask.unsqueeze(1)) < 1e-30).all()


@torch.no_grad()
def test_the_match_is_the_product_with_the_positions_and_blind_to_places(seed: int) -> None:
    network, batch = network_of(seed), doubled(random_batch(seed))
    order = random_orders(batch, seed)
    log_p, items = network.matched(batch.features)
    other, _ = network.matched(permuted(batch, order).features)
    moved = log_p.gather(2, order.unsqueeze(1).expand_as(log_p))
    real = batch.candidate_mask.gather(1, order).unsqueeze(1).expand_as(log_p)
    torch.testing.assert_close(other[real], moved[real])
    block, onto = network.among_positions[0], network.to_candidates[0]
    places = network.positions
    places = block(places, places, torch.ones(1, MAX_SLOTS, dtype=torch.bool))
    mask = batch.candidate_mask[:1]
    places = onto(places, items[:1], mask)
    logits = places @ items[:1].transpose(1, 2) / math.sqrt(8)
    expected = logits.masked_fill(~mask.unsqueeze(1), -torch.inf).log_softmax(2)
    torch.testing.assert_close(log_p[:1][..., mask[0]], expected[..., mask[0]])
