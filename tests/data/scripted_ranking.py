"""Requests in, slates out, by an artifact's module in Python: what the engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gerank.data.collate_requests import collate_requests
from gerank.data.relaxed import rule_names
from gerank.data.request import Request
from gerank.data.slate import Slate
from gerank.export.artifact import Artifact


def rank_requests(artifact: Artifact, requests: Sequence[Request]) -> list[Slate]:
    """Answers requests that passed `check_request`, all in one forward pass."""
    seeded = [replace(request, seed=request.seed or 0) for request in requests]
    with torch.inference_mode():
        answer = artifact.module(*collate_requests(seeded, artifact.contract))
    return split_slates(answer, seeded, artifact.model_version)


def split_slates(
    answer: tuple[Tensor, Tensor, Tensor], requests: Sequence[Request], model_version: str
) -> list[Slate]:
    """A generator's slates, log_prob and relaxed, each [B, N], as one slate per request."""
    rows = zip(*(part.tolist() for part in answer), requests, strict=True)
    return [_slate(*row, model_version) for row in rows]


def _slate(
    choices: list[int],
    log_prob: list[float],
    relaxed: list[int],
    request: Request,
    model_version: str,
) -> Slate:
    above = 0 if request.above is None else request.above.count  # these come before the page
    choices, log_prob, relaxed = choices[above:], log_prob[above:], relaxed[above:]
    slots = tuple(slot for slot, choice in enumerate(choices) if choice >= 0)
    return Slate(
        slots=slots,
        candidates=tuple(choices[slot] for slot in slots),
        log_prob=tuple(log_prob[slot] for slot in slots),
        relaxed=tuple(rule_names(relaxed[slot]) for slot in slots),
        seed=request.seed or 0,
        model_version=model_version,
    )
