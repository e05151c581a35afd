"""Requests in, slates out, by an artifact's module in Python: what the engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gerank.data.collate_requests import collate_requests
from gerank.data.request import Request
from gerank.data.slate import Slate, split_slates
from gerank.export.artifact import Artifact


def rank_requests(artifact: Artifact, requests: Sequence[Request]) -> list[Slate]:
    """Answers requests that passed `check_request`, all in one forward pass."""
    seeded = [replace(request, seed=request.seed or 0) for request in requests]
    with torch.inference_mode():
        answer = artifact.module(*collate_requests(seeded, artifact.contract))
    return split_slates(answer, seeded, artifact.model_version)
