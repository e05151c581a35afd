"""set_ranks: the rank of each feature inside its own set, padding unseen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank import ops, reference
from tests.ops.layouts import strided


def random_set(seed: int, shape: tuple[int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values with many ties, masks from empty to full."""
    source = torch.Generator().manual_seed(seed)
    spread = torch.tensor([1.0, 3.0, 1e6])[torch.randint(3, (shape[2],), generator=source)]
    features = (spread * torch.randn(shape, generator=source)).round().to(dtype)
    density = torch.rand((shape[0], 1), generator=source) * 1.5
    return features, torch.rand(shape[:2], generator=source) < density


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 20, 7), (3, 1, 2), (2, 512, 3), (4, 13, 0), (9, 33, 17)])
def test_equals_the_reference(seed: int, shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    for offset in range(10):
        features, mask = random_set(seed + offset, shape, dtype)
        ranks = ops.set_ranks(features, mask)
        assert ranks.dtype == dtype
        torch.testing.assert_close(ranks, reference.set_ranks(features, mask), rtol=0, atol=1e-6)


def test_ranks_by_hand() -> None:
    features = torch.tensor([[[3.0], [1.0], [3.0], [8.0], [-5.0]]])
    mask = torch.tensor([[True, True, True, True, False]])
    expected = [[0.5], [0.0], [0.5], [1.0], [0.0]]  # 3.0 stands at ranks 1 and 2 of 0..3
    assert ops.set_ranks(features, mask)[0].tolist() == expected


def test_a_candidate_alone_is_in_the_middle_and_an_empty_set_is_zero() -> None:
    mask = torch.tensor([[False, True], [False, False]])
    ranks = ops.set_ranks(torch.randn(2, 2, 3), mask)
    assert ranks[0, 1].tolist() == [0.5, 0.5, 0.5]
    assert ranks[0, 0].tolist() == [0.0, 0.0, 0.0]
    assert not ranks[1].any()


def test_padding_is_not_seen_whatever_it_holds(seed: int) -> None:
    features, mask = random_set(seed, (6, 15, 4), torch.float32)
    clean = ops.set_ranks(features, mask)
    for garbage in (torch.nan, torch.inf, -1e30):
        dirty = torch.where(mask[:, :, None], features, garbage)
        assert torch.equal(ops.set_ranks(dirty, mask), clean)


def test_ranks_do_not_change_under_increasing_maps(seed: int) -> None:
    features, mask = random_set(seed, (6, 15, 4), torch.float64)
    small = features / 1e6
    assert torch.equal(ops.set_ranks(small.exp(), mask), ops.set_ranks(small, mask))


def test_permuted_candidates_give_permuted_ranks(seed: int) -> None:
    features, mask = random_set(seed, (1, 40, 3), torch.float32)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
    permuted = ops.set_ranks(features[:, order], mask[:, order])
    assert torch.equal(permuted, ops.set_ranks(features, mask)[:, order])


def test_strides_do_not_matter(seed: int) -> None:
    features, mask = random_set(seed, (4, 21, 5), torch.float32)
    assert torch.equal(
        ops.set_ranks(strided(features), strided(mask)), ops.set_ranks(features, mask)
    )


@pytest.mark.parametrize("shape", [(0, 5, 3), (0, 0, 0), (2, 5, 0)])
def test_empty_inputs_give_empty_ranks(shape: tuple[int, int, int]) -> None:
    ranks = ops.set_ranks(torch.zeros(shape), torch.zeros(shape[:2], dtype=torch.bool))
    assert ranks.shape == shape


def test_ranks_have_no_gradient() -> None:
    features = torch.randn(2, 4, 3, requires_grad=True)
    assert not ops.set_ranks(features, torch.ones(2, 4, dtype=torch.bool)).requires_grad
