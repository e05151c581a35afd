"""How benchmarks tell a near tie of two devices from a wrong slate."""

from __future__ import annotations

import torch

from benchmarks.near_ties import TOLERANCE, difference

SLATES = torch.tensor([[3, 1, 2], [0, 2, 1]])
LOG_PROB = torch.tensor([[-0.5, -1.0, -0.2], [-0.1, -0.7, -0.3]])


def test_the_same_slates_do_not_differ() -> None:
    assert difference((SLATES, LOG_PROB + TOLERANCE / 2), (SLATES, LOG_PROB)) == (0, 0)


def test_a_choice_that_is_as_probable_is_a_near_tie_whatever_comes_behind() -> None:
    found, log_prob = SLATES.clone(), LOG_PROB.clone()
    found[0] = torch.tensor([3, 2, 1])
    log_prob[0] = torch.tensor([-0.5, -1.0 - TOLERANCE / 2, -5.0])
    assert difference((found, log_prob), (SLATES, LOG_PROB)) == (1, 0)


def test_a_choice_that_is_less_probable_is_wrong() -> None:
    found, log_prob = SLATES.clone(), LOG_PROB.clone()
    found[1, 0], log_prob[1, 0] = 2, -0.1 - 2 * TOLERANCE
    assert difference((found, log_prob), (SLATES, LOG_PROB)) == (0, 1)


def test_the_right_slate_with_another_log_prob_is_wrong() -> None:
    for worse in (-0.7 - 2 * TOLERANCE, float("nan")):
        log_prob = LOG_PROB.clone()
        log_prob[1, 1] = worse
        assert difference((SLATES, log_prob), (SLATES, LOG_PROB)) == (0, 1)
