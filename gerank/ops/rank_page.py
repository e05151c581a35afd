"""A whole page, from padded requests to slates, in one native pass."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_page(page: Tensor, *batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Answers B requests with one slate each, as the generator that was packed does.

    On the CPU it is one pass, in which an answer depends neither on the other requests nor on the
    threads. Elsewhere torch's operators and the other ops of this package answer, and what a value
    must be is the caller's business there: no message names one that is wrong.

    Args:
        page: [P] float32. A generator, packed by `gerank.nn.packed_page.pack_generator`.
        batch: The 14 tensors of `gerank.data.batch.RerankBatch`, in their order.

    Returns:
        slates [B, N] int64, log_prob [B, N] float32 and relaxed [B, N] int64, as of
        `decode_slates`.

    Raises:
        RuntimeError: `page` is no packed generator, or a shape, a dtype or a value does not fit it;
            the message names it.
        IndexError: An id has no row in its table.
    """
    answer: tuple[Tensor, Tensor, Tensor] = torch.ops.gerank.rank_page(page, *batch)
    return answer
