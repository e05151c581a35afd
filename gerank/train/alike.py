"""Whether several processes train the same run: a difference is told, not averaged away."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gerank.train.config import TrainConfig
from gerank.train.config_toml import config_differences
from gerank.train.log_identity import LogIdentity
from gerank.train.processes import ProcessesError, current


def check_same_run(out: Path, config: TrainConfig, log: LogIdentity, device: torch.device) -> None:
    """Whether all processes were started for one run; alone, nothing happens.

    Raises:
        ProcessesError: One of them has another folder, setting, log or kind of device.
    """
    told = current().all_told((out.resolve(), config, log, device.type))
    first_out, first_config, first_log, first_device = told[0]
    for rank, (its_out, its_config, its_log, its_device) in enumerate(told):
        whose = f"process {rank} of {len(told)}"
        if its_out != first_out:
            raise ProcessesError(f"--out: {whose} has {its_out}, and process 0 {first_out}")
        if different := config_differences(first_config, its_config):
            raise ProcessesError(
                f"{whose} has other settings than process 0: {'; '.join(different)}"
            )
        if its_log != first_log:
            raise ProcessesError(
                f"data.log: {whose} reads another log than process 0: {its_log.size} "
                f"({its_log.digest}) and {first_log.size} ({first_log.digest})"
            )
        if its_device != first_device:
            raise ProcessesError(
                f"train.device: {whose} computes on {its_device}, and process 0 on {first_device}"
            )


def check_shared(run: Path) -> None:
    """Whether all processes see the folder that the first one writes; alone, nothing happens.

    Raises:
        ProcessesError: One of them does not.
    """
    seen = current().all_told((run / "config.toml").exists())
    if not all(seen):
        raise ProcessesError(
            f"{run}: process {seen.index(False)} of {len(seen)} does not see the run that process "
            "0 began there; all machines must reach one folder by this name"
        )


def check_same_state(stage: str, epoch: int, model: nn.Module, score: float) -> None:
    """Whether all processes have come to the same parameters and score, bit by bit.

    Raises:
        ProcessesError: One of them has others, as on machines of different kinds.
    """
    processes = current()
    if processes.size == 1:
        return
    told = processes.all_told((_checksum(model), score.hex()))
    for rank, state in enumerate(told):
        if state != told[0]:
            what = "parameters" if state[0] != told[0][0] else "a score"
            raise ProcessesError(
                f"{stage}: after epoch {epoch} process {rank} of {len(told)} has {what} that "
                "process 0 does not have; all must compute alike, on machines of one kind"
            )


def share_random_state(device: torch.device) -> None:
    """Gives all processes the random state of the first; alone, nothing happens.

    Networks of one's own may draw as they like, and differ in how much they drew.

    Args:
        device: Where the networks of this process lie; a GPU has a state of its own.
    """
    processes = current()
    if processes.size == 1:
        return
    torch.set_rng_state(processes.told_by_first(torch.get_rng_state))
    if device.type == "cuda":
        drawn = processes.told_by_first(lambda: torch.cuda.get_rng_state(device))
        torch.cuda.set_rng_state(drawn, device)


def _checksum(model: nn.Module) -> int:
    checksum = 0
    for value in model.state_dict().values():
        checksum = zlib.crc32(_bytes(value), checksum)
    return checksum


def _bytes(value: torch.Tensor) -> Any:
    return value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
