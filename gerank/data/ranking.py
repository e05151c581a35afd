"""Requests in, slates out, in this process: the path behind `gerank rerank --model`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from gerank.data.collate_requests import collate_requests
from gerank.data.contract import RequestContract
from gerank.data.request import Request, with_seed
from gerank.data.slate import Slate, split_slates


class Model(Protocol):
    """What can be served: a loaded artifact is one."""

    @property
    def module(self) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        """The generator: takes the fields of a `RerankBatch`, returns those of a `Slates`."""

    @property
    def contract(self) -> RequestContract:
        """What a request must satisfy."""

    @property
    def model_version(self) -> str:
        """Names the artifact in answers."""


def rank_requests(model: Model, requests: Sequence[Request]) -> list[Slate]:
    """Answers requests that passed `check_request`, all in one forward pass.

    A sampled request without a seed gets a random one; its slate tells which.
    """
    seeded = [with_seed(request) for request in requests]
    with torch.inference_mode():
        answer = model.module(*collate_requests(seeded, model.contract))
    return split_slates(answer, seeded, model.model_version)
