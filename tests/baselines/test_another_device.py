"""Comparators with a network learn on a device that is not the CPU, and answer on the CPU."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.comparator import Comparator
from gerank.baselines.gerank_generator import GerankGenerator
from gerank.train.choices import Device
from tests.baselines.networks import WITH_NETWORK
from tests.baselines.small_problem import SLOTS, pages_of, quality_log, settings_of
from tests.train.pretend_device import PRETEND, Away, pretending

SHORT: dict[str, Any] = {"steps": 6, "batch_size": 16, "evaluator_steps": 6, "min_steps": 4}
LOG = quality_log(0, 60)


def fitted(kind: type[Comparator], device: torch.device) -> Any:
    torch.manual_seed(0)
    comparator = kind(settings_of(kind, **SHORT), seed=3)
    comparator.fit(dataclasses.replace(pages_of(LOG), device=device))
    return comparator


@pytest.mark.parametrize("kind", WITH_NETWORK, ids=lambda kind: kind.name)
def test_it_learns_there_what_it_learns_on_the_cpu(
    kind: type[Comparator], monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt_on = []
    on_cpu = fitted(kind, torch.device("cpu"))
    with pretending():
        zero_grad = torch.optim.Adam.zero_grad
        monkeypatch.setattr(
            torch.optim.Adam,
            "zero_grad",
            lambda optimizer, **options: (
                learnt_on.extend(p.device for p in optimizer.param_groups[0]["params"]),
                zero_grad(optimizer, **options),
            ),
        )
        away = fitted(kind, PRETEND)
    assert set(learnt_on) == {PRETEND}
    for name, value in on_cpu.network.state_dict().items():
        mine = away.network.state_dict()[name]
        assert not isinstance(mine, Away)
        torch.testing.assert_close(mine, value, rtol=1e-3, atol=1e-5)
    rows = np.arange(len(LOG))
    assert away.slates(LOG, rows, SLOTS).equal(on_cpu.slates(LOG, rows, SLOTS))


def test_the_generators_own_run_takes_the_device_of_the_pages() -> None:
    for name in ("cpu", "cuda"):
        pages = dataclasses.replace(pages_of(LOG), device=torch.device(name))
        assert GerankGenerator().config(pages).train.device is Device(name)
