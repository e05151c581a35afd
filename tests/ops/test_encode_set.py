"""encode_set: the encoder in one pass, padding unseen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank import ops, reference
from tests.ops.encoder_cases import EncoderCase, random_set
from tests.ops.layouts import strided

SIZES = [
    ((5, 20, 7, 3), 8),
    ((3, 1, 2, 0), 5),
    ((2, 512, 3, 4), 16),
    ((4, 13, 0, 3), 9),
    ((9, 33, 17, 1), 64),
    ((1, 20, 192, 4), 64),
    ((3, 21, 40, 6), 128),
]


def in_double(case: EncoderCase) -> EncoderCase:
    return case._replace(
        candidates=case.candidates.double(),
        users=case.users.double(),
        weights=case.weights.double(),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("shape", "width"), SIZES)
def test_equals_the_reference(
    seed: int, shape: tuple[int, int, int, int], width: int, dtype: torch.dtype
) -> None:
    for offset in range(3):
        case = random_set(seed + offset, shape, width, dtype)
        for ours, exact in zip(
            ops.encode_set(*case), reference.encode_set(*in_double(case)), strict=True
        ):
            assert ours.dtype == dtype
            torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "width"), SIZES)
def test_what_other_devices_compute_is_the_same(
    seed: int, shape: tuple[int, int, int, int], width: int
) -> None:
    case = random_set(seed, shape, width, torch.float64)
    key = torch._C.DispatchKey.CompositeExplicitAutograd
    found = torch.ops.gerank.encode_set.default._op_dk(key, *case)
    torch.testing.assert_close(found, ops.encode_set(*case), rtol=1e-10, atol=1e-10)


def test_a_request_is_bitwise_the_same_alone_and_in_any_batch(seed: int) -> None:
    case = random_set(seed, (7, 23, 11, 3), 24)
    together = ops.encode_set(*case)
    for b in range(7):
        row = slice(b, b + 1)
        alone = ops.encode_set(
            case.candidates[row], case.users[row], case.mask[row], case.weights, case.width
        )
        assert all(
            torch.equal(mine[0], all_[b]) for mine, all_ in zip(alone, together, strict=True)
        )


def test_padding_is_zero_and_changes_no_bit(seed: int) -> None:
    case = random_set(seed, (6, 15, 4, 3), 20)
    items, whole = ops.encode_set(*case)
    assert not items[~case.mask].any()
    garbage = torch.where(case.mask[:, :, None], case.candidates, torch.nan)
    dirty = ops.encode_set(*case._replace(candidates=garbage))
    assert torch.equal(dirty[0], items) and torch.equal(dirty[1], whole)
    wide = case._replace(
        candidates=torch.nn.functional.pad(case.candidates, (0, 0, 0, 9)),
        mask=torch.nn.functional.pad(case.mask, (0, 9)),
    )
    padded = ops.encode_set(*wide)
    assert torch.equal(padded[0][:, :15], items) and torch.equal(padded[1], whole)


def test_strides_do_not_matter(seed: int) -> None:
    case = random_set(seed, (4, 21, 5, 3), 12)
    tensors: list[Tensor] = [strided(part) for part in case[:3]]
    for ours, theirs in zip(
        ops.encode_set(*tensors, case.weights, case.width), ops.encode_set(*case), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape", [(0, 5, 3, 2), (2, 0, 3, 2)])
def test_empty_inputs_are_no_error(shape: tuple[int, int, int, int]) -> None:
    items, whole = ops.encode_set(*random_set(0, shape, 6))
    assert items.shape == (shape[0], shape[1], 6) and whole.shape == (shape[0], 6)
    assert whole.isfinite().all()


def test_a_gradient_that_nobody_would_get_is_refused() -> None:
    case = random_set(0, (2, 4, 3, 2), 6)
    case.weights.requires_grad_()
    with pytest.raises(RuntimeError, match=r"gerank::encode_set: has no gradient.*before freeze"):
        ops.encode_set(*case)
    with torch.no_grad():
        ops.encode_set(*case)
