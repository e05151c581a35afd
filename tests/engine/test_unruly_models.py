"""A scripted module may do what it likes with its arguments: only its own call pays for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gerank
from gerank.data.batch import Slates
from gerank.engine import Engine, StatusError
from gerank.export.artifact import save_artifact
from gerank.export.manifest import build_manifest
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

RESIZES, SETS, TRANSPOSES, BLINDS, BEYOND, NOT_A_NUMBER = 10, 11, 12, 13, 14, 15


class _Unruly(nn.Module):
    """Puts candidate n into slot n, and misbehaves where the temperature says so."""

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
        what = int(temperature[0].round())
        slates = torch.full_like(pins, -1)
        for b in range(pins.size(0)):
            filled = min(int(slots[b]), int(candidate_mask[b].sum()))
            slates[b, :filled] = torch.arange(filled)
        log_prob = torch.zeros([pins.size(0), pins.size(1)])
        relaxed = torch.zeros_like(pins)
        if what == 10:
            pins.resize_(0)
        if what == 11:
            slots.set_(torch.zeros([1], dtype=torch.long))
        if what == 12:
            candidate_ids.transpose_(0, 1)
        if what == 13:
            candidate_mask.fill_(True)
            slots.fill_(1000)
        if what == 14:
            slates[0, 0] = 999
        if what == 15:
            log_prob[0, 0] = float("nan")
        return Slates(slates, log_prob, relaxed)


def document(temperature: float) -> dict[str, Any]:
    page = valid_document() | {"temperature": temperature, "pins": {}, "spacing": [], "quotas": []}
    candidates = [{k: v for k, v in c.items() if k != "dedup_key"} for c in page["candidates"]]
    return page | {"candidates": candidates}


@pytest.fixture(scope="module")
def unruly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unruly") / "unruly.gerank"
    save_artifact(torch.jit.script(_Unruly()), CONTRACT, build_manifest(CONTRACT, "v1", {}), path)
    return path


@pytest.mark.parametrize("what", [RESIZES, SETS, TRANSPOSES, BLINDS, BEYOND, NOT_A_NUMBER])
def test_what_a_model_does_to_its_arguments_does_not_reach_the_next_call(
    unruly: Path, what: int
) -> None:
    ranker = gerank.load(unruly)
    good = ranker.rank([document(1.0)])
    with Engine() as engine:
        engine.publish("feed", ranker)
        for pages in (1, 3):
            for _ in range(2):
                if what in (BEYOND, NOT_A_NUMBER):
                    with pytest.raises(StatusError, match="the model answered candidate"):
                        engine.rank([document(what)] * pages)
                    with pytest.raises(StatusError, match="the model answered candidate"):
                        ranker.rank([document(what)] * pages)
                else:
                    engine.rank([document(what)] * pages)
                    ranker.rank([document(what)] * pages)
                assert engine.rank([document(1.0)] * pages).slates == good * pages
                assert engine.submit([document(1.0)] * pages).wait().slates == good * pages
                assert ranker.rank([document(1.0)] * pages) == good * pages
