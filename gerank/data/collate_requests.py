"""Requests as the one padded batch that a generator takes: what the engine makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gerank._engine import Ranker
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
    seen: list[RerankBatch] = []

    def look(*arrays: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        seen.append(RerankBatch(*map(torch.from_numpy, arrays)))
        nothing = np.full(seen[0].pins.shape, -1)
        return nothing, np.zeros(nothing.shape, np.float32), np.zeros(nothing.shape, np.int64)

    seeded = [replace(request, seed=request.seed or 0) for request in requests]
    with request_errors():
        ranker = Ranker.over_function(json.dumps(contract.to_json()), "", look)
        ranker.rank([native_query(request, contract) for request in seeded])
    return seen[0]
