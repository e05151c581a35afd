"""Beam search finds the best page where it is wide enough, and never leaves the rules."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from gerank.baselines.beam_search import best_beams
from gerank.baselines.mirnn import MiRnnNetwork, ProjectedGru
from gerank.data.batch import RerankBatch
from tests.data.request_cases import CONTRACT
from tests.nn.batches import doubled, random_batch

pytestmark = pytest.mark.random
OUT = -float("inf")


def mirnn(seed: int, beams: int) -> MiRnnNetwork:
    torch.manual_seed(seed)
    network = MiRnnNetwork(CONTRACT.schema, 6, 2, beams)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.double().eval()


def plain_requests(seed: int, candidates: int, slots: int) -> RerankBatch:
    """Greedy requests of `candidates` real candidates, whose only rule are dedup keys."""
    batch = doubled(random_batch(seed, requests=12, candidates=candidates))
    requests = len(batch.slots)
    return batch._replace(
        candidate_mask=torch.ones_like(batch.candidate_mask),
        pins=torch.full((requests, slots), -1),
        spacing=torch.zeros_like(batch.spacing),
        quotas=torch.tensor([0, -1]).expand_as(batch.quotas),
        slots=torch.full((requests,), slots),
        greedy=torch.ones(requests, dtype=torch.bool),
    )


def expected_clicks(network: MiRnnNetwork, batch: RerankBatch, slates: Tensor) -> Tensor:
    """[B] sum of the probabilities of clicks along slates [B, N]."""
    logits = network.along(network.encode(batch.features), slates)
    return (torch.sigmoid(logits) * (slates >= 0)).sum(1)


def best_by_trial(network: MiRnnNetwork, batch: RerankBatch) -> Tensor:
    """[B] the largest sum over all slates that the dedup keys allow."""
    requests, candidates = batch.candidate_mask.shape
    best = torch.full((requests,), OUT, dtype=torch.float64)
    for order in itertools.permutations(range(candidates), batch.pins.size(1)):
        keys = batch.dedup_keys[:, list(order)]
        same = (keys.unsqueeze(2) == keys.unsqueeze(1)) & (keys != -1).unsqueeze(1)
        allowed = ~same.tril(-1).any(2).any(1)
        value = expected_clicks(network, batch, torch.tensor(order).expand(requests, -1))
        best = torch.where(allowed, torch.maximum(best, value), best)
    return best


@torch.no_grad()
def test_a_beam_as_wide_as_all_slates_finds_the_best(seed: int) -> None:
    batch = plain_requests(seed, candidates=4, slots=3)
    batch = batch._replace(dedup_keys=torch.full_like(batch.dedup_keys, -1))
    batch.dedup_keys[::2, :2] = 7  # at least three candidates are left for three slots
    network = mirnn(seed, beams=24)
    found = expected_clicks(network, batch, network(*batch).slates)
    torch.testing.assert_close(found, best_by_trial(network, batch))


@torch.no_grad()
def test_wider_beams_are_worth_more_on_the_whole(seed: int) -> None:
    batch = plain_requests(seed, candidates=8, slots=5)
    narrow, wide = mirnn(seed, beams=1), mirnn(seed, beams=40)
    values = [expected_clicks(each, batch, each(*batch).slates).sum() for each in (narrow, wide)]
    assert values[1] >= values[0]


@torch.no_grad()
def test_a_beam_of_one_is_the_greedy_choice(seed: int) -> None:
    batch = doubled(random_batch(seed))
    batch = batch._replace(greedy=torch.ones_like(batch.greedy))
    network = mirnn(seed, beams=1)
    greedy = network(*batch).slates
    features, rules = batch.features, batch.rules
    assert torch.equal(network._search(features, network.encode(features), rules), greedy)


@torch.no_grad()
def test_sampled_requests_are_not_searched_for(seed: int) -> None:
    batch = doubled(random_batch(seed))._replace(greedy=torch.zeros(24, dtype=torch.bool))
    drawn = [mirnn(seed, beams)(*batch) for beams in (1, 6)]
    assert torch.equal(drawn[0].slates, drawn[1].slates)
    torch.testing.assert_close(drawn[0].log_prob, drawn[1].log_prob)


def test_the_best_ways_on_are_kept_and_missing_ones_repeat_the_best() -> None:
    total = torch.tensor([[1.0, 0.5], [0.0, OUT], [2.0, 1.0]])
    value = torch.tensor([[0.1, OUT], [0.7, 0.2], [OUT, 0.3], [9.0, 9.0], [OUT, OUT], [0.5, OUT]])
    kept, beam, choice = best_beams(total, value)
    assert kept.tolist() == [
        pytest.approx([1.2, 1.1]),
        [pytest.approx(0.3), OUT],
        pytest.approx([2.0, 1.5]),
    ]
    assert beam.tolist() == [1, 0, 2, 2, 4, 5]
    assert choice.tolist() == [0, 0, 1, 1, -1, 0]


def test_of_equal_ways_the_first_are_kept() -> None:
    """As the op does slot by slot; 40 candidates are more than a sort by chance leaves in order."""
    kept, beam, choice = best_beams(torch.zeros(3, 2), torch.ones(6, 40))
    assert kept.eq(1).all()
    assert beam.tolist() == [0, 0, 2, 2, 4, 4]
    assert choice.tolist() == [0, 1] * 3


@torch.no_grad()
def test_the_recurrence_is_that_of_torch(seed: int) -> None:
    torch.manual_seed(seed)
    own, cell = ProjectedGru(3, 5), torch.nn.GRUCell(3, 5)
    cell.weight_ih.copy_(own.from_input.weight)
    cell.bias_ih.copy_(own.from_input.bias)
    cell.weight_hh.copy_(own.from_state.weight)
    cell.bias_hh.copy_(own.from_state.bias)
    inputs, state = torch.randn(4, 3), torch.randn(4, 5)
    torch.testing.assert_close(own(own.from_input(inputs), state), cell(inputs, state))


@torch.no_grad()
def test_mirnn_gives_its_formula(seed: int) -> None:
    """sigma(W_h h_i + W_c c_i) with c_i the attention of h_i to all h_j above, slot by slot."""
    batch = plain_requests(seed, candidates=5, slots=4)
    network, page = mirnn(seed, beams=1), 3
    slates = torch.tensor([[2, 0, 4, 1]]).expand(12, -1)
    found = network.along(network.encode(batch.features), slates)[page]
    projected = network.encode(batch.features)[0][page]
    hidden, states = torch.zeros(6, dtype=torch.float64), list[Tensor]()
    for slot, item in enumerate([2, 0, 4, 1]):
        hidden = network.rnn(projected[item], hidden)
        logit = network.from_hidden(hidden)
        if states:
            query = network.attention_query(hidden)
            scores = [
                network.attention_score(torch.tanh(query + network.attention_key(above)))
                for above in states
            ]
            alpha = torch.cat(scores).softmax(0)
            context = sum(a * above for a, above in zip(alpha, states, strict=True))
            logit = logit + network.from_context(context)
        states.append(hidden)
        torch.testing.assert_close(found[slot], logit[0])
