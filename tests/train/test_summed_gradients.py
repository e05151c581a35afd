"""Gradients and figures of several processes, as one of them sees them, on another device."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gerank.train import summed_gradients
from gerank.train.processes import Processes
from gerank.train.summed_gradients import sum_gradients
from tests.train.pretend_device import PRETEND, Away, pretending


class Twins(Processes):
    """Two processes that have the same."""

    def add_up(self, total: Tensor) -> None:
        total.mul_(2)


def test_sums_stay_where_the_model_is(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(summed_gradients, "current", lambda: Twins(0, 2))
    torch.manual_seed(seed)
    model = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
    asked, unasked = model
    with pretending():
        model.to(PRETEND)
        loss = asked(torch.rand(5, 3).to(PRETEND)).square().mean()
        loss.backward()
        own = asked.weight.grad.cpu()
        told = sum_gradients(model, {"loss": loss.detach(), "one": torch.ones(()).to(PRETEND)})
        assert isinstance(asked.weight.grad, Away)
        assert all(isinstance(value, Away) for value in told.values())
        assert asked.weight.grad.cpu().equal(2 * own)
        assert told["loss"].cpu().equal(2 * loss.detach().cpu())
        assert told["one"].item() == 2
    assert unasked.weight.grad is None
