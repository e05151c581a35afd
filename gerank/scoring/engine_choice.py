"""Who does the work of a job: one word for the command line and for programs."""

from __future__ import annotations

from enum import StrEnum


class ScoringEngine(StrEnum):
    """PROCESSES of this machine, or RAY: a cluster, or a Ray that is started for the job."""

    PROCESSES = "processes"
    RAY = "ray"
