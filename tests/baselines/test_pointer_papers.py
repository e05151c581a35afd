"""The formulas of seq2slate, Exact-K and EG-Rerank, on numbers small enough to check by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gerank.baselines.eg_rerank import EgGenerator, discriminator_loss, slot_credit
from gerank.baselines.exact_k import best_card, demonstration_loss, mean_product, set_mean
from gerank.baselines.rerank_network import RerankNetwork
from gerank.baselines.seq2slate import Seq2Slate, Seq2SlateNetwork, sequence_loss
from gerank.baselines.slate_walk import SlateWalk, repeated, walk
from tests.baselines.small_problem import pages_of, quality_log
from tests.data.request_cases import CONTRACT
from tests.nn.batches import doubled, random_batch

SCHEMA = CONTRACT.schema


def walk_of(free: list[list[bool]], odds: list[list[float]], slates: list[int]) -> SlateWalk:
    """One page whose slots chose with such odds."""
    allowed = torch.tensor([free])
    log_p = torch.tensor([odds]).log().masked_fill(~allowed, -1e9).log_softmax(-1)
    return SlateWalk(torch.tensor([slates]), allowed, log_p)


ALONG = walk_of(
    [[True, True, True], [True, False, True], [False, False, True]],
    [[1, 2, 1], [3, 9, 1], [1, 1, 1]],
    [1, 0, 2],
)


def test_seq2slate_weighs_the_cross_entropy_of_its_steps() -> None:
    """Candidates 0 and 2 were clicked: both are left at two steps, 2 alone at the third."""
    found = sequence_loss(ALONG, torch.tensor([[1.0, 0.0, 1.0]]), "cross_entropy")
    first = -(math.log(1 / 4) + math.log(1 / 4)) / 2
    second = -(math.log(3 / 4) + math.log(1 / 4)) / 2
    assert found.item() == pytest.approx(first + second / math.log2(3))


def test_seq2slate_counts_no_step_without_a_click_left() -> None:
    found = sequence_loss(ALONG, torch.tensor([[0.0, 1.0, 0.0]]), "cross_entropy")
    assert found.item() == pytest.approx(-math.log(2 / 4))
    assert sequence_loss(ALONG, torch.zeros(1, 3), "cross_entropy").item() == 0


def test_the_hinge_is_between_the_worst_click_and_the_best_other() -> None:
    """Step one: 1 - log(1/4) + log(2/4); at step two no other candidate is left."""
    found = sequence_loss(ALONG, torch.tensor([[1.0, 0.0, 1.0]]), "hinge")
    assert found.item() == pytest.approx(1 + math.log(2))
    far = walk_of([[True, True, True]], [[9, 1, 1]], [0])
    assert sequence_loss(far, torch.tensor([[1.0, 0.0, 0.0]]), "hinge").item() == 0


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="loss is 'squared', not one of cross_entropy, hinge"):
        Seq2Slate({"loss": "squared"}).fit(pages_of(quality_log(0, pages=20)))


@torch.no_grad()
def test_seq2slate_points_with_one_lstm_at_the_outputs_of_another(seed: int) -> None:
    """Page by page, with LSTMs that see no padding."""
    torch.manual_seed(seed)
    network = Seq2SlateNetwork(SCHEMA, 6, 2, "score").double().eval()
    features = doubled(random_batch(seed)).features
    state = network.encode(features)
    first = network.slot_logits(state)
    choice = torch.zeros(24, dtype=torch.int64)
    second = network.slot_logits(network.placed(state, choice))
    items = network.project(network.described(features))
    for page, mask in enumerate(features.candidate_mask):
        order = features.candidate_dense[page, :, 0][mask].argsort(descending=True)
        read, (hidden, cell) = network.encoder(items[page][mask][order].unsqueeze(0))
        hidden, cell = network.cell(network.start, (hidden[0], cell[0]))
        for found, told in ((first, None), (second, items[page, :1])):
            if told is not None:
                hidden, cell = network.cell(told, (hidden, cell))
            tanh = torch.tanh(network.from_memory(read[0]) + network.from_state(hidden))
            expected = network.pointer(tanh).squeeze(-1)
            torch.testing.assert_close(found[page][mask][order], expected)


def eg_generator(seed: int) -> RerankNetwork:
    torch.manual_seed(seed)
    return EgGenerator(SCHEMA, 6, 2).eval()


@torch.no_grad()
def test_a_walk_samples_by_its_probabilities_and_knows_them(seed: int) -> None:
    network, batch = eg_generator(seed), random_batch(seed, requests=1)
    batch = batch._replace(candidate_mask=torch.arange(12).expand(1, -1) < 4)
    times = 4000
    state = repeated(network.encode(batch.features), times)
    free = batch.candidate_mask.expand(times, -1)
    drawn = walk(network, state, free, 3)
    again = walk(network, state, free, 3, given=drawn.slates)
    torch.testing.assert_close(drawn.log_prob(), again.log_prob())
    assert drawn.slates.max() < 4
    assert all(len(set(slate)) == 3 for slate in drawn.slates.tolist())
    counted = np.bincount(drawn.slates[:, 0].numpy(), minlength=4) / times
    expected = drawn.log_p[0, 0, :4].exp().numpy()
    assert np.abs(counted - expected).max() < 5 * math.sqrt(0.25 / times)
    assert (drawn.entropy()[:, 0] - drawn.entropy()[0, 0]).abs().max() < 1e-5
    assert drawn.entropy()[0, 0].item() == pytest.approx(-(expected * np.log(expected)).sum(), 1e-4)


@torch.no_grad()
def test_a_walk_ends_with_the_candidates(seed: int) -> None:
    network, batch = eg_generator(seed), random_batch(seed)
    along = walk(network, network.encode(batch.features), batch.candidate_mask, 12, greedy=True)
    counts = batch.candidate_mask.sum(1, keepdim=True)
    assert torch.equal(along.slates >= 0, torch.arange(12) < counts)
    assert (along.log_prob()[along.slates < 0] == 0).all()
    assert (along.log_prob()[:, 0] <= 0).all()


def test_a_choice_that_is_gone_counts_as_nothing() -> None:
    elsewhere = torch.tensor([[2, 1, -1]])
    expected = [[pytest.approx(math.log(1 / 4)), 0, 0]]
    assert ALONG.log_prob(elsewhere).tolist() == expected


def test_hill_climbing_keeps_the_best_card() -> None:
    slates = torch.tensor([[[0, 1], [2, 3], [4, 5]]])
    card, gain = best_card(slates, torch.tensor([[0.1, 0.7, 0.4]]))
    assert card.tolist() == [[2, 3]]
    assert gain.item() == pytest.approx(0.3)


def test_demonstrations_are_pages_with_a_click() -> None:
    log_prob = torch.tensor([[-1.0, -2.0], [-5.0, -5.0], [-0.5, 0.0]])
    clicks = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    assert demonstration_loss(log_prob, clicks).item() == pytest.approx((3 + 0.5) / 2)
    assert demonstration_loss(log_prob, torch.zeros(3, 2)).item() == 0


def test_the_estimator_sees_means_of_items_and_of_their_products() -> None:
    items = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [0.0, 0.0]], [[5.0, 1.0], [0, 0], [0, 0]]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert set_mean(items, mask).tolist() == [[2, 1], [5, 1]]
    assert mean_product(items, mask).tolist() == [[3, 0], [0, 0]]
    three = torch.tensor([[[1.0], [2.0], [4.0]]])
    assert mean_product(three, torch.ones(1, 3, dtype=torch.bool)).item() == pytest.approx(14 / 3)


def test_the_credit_of_a_slot_is_its_click_and_how_logged_it_looks() -> None:
    click, logged = torch.tensor([[[math.log(3), 0.0]]]), torch.tensor([[[0.0, 9.0]]])
    credit = slot_credit(click, logged, torch.tensor([[[True, False]]]), 0.5)
    assert credit.tolist() == [[[pytest.approx(0.75 - 0.5 * math.log(2)), 0]]]


def test_the_discriminator_tells_logged_slates_from_generated_ones() -> None:
    logits = torch.tensor([[[math.log(3), 7.0], [math.log(4), 0.0]]])
    mask = torch.tensor([[[True, False], [True, True]]])
    expected = -(math.log(3 / 4) + math.log(1 / 5) + math.log(1 / 2)) / 3
    assert discriminator_loss(logits, mask).item() == pytest.approx(expected)
