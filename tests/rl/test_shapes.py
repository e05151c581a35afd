from __future__ import annotations

import pytest
import torch

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3)])
def test_leading_axes_are_free_only_where_the_axes_say_so(shape: tuple[int, ...]) -> None:
    check_axes("reward", "page", torch.zeros(shape), "...N")
    if len(shape) == 2:
        check_axes("reward", "page", torch.zeros(shape), "BN")
    else:
        with pytest.raises(ValueError, match=r"reward: page must be \[B, N\] and not empty"):
            check_axes("reward", "page", torch.zeros(shape), "BN")


def test_an_axis_too_few_or_an_empty_one_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"page must be \[..., N, D\] and not empty, got \[3\]"):
        check_axes("reward", "page", torch.zeros(3), "...ND")
    with pytest.raises(ValueError, match=r"page must be \[..., N\] and not empty, got \[0, 3\]"):
        check_axes("reward", "page", torch.zeros(0, 3), "...N")


def test_shapes_masks_and_dtypes_that_do_not_fit_are_named() -> None:
    expected = torch.Size([2, 3])
    check_shape("reward", "page", torch.zeros(2, 3), expected)
    check_mask("reward", "mask", torch.ones(2, 3, dtype=torch.bool), expected)
    check_floating("reward", "page", torch.zeros(2, dtype=torch.float16))
    with pytest.raises(ValueError, match=r"reward: page must be \[2, 3\] like the others, got \[3"):
        check_shape("reward", "page", torch.zeros(3, 2), expected)
    with pytest.raises(ValueError, match=r"reward: mask must be bool, got torch.uint8"):
        check_mask("reward", "mask", torch.ones(2, 3, dtype=torch.uint8), expected)
    with pytest.raises(ValueError, match=r"reward: page must be floating point, got torch.bool"):
        check_floating("reward", "page", torch.ones(2, dtype=torch.bool))
