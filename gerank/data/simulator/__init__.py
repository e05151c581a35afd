"""A feed with a known truth: people, items, a logging pipeline and clicks that depend on the page.

`simulate` gives an exposure log, which looks like any other, and the `SimulatorTruth` behind it,
which only metrics and rewards of experiments may see.
"""

from __future__ import annotations

from gerank.data.simulator.enumeration import best_slates, enumerate_slates
from gerank.data.simulator.logging_modes import Logging
from gerank.data.simulator.logging_policy import LoggingPolicy
from gerank.data.simulator.observation import ObservationNoise
from gerank.data.simulator.simulate import SimulatorConfig, simulate
from gerank.data.simulator.truth import SimulatorTruth, TruthError
from gerank.data.simulator.users import (
    AttentionUser,
    CascadeUser,
    ExaminationUser,
    FatigueUser,
    RepeatSeekingUser,
    User,
    UserKind,
    make_user,
)

__all__ = [
    "AttentionUser",
    "CascadeUser",
    "ExaminationUser",
    "FatigueUser",
    "Logging",
    "LoggingPolicy",
    "ObservationNoise",
    "RepeatSeekingUser",
    "SimulatorConfig",
    "SimulatorTruth",
    "TruthError",
    "User",
    "UserKind",
    "best_slates",
    "enumerate_slates",
    "make_user",
    "simulate",
]
