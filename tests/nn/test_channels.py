"""Every channel against a loop over the filled slots of one page."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gerank.nn.channels import PairwiseProducts, Recurrent, SelfAttention, SlotMlp, SumPooling

PAGES, SLOTS, WIDTH = 5, 4, 6


@pytest.fixture
def page(seed: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(PAGES, SLOTS, WIDTH)


@pytest.fixture
def mask(seed: int) -> Tensor:
    """Slates that end early, one of them whole, one empty."""
    return torch.arange(SLOTS) < torch.tensor([[4], [3], [2], [1], [0]])


def filled(page: Tensor, mask: Tensor, index: int) -> Tensor:
    return page[index, mask[index]]


def test_sum_pooling_adds_what_is_there(page: Tensor, mask: Tensor) -> None:
    pooled = SumPooling()(page, mask)
    for index in range(PAGES):
        torch.testing.assert_close(pooled[index], filled(page, mask, index).sum(0) / SLOTS)


def test_the_slot_mlp_treats_every_slot_alike_and_keeps_its_place(
    page: Tensor, mask: Tensor
) -> None:
    channel = SlotMlp(WIDTH, 3)
    slots = channel(page, mask).view(PAGES, SLOTS, 3)
    for index in range(PAGES):
        expected = channel.per_slot(filled(page, mask, index)).relu()
        torch.testing.assert_close(slots[index, mask[index]], expected)
        assert not slots[index, ~mask[index]].any()


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_attention_is_that_of_torch_over_filled_slots(
    page: Tensor, mask: Tensor, heads: int
) -> None:
    channel = SelfAttention(WIDTH, heads)
    torchs = nn.MultiheadAttention(WIDTH, heads, batch_first=True)
    torchs.load_state_dict(
        {
            "in_proj_weight": channel.project.weight,
            "in_proj_bias": channel.project.bias,
            "out_proj.weight": channel.mix.weight,
            "out_proj.bias": channel.mix.bias,
        }
    )
    mixed = channel(page, mask)
    for index in range(PAGES - 1):
        there = filled(page, mask, index).unsqueeze(0)
        torch.testing.assert_close(mixed[index, mask[index]], torchs(there, there, there)[0][0])
    assert not mixed[~mask].any()


def test_the_gru_reads_from_the_top(page: Tensor, mask: Tensor) -> None:
    channel = Recurrent(WIDTH)
    read = channel(page, mask)
    for index in range(PAGES - 1):
        torch.testing.assert_close(
            read[index, mask[index]], channel.gru(filled(page, mask, index).unsqueeze(0))[0][0]
        )
    assert not read[~mask].any()


def test_pairwise_products_are_all_inner_products_once(page: Tensor, mask: Tensor) -> None:
    products = PairwiseProducts(SLOTS)(page, mask)
    for index in range(PAGES):
        expected = [
            (page[index, i] @ page[index, j] / WIDTH**0.5).item()
            if mask[index, i] and mask[index, j]
            else 0.0
            for i in range(SLOTS)
            for j in range(i, SLOTS)
        ]
        torch.testing.assert_close(products[index], torch.tensor(expected))
