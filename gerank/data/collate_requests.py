"""Requests as the one padded batch that a generator takes: what the engine makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract
from gerank.data.native_query import native_query
from gerank.data.request import Request
from gerank.data.request_check import request_errors


def collate_requests(requests: Sequence[Request], contract: RequestContract) -> RerankBatch:
    """Pads B requests to their largest M and N, as the engine does before a forward pass.

    Args:
        requests: At least one. A seed that is not settled counts as 0.
        contract: What they satisfy.

    Returns:
        The positional arguments of the generator, on the CPU. Dedup keys are renumbered.

    Raises:
        RequestError: A request is malformed.
    """
    seeded = [replace(request, seed=request.seed or 0) for request in requests]
    with request_errors():
        arrays = contract.native.pad([native_query(request, contract) for request in seeded])
    return RerankBatch(*map(torch.from_numpy, arrays))
