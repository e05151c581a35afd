"""set_features: where each value stands in training and in its own set, padding unseen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank import ops, reference
from tests.ops.layouts import strided

Arguments = tuple[Tensor, Tensor, Tensor, Tensor]
SHAPES = [(5, 20, 7), (3, 1, 2), (2, 512, 3), (4, 13, 0), (9, 33, 17), (3, 200, 9), (2, 192, 16)]


def random_set(seed: int, shape: tuple[int, int, int], dtype: torch.dtype) -> Arguments:
    """Values with many ties, masks from empty to full, any training pages."""
    source = torch.Generator().manual_seed(seed)
    spread = torch.tensor([1.0, 3.0, 1e6])[torch.randint(3, (shape[2],), generator=source)]
    values = (spread * torch.randn(shape, generator=source)).round().to(dtype)
    density = torch.rand((shape[0], 1), generator=source) * 1.5
    mean = (spread * torch.randn(shape[2], generator=source)).to(dtype)
    deviation = (spread * (0.1 + torch.rand(shape[2], generator=source))).to(dtype)
    return values, torch.rand(shape[:2], generator=source) < density, mean, deviation


def untrained(values: Tensor, mask: Tensor) -> Arguments:
    width = values.size(2)
    return values, mask, values.new_zeros(width), values.new_ones(width)


def ranks_of(values: Tensor, mask: Tensor) -> Tensor:
    width = values.size(2)
    return ops.set_features(*untrained(values, mask))[:, :, width : 2 * width]


def zscores_of(values: Tensor, mask: Tensor) -> Tensor:
    return ops.set_features(*untrained(values, mask))[:, :, 2 * values.size(2) :]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_reference(seed: int, shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    for offset in range(10):
        arguments = random_set(seed + offset, shape, dtype)
        found = ops.set_features(*arguments)
        assert found.dtype == dtype
        exact = reference.set_features(*(part.double() if part.is_floating_point() else part
                                         for part in arguments))  # fmt: skip
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_values_by_hand() -> None:
    values = torch.tensor([[[3.0], [1.0], [3.0], [9.0], [-5.0]]])
    mask = torch.tensor([[True, True, True, True, False]])
    found = ops.set_features(values, mask, torch.tensor([1.0]), torch.tensor([0.5]))
    deviation = 9.0**0.5  # of 3, 1, 3, 9 around 4
    assert found[0, :4, 0].tolist() == [4.0, 0.0, 4.0, 6.0]  # 9 is 16 deviations away: cut off
    assert found[0, :4, 1].tolist() == [0.0, -1.0, 0.0, 1.0]  # 3 stands at ranks 1 and 2 of 0..3
    assert found[0, :4, 2].tolist() == pytest.approx([(x - 4) / deviation for x in (3, 1, 3, 9)])
    assert found[0, 4].tolist() == [0.0, 0.0, 0.0]


def test_a_candidate_alone_is_in_the_middle_and_an_empty_set_is_zero() -> None:
    mask = torch.tensor([[False, True], [False, False]])
    values = torch.randn(2, 2, 3)
    found = ops.set_features(*untrained(values, mask))
    assert found[0, 1].tolist() == [*values[0, 1].tolist(), 0, 0, 0, 0, 0, 0]
    assert not found[0, 0].any() and not found[1].any()


def test_padding_is_not_seen_whatever_it_holds(seed: int) -> None:
    values, mask, *training = random_set(seed, (6, 15, 4), torch.float32)
    clean = ops.set_features(values, mask, *training)
    for garbage in (torch.nan, torch.inf, -1e30):
        dirty = torch.where(mask[:, :, None], values, garbage)
        assert torch.equal(ops.set_features(dirty, mask, *training), clean)


def test_the_width_of_the_padding_changes_no_bit(seed: int) -> None:
    values, mask, *training = random_set(seed, (6, 15, 20), torch.float32)
    wide = torch.nn.functional.pad(values, (0, 0, 0, 9))
    found = ops.set_features(wide, torch.nn.functional.pad(mask, (0, 9)), *training)
    assert torch.equal(found[:, :15], ops.set_features(values, mask, *training))


def test_ranks_do_not_change_under_increasing_maps(seed: int) -> None:
    values, mask, *_ = random_set(seed, (6, 15, 4), torch.float64)
    small = values / 1e6
    assert torch.equal(ranks_of(small.exp(), mask), ranks_of(small, mask))


def test_zscores_do_not_know_the_scale_of_a_feature(seed: int) -> None:
    values = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(3, 9, dtype=torch.bool)
    torch.testing.assert_close(
        zscores_of(1000 * values - 7, mask), zscores_of(values, mask), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("level", [0.0, 1e-9, 0.1, 12345.678, -3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_set_that_agrees_has_zscores_of_0(level: float, dtype: torch.dtype) -> None:
    values = torch.full((1, 7, 1), level, dtype=dtype)
    assert zscores_of(values, torch.ones(1, 7, dtype=torch.bool)).tolist() == [[[0.0]] * 7]


@pytest.mark.parametrize("largest", [1e18, 1e30, torch.finfo(torch.float32).max])
def test_huge_values_give_finite_features(largest: float) -> None:
    mask = torch.ones(1, 512, dtype=torch.bool)
    signs = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])[torch.arange(512) % 2]
    assert ops.set_features(*untrained(largest * signs[None], mask)).isfinite().all()


def test_permuted_candidates_give_permuted_features(seed: int) -> None:
    values, mask, *training = random_set(seed, (1, 40, 3), torch.float64)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
    permuted = ops.set_features(values[:, order], mask[:, order], *training)
    expected = ops.set_features(values, mask, *training)[:, order]
    torch.testing.assert_close(permuted, expected, rtol=1e-9, atol=1e-9)


def test_strides_do_not_matter(seed: int) -> None:
    arguments = random_set(seed, (4, 21, 5), torch.float32)
    assert torch.equal(ops.set_features(*map(strided, arguments)), ops.set_features(*arguments))


@pytest.mark.parametrize("shape", [(0, 5, 3), (0, 0, 0), (2, 5, 0)])
def test_empty_inputs_give_empty_features(shape: tuple[int, int, int]) -> None:
    mask = torch.zeros(shape[:2], dtype=torch.bool)
    found = ops.set_features(*untrained(torch.zeros(shape), mask))
    assert found.shape == (*shape[:2], 3 * shape[2])


def test_features_have_no_gradient() -> None:
    values = torch.randn(2, 4, 3, requires_grad=True)
    mask = torch.ones(2, 4, dtype=torch.bool)
    assert not ops.set_features(*untrained(values, mask)).requires_grad
