"""The pretended device finds what a GPU would refuse, and computes what the CPU computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gerank.train.table_adam import adam
from tests.train.pretend_device import PRETEND, Away, MixedDevicesError, pretending


def test_tensors_of_several_devices_do_not_mix() -> None:
    with pretending():
        here, there = torch.ones(2), torch.ones(2, device=PRETEND)
        assert isinstance(there, Away) and there.device == PRETEND
        for mix in (
            lambda: here + there,
            lambda: there.index_select(0, torch.tensor([1])),
            lambda: there[torch.tensor([True, False])],
            lambda: torch.cat([there, here]),
        ):
            with pytest.raises(MixedDevicesError, match="several devices"):
                mix()
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()


def test_what_comes_back_is_what_the_cpu_computes() -> None:
    with pretending():
        there = torch.tensor([1.0, 2.0]).to(PRETEND)
        there.mul_(2)[0] = 5.0
        moved = there.to("cpu") + torch.ones(2)
        assert there.sum().item() == 9.0
    assert type(moved) is torch.Tensor
    assert moved.tolist() == [6.0, 5.0]


def test_a_network_learns_there_as_on_the_cpu() -> None:
    def learnt(device: torch.device) -> list[float]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(device)
        optimizer = adam(network, 1e-2)
        for _ in range(3):
            loss = network(torch.ones(2, 3).to(device)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [
            value for p in network.parameters() for value in p.detach().cpu().flatten().tolist()
        ]

    with pretending():
        away = learnt(PRETEND)
    assert away == learnt(torch.device("cpu"))
