"""A model that opens no file: it answers also where the process has no descriptor left."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from gerank.data.batch import Slates
from gerank.export.artifact import save_artifact
from gerank.export.manifest import build_manifest
from tests.data.request_cases import CONTRACT


class _Ordered(nn.Module):
    """Candidates in their own order, around the pins; it keeps no other rule."""

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> Slates:
        slates = pins.clone()
        for b in range(pins.size(0)):
            free = candidate_mask[b].clone()
            for n in range(pins.size(1)):
                if int(pins[b, n]) >= 0:
                    free[int(pins[b, n])] = False
            for n in range(int(slots[b])):
                if int(slates[b, n]) < 0 and bool(free.any()):
                    chosen = int(free.to(torch.int64).argmax())
                    free[chosen] = False
                    slates[b, n] = chosen
        return Slates(slates, torch.zeros(pins.size()), torch.zeros_like(pins))


def write_ordered_model(path: Path) -> None:
    """Writes the artifact."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        scripted = torch.jit.script(_Ordered())
    save_artifact(scripted, CONTRACT, build_manifest(CONTRACT, "ordered-1", {}), path)
