"""Is a CUDA kernel's answer that of the CPU op?"""

from __future__ import annotations

import torch
from torch import Tensor

from gerank import ops
from tests.ops.cases import DecodeCase
from tests.ops.parity import TOLERANCE, Answer, decision_margin, expect_close

NEAR_TIE = 1e-4
"""Two scores this close may be ordered either way; what follows such a slot is incomparable."""


def expect_agreement(case: DecodeCase, answer: Answer, tolerance: float = TOLERANCE) -> None:
    """Fail unless slates and relaxed rules are the CPU op's, bar near ties, and so log_prob."""
    expected = Answer(*ops.decode_slates(*case.arguments()))
    same = (answer.slates == expected.slates).flatten(1).all(1)  # [B]
    if not same.all():
        apart = decision_margin(case)[~same] / max(1.0, tolerance / TOLERANCE)
        assert (apart < NEAR_TIE).all(), f"other picks without a near tie: {apart.amax():.2e}"
    assert torch.equal(answer.relaxed[same], expected.relaxed[same])
    expect_close(answer.log_prob[same], expected.log_prob[same], tolerance)


def expect_equal(mine: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> None:
    """Fail unless every bit is the same; NaN equals NaN."""
    for index, (left, right) in enumerate(zip(mine, other, strict=True)):
        assert left.shape == right.shape, index
        same = (left == right) | (left.isnan() & right.isnan())
        assert same.all(), f"output {index} differs in {int((~same).sum())} numbers"


def expect_close_gradients(mine: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> None:
    """Within 1e-5, relative or of the largest element of each tensor."""
    for index, (left, right) in enumerate(zip(mine, other, strict=True)):
        largest = float(right.abs().amax()) if right.numel() else 0.0
        torch.testing.assert_close(
            left, right, rtol=1e-5, atol=1e-5 * max(1e-3, largest),
            msg=lambda text, index=index: f"gradient {index}: {text}",
        )  # fmt: skip
