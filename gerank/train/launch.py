"""What torchrun tells of itself to every process that it starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

_UNNAMED = "none"
"""The run id of a launch that was given none."""


@dataclass(frozen=True)
class Launch:
    """A launch by torchrun, as one of its processes sees it.

    Attributes:
        name: Tells one launch from another, through all its restarts.
        processes: How many it has on all machines.
        restarts: How often it has started its processes anew, since one of them failed.
        local_rank: Which of its processes on this machine this one is, from 0.
        local_processes: How many it has on this machine.
    """

    name: str
    processes: int
    restarts: int
    local_rank: int
    local_processes: int

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] = os.environ) -> Launch | None:
        """The launch that this process belongs to; None where torchrun did not start it."""
        name = environment.get("TORCHELASTIC_RUN_ID")
        if name is None:
            return None
        if name == _UNNAMED:  # its processes are all of one machine, and of one parent
            name = f"process {os.getppid()} of {socket.gethostname()}"
        return cls(
            name,
            processes=int(environment["WORLD_SIZE"]),
            restarts=int(environment["TORCHELASTIC_RESTART_COUNT"]),
            local_rank=int(environment["LOCAL_RANK"]),
            local_processes=int(environment["LOCAL_WORLD_SIZE"]),
        )
