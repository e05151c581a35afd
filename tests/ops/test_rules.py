"""10,000 random requests, many impossible: hard rules hold, and every broken soft one is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank import ops
from tests.ops.cases import DecodeCase, Sizes, make_case, random_sizes
from tests.ops.rule_checks import findings, requests_of, slate_findings

PARTS = 10
REQUESTS_PER_PART = 1000


@pytest.mark.parametrize("part", range(PARTS))
def test_slates_keep_the_rules_or_say_which_they_dropped(seed: int, part: int) -> None:
    requests, empty, dropped = 0, 0, [0, 0, 0, 0]
    while requests < REQUESTS_PER_PART:
        sizes = replace(random_sizes(seed + requests), batch=25)
        case = make_case(seed + requests, sizes, per_request_attention=part % 2 == 0)
        slates, _, relaxed = ops.decode_slates(*case.arguments())
        assert findings(case, slates, relaxed) == []
        requests += sizes.batch
        empty += int((slates[:, 0, 0] < 0).sum())
        dropped = [n + int((relaxed == bits).sum()) for bits, n in enumerate(dropped)]
    assert empty > 0 and min(dropped) > 0  # every branch of relaxation was walked


def decoded(case: DecodeCase) -> tuple[list[int], list[int]]:
    slates, _, relaxed = ops.decode_slates(*case.arguments())
    return slates[0, 0].tolist(), relaxed[0, 0].tolist()


def plain(**rules: Tensor) -> DecodeCase:
    """Six candidates for four slots; two groups and a flag for half of the candidates."""
    case = make_case(3, Sizes(1, 6, 4, groups=1, flags=1), rules=False, ragged=False, greedy=True)
    case = replace(
        case,
        groups=torch.tensor([[[0], [0], [0], [1], [1], [1]]]),
        flags=torch.tensor([[[True], [False], [True], [False], [True], [False]]]),
    )
    return replace(case, **rules)


def test_without_rules_all_slots_are_filled_and_nothing_is_relaxed() -> None:
    slate, relaxed = decoded(plain())
    assert len(set(slate)) == 4 and relaxed == [0, 0, 0, 0]


def test_spacing_counts_pins_ahead() -> None:
    pins = torch.tensor([[-1, 0, -1, -1]])
    slate, relaxed = decoded(plain(pins=pins, spacing=torch.tensor([[[2, 1]]])))
    assert slate[1] == 0 and slate[0] in {3, 4, 5} and slate[2] in {3, 4, 5}
    assert slate[3] in {1, 2} and relaxed == [0, 0, 0, 0]


def test_a_spacing_that_cannot_be_kept_is_dropped_for_that_slot_only() -> None:
    one_left = torch.tensor([[True, True, True, True, False, False]])
    spacing = torch.tensor([[[2, 1]]])
    slate, relaxed = decoded(plain(mask=one_left, spacing=spacing))
    alternating = [m == 3 for m in slate]
    assert sum(alternating) == 1
    place = alternating.index(True)
    broken = [n > 0 and (slate[n] < 3) and (slate[n - 1] < 3) for n in range(4)]
    assert relaxed == [int(b) for b in broken] and place in {0, 1}


def test_two_pins_that_break_spacing_stand_without_report() -> None:
    pins = torch.tensor([[0, 1, 3, 4]])
    slate, relaxed = decoded(plain(pins=pins, spacing=torch.tensor([[[4, 1]]])))
    assert slate == [0, 1, 3, 4] and relaxed == [0, 0, 0, 0]


def test_a_minimum_takes_the_last_slots_when_they_are_owed() -> None:
    for least in range(4):
        slate, relaxed = decoded(plain(quotas=torch.tensor([[[least, -1]]])))
        assert sum(m in {0, 2, 4} for m in slate) >= least
        assert relaxed == [0, 0, 0, 0]


def test_a_minimum_beyond_the_candidates_is_reported_at_the_slots_it_could_not_have() -> None:
    slate, relaxed = decoded(plain(quotas=torch.tensor([[[4, -1]]])))
    assert set(slate[:3]) == {0, 2, 4} and relaxed == [0, 0, 0, 2]


def test_a_minimum_beyond_the_slots_is_reported_at_every_slot() -> None:
    slate, relaxed = decoded(plain(slots=torch.tensor([2]), quotas=torch.tensor([[[3, -1]]])))
    assert set(slate[:2]) < {0, 2, 4} and relaxed == [2, 2, 0, 0]


def test_a_minimum_that_runs_out_of_candidates_is_reported_where_the_last_is_placed() -> None:
    short = plain(mask=torch.tensor([[True, True, True, False, False, False]]))
    slate, relaxed = decoded(replace(short, quotas=torch.tensor([[[2, -1]]])))
    assert set(slate[:3]) == {0, 1, 2} and slate[3] == -1 and relaxed == [0, 0, 0, 0]
    slate, relaxed = decoded(replace(short, quotas=torch.tensor([[[3, -1]]])))
    assert slate[2:] == [1, -1] and relaxed == [0, 0, 2, 0]
    slate, relaxed = decoded(replace(short, quotas=torch.tensor([[[4, -1]]])))
    assert set(slate[:3]) == {0, 1, 2} and relaxed == [2, 2, 2, 0]
    twins = replace(short, dedup_keys=torch.tensor([[7, -1, 7, -1, -1, -1]]))
    slate, relaxed = decoded(replace(twins, quotas=torch.tensor([[[2, -1]]])))
    assert slate[1:] == [1, -1, -1] and relaxed == [0, 2, 0, 0]


def test_a_maximum_counts_pins_ahead() -> None:
    pins = torch.tensor([[-1, -1, -1, 4]])
    slate, relaxed = decoded(plain(pins=pins, quotas=torch.tensor([[[0, 1]]])))
    assert set(slate) == {1, 3, 4, 5} and relaxed == [0, 0, 0, 0]


def test_spacing_is_dropped_before_quotas() -> None:
    flagged_group = torch.tensor([[[0], [9], [0], [9], [0], [9]]])
    slate, relaxed = decoded(
        plain(
            groups=flagged_group,
            spacing=torch.tensor([[[4, 1]]]),
            quotas=torch.tensor([[[3, -1]]]),
        )
    )
    assert sum(m in {0, 2, 4} for m in slate) == 3  # the quota held
    assert sorted(relaxed) == [0, 0, 1, 1]


def test_a_dedup_key_is_never_relaxed() -> None:
    keys = torch.tensor([[5, 5, 5, 6, 6, -1]])
    slate, relaxed = decoded(plain(dedup_keys=keys))
    kept = [m for m in slate if m >= 0]
    assert len(kept) == 3 and slate[3] == -1 and 5 in kept
    assert relaxed == [0, 0, 0, 0]


def test_a_pins_dedup_key_counts_from_the_start() -> None:
    keys = torch.tensor([[5, 5, 5, -1, -1, -1]])
    pins = torch.tensor([[-1, -1, -1, 0]])
    slate, _ = decoded(plain(dedup_keys=keys, pins=pins))
    assert set(slate) == {3, 4, 5, 0}


def test_pins_behind_an_empty_slot_are_served() -> None:
    mask = torch.tensor([[True, True, False, False, False, False]])
    slate, _ = decoded(plain(mask=mask, pins=torch.tensor([[-1, -1, -1, 0]])))
    assert slate == [1, -1, -1, 0]


@pytest.mark.parametrize(
    ("slate", "relaxed", "finding"),
    [
        ([0, 3, 1, 1], [0] * 4, "twice"),
        ([0, 3, 1, 9], [0] * 4, "no candidate"),
        ([0, 3, 1, -1], [0] * 4, "empty while a candidate is left"),
        ([0, 1, 3, 4], [0] * 4, "breaks spacing unreported"),
        ([0, 3, 1, 4], [1, 0, 0, 0], "drops spacing while"),
        ([0, 3, 1, 4], [2, 0, 0, 0], "drops quotas while"),
        ([1, 3, 0, 5], [0] * 4, "breaks a quota unreported"),
        ([0, 4, 2, 5], [0] * 4, "over 2, unreported"),
    ],
)
def test_the_checks_find_what_is_wrong(slate: list[int], relaxed: list[int], finding: str) -> None:
    case = plain(spacing=torch.tensor([[[2, 1]]]), quotas=torch.tensor([[[2, 2]]]))
    rules = requests_of(case)[0]
    assert slate_findings(rules, [0, 3, 1, 4], [0] * 4) == []  # this one is in order
    assert any(finding in text for text in slate_findings(rules, slate, relaxed))
