"""The losses of pages, on numbers small enough to check by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gerank.baselines.listwise_losses import (
    attention_rank,
    click_cross_entropy,
    likelihood_loss,
    softmax_cross_entropy,
)

LOSSES = (attention_rank, click_cross_entropy, likelihood_loss, softmax_cross_entropy)
MASK = torch.tensor([[True, True, True, False]])


def scores(*odds: float) -> Tensor:
    """Scores whose softmax has these odds."""
    return torch.tensor([odds]).log()


def test_softmax_cross_entropy_shares_the_page_between_its_clicks() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    found = softmax_cross_entropy(scores(1, 2, 5, 100), labels, MASK)
    assert found.item() == pytest.approx(-(math.log(1 / 8) + math.log(5 / 8)) / 2)


def test_the_likelihood_counts_every_click() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    found = likelihood_loss(scores(1, 2, 5, 100), labels, MASK)
    assert found.item() == pytest.approx(-(math.log(1 / 8) + math.log(5 / 8)))


def test_attention_rank_is_the_cross_entropy_of_two_attentions() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    expected = -(
        0.5 * math.log(1 / 8) + 0.5 * math.log(7 / 8)  # clicked, attention 1 / 2
        + math.log(6 / 8)  # not clicked, attention 0
        + 0.5 * math.log(5 / 8) + 0.5 * math.log(3 / 8)
    )  # fmt: skip
    assert attention_rank(scores(1, 2, 5, 100), labels, MASK).item() == pytest.approx(expected)


def test_attention_of_graded_labels_is_their_exponential() -> None:
    labels = torch.tensor([[2.0, 1.0, 0.0, 0.0]])
    share = math.e**2 / (math.e**2 + math.e)
    expected = -(
        share * math.log(1 / 8) + (1 - share) * math.log(7 / 8)
        + (1 - share) * math.log(2 / 8) + share * math.log(6 / 8)
        + math.log(3 / 8)
    )  # fmt: skip
    assert attention_rank(scores(1, 2, 5, 100), labels, MASK).item() == pytest.approx(expected)


def test_click_cross_entropy_takes_every_click_by_itself() -> None:
    logits = torch.tensor([[0.0, math.log(3), -math.log(3), 5.0]])
    found = click_cross_entropy(logits, torch.tensor([[1.0, 1.0, 0.0, 1.0]]), MASK)
    assert found.item() == pytest.approx(-(math.log(0.5) + 2 * math.log(0.75)))


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_and_pages_of_nothing_have_no_gradient(loss: object, seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    values = torch.randn(3, 4, generator=source).requires_grad_()
    labels = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    mask = torch.tensor([[True, True, False, False], [False] * 4, [True] * 4])
    found = loss(values, labels, mask)  # type: ignore[operator]
    assert found.shape == (3,)
    assert found[1] == 0
    found.sum().backward()
    assert values.grad is not None and values.grad.isfinite().all()
    assert (values.grad[~mask] == 0).all()
    assert (values.grad[0, :2] != 0).all()


@pytest.mark.parametrize("loss", [attention_rank, likelihood_loss, softmax_cross_entropy])
def test_a_page_without_a_click_says_nothing_of_an_order(loss: object) -> None:
    values = torch.randn(1, 4).requires_grad_()
    found = loss(values, torch.zeros(1, 4), MASK)  # type: ignore[operator]
    assert found.item() == 0
    found.sum().backward()
    assert values.grad is not None and (values.grad == 0).all()
