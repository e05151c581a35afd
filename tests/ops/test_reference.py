"""The specification itself: against formulas written out by hand, and against the rules."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gerank import reference
from gerank.reference.decoder import Request, gru
from gerank.reference.rules import allowed_candidates
from gerank.reference.weights import unpack_weights
from tests.ops.cases import Sizes, make_case, random_sizes
from tests.ops.rule_checks import findings


def one_dimensional_request() -> Request:
    """D = H = 1, three candidates, two slots, one flag, one group key; a GRU that halves its state.

    All GRU weights are 0, so both gates are 1/2, the new state is 0, and h_n = h_{n-1} / 2.
    """
    start, w_s, w_e, w_g = 9.0, 0.8, 0.5, [0.3, -0.7]
    w_ih = w_hh = b_ih = b_hh = [0.0, 0.0, 0.0]
    packed = [start, *w_ih, *w_hh, w_s, *b_ih, *b_hh, w_e, *w_g]
    w_share, w_seen, w_recent, v, bias, scale = 0.4, -0.6, 0.9, 2.0, 0.1, 1.5
    rows = [w_share, w_seen, w_recent, v, bias, scale]
    return Request(
        candidates=torch.tensor([[[1.0], [3.0], [2.0]]]),
        set_vector=torch.tensor([[1.2]]),
        mask=torch.tensor([[True, True, True]]),
        weights=torch.tensor(packed),
        attention=torch.tensor(rows)[None, :, None],
        flags=torch.tensor([[[True], [True], [False]]]),
        groups=torch.tensor([[[5], [7], [7]]]),
        pins=torch.tensor([[-1, -1]]),
        dedup_keys=torch.tensor([[-1, -1, -1]]),
        spacing=torch.tensor([[[0, 0]]]),
        quotas=torch.tensor([[[0, -1]]]),
        slots=torch.tensor([2]),
        temperature=torch.tensor([0.5]),
    )


def test_two_slots_by_hand() -> None:
    seeds, greedy = torch.tensor([0]), torch.tensor([True])
    slates, log_prob, relaxed = reference.decode_slates(
        *one_dimensional_request(), seeds, greedy, num_slates=1, context_window=1
    )

    # slot 0: h = 0.6, nothing in the prefix, place 0: query = scale w_s h + bias.
    query = 1.5 * 0.8 * 0.6 + 0.1
    logits = [2 * math.tanh(0.5 * e + query) for e in (1.0, 3.0, 2.0)]
    total = sum(math.exp(logit / 0.5) for logit in logits)
    first = logits[1] / 0.5 - math.log(total)

    # slot 1: candidate 1 was chosen: the flag's share is 1, place 1/2; candidate 2 has its group.
    query = 1.5 * 0.8 * 0.3 + 0.1 + 0.3 * 1.0 - 0.7 * 0.5
    flagged = 2 * math.tanh(0.5 * 1.0 + query + 0.4 * 1.0)
    same_group = 2 * math.tanh(0.5 * 2.0 + query - 0.6 + 0.9)
    second = same_group / 0.5 - math.log(math.exp(flagged / 0.5) + math.exp(same_group / 0.5))

    assert slates.tolist() == [[[1, 2]]]
    assert relaxed.tolist() == [[[0, 0]]]
    torch.testing.assert_close(log_prob, torch.tensor([[[first, second]]]))


def test_entropy_of_two_slots_by_hand() -> None:
    request = one_dimensional_request()
    _, entropy = reference.slate_log_prob(*request, torch.tensor([[[1, 2]]]), context_window=1)
    query = 1.5 * 0.8 * 0.6 + 0.1
    weights = [math.exp(2 * math.tanh(0.5 * e + query) / 0.5) for e in (1.0, 3.0, 2.0)]
    probs = [weight / sum(weights) for weight in weights]
    expected = -sum(p * math.log(p) for p in probs)
    assert entropy[0, 0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_the_recurrence_is_torchs_gru_cell(seed: int) -> None:
    torch.manual_seed(seed)
    cell = torch.nn.GRUCell(5, 5).double()
    w_s_t, w_e_t, w_g_t = torch.randn(5, 3), torch.randn(5, 3), torch.randn(2, 3)
    w_hs_t = torch.cat([cell.weight_hh.T, w_s_t], dim=1)
    parts = [
        torch.randn(5), cell.weight_ih.T, w_hs_t, cell.bias_ih, cell.bias_hh, w_e_t, w_g_t,
    ]  # fmt: skip
    weights = unpack_weights(torch.cat([part.reshape(-1) for part in parts]), 5, 3, 1)
    inputs, state = torch.randn(4, 5).double(), torch.randn(4, 5).double()
    torch.testing.assert_close(gru(weights, inputs, state), cell(inputs, state))
    torch.testing.assert_close(weights.w_g_t, w_g_t.double())


def test_after_an_empty_slot_the_input_stays_and_later_pins_are_served() -> None:
    request = one_dimensional_request()._replace(
        mask=torch.tensor([[True, False, True]]),
        pins=torch.tensor([[-1, -1, 2]]),
        slots=torch.tensor([3]),
    )
    slates, log_prob, _ = reference.decode_slates(
        *request, torch.tensor([0]), torch.tensor([True]), 1, 1
    )
    assert slates.tolist() == [[[0, -1, 2]]]
    assert log_prob.tolist() == [[[0.0, 0.0, 0.0]]]


@pytest.mark.parametrize(
    ("window", "cap", "slate", "slot", "expected"),
    [
        (2, 1, [0, -1, -1, -1], 1, [2, 3]),  # 1 is of 0's group, next to it
        (2, 1, [0, 2, -1, -1], 2, [1]),  # 3 is of 2's group; 1 is two slots from 0
        (3, 1, [0, 2, -1, -1], 2, [1, 3]),  # nobody keeps it: dropped
        (9, 1, [0, -1, -1, -1], 3, [2, 3]),  # longer than the slate: all of it
        (2, 2, [0, -1, -1, -1], 1, [1, 2, 3]),
        (2, 0, [-1, -1, -1, -1], 0, [0, 1, 2, 3]),  # nobody may: dropped
        (0, 0, [0, -1, -1, -1], 1, [1, 2, 3]),  # no rule
    ],
)
def test_spacing_by_hand(
    window: int, cap: int, slate: list[int], slot: int, expected: list[int]
) -> None:
    case = make_case(0, Sizes(1, 4, 4, groups=1, flags=0), rules=False, ragged=False)
    groups = torch.tensor([[[0], [0], [1], [1]]])
    case = replace(case, groups=groups, spacing=torch.tensor([[[window, cap]]]))
    allowed, _ = allowed_candidates(case.request().rules(), torch.tensor([slate]), slot)
    assert allowed[0].nonzero()[:, 0].tolist() == expected


@pytest.mark.parametrize("part", range(4))
def test_random_slates_keep_the_rules(seed: int, part: int) -> None:
    for offset in range(8):
        sizes = replace(random_sizes(seed + offset), batch=25)
        case = make_case(seed + offset, sizes)
        slates, _, relaxed = reference.decode_slates(*case.arguments())
        assert findings(case, slates, relaxed) == []


def test_teacher_forcing_gives_the_log_prob_of_decoding(seed: int) -> None:
    for offset in range(8):
        case = make_case(seed + offset, random_sizes(seed + offset), per_request_attention=True)
        slates, log_prob, _ = reference.decode_slates(*case.arguments())
        forced, entropy = reference.slate_log_prob(*case.along(slates))
        torch.testing.assert_close(forced, log_prob, rtol=1e-6, atol=1e-6)
        assert (entropy >= -1e-6).all()
