"""Two processes of a distributed training see one gate: that of the global batch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from gerank.rl import batch_totals, flow_control, global_totals

TARGET = 0.4


def pages(seed: int) -> tuple[Tensor, Tensor]:
    """[8, 2, 5]: members rare on the first half of the batch, common on the second."""
    source = torch.Generator().manual_seed(seed)
    chance = torch.tensor([0.1, 0.9]).repeat_interleave(4).view(8, 1, 1)
    member = torch.rand(8, 2, 5, generator=source) < chance
    return member, torch.ones(8, 2, 5, dtype=torch.bool)


def one_process(rank: int, folder: str, seed: int) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        half = tuple(part.chunk(2)[rank] for part in pages(seed))
        totals = global_totals(batch_totals(*half))
        torch.save(flow_control(*half, TARGET, totals=totals), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_score_their_halves_as_one_process_scores_the_batch(
    seed: int, tmp_path: Path
) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(one_process, (str(tmp_path), seed), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    member, mask = pages(seed)
    assert torch.equal(torch.cat(halves), flow_control(member, mask, TARGET))
    alone = [
        flow_control(m, s, TARGET) for m, s in zip(member.chunk(2), mask.chunk(2), strict=True)
    ]
    assert not torch.equal(torch.cat(halves), torch.cat(alone))  # the halves' own gates differ


def test_outside_of_a_distributed_training_totals_stay_as_they_are(seed: int) -> None:
    totals = batch_totals(*pages(seed))
    assert all(map(torch.equal, global_totals(totals), totals))
