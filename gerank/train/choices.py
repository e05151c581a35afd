"""What a setting of training may be where it is one of a few words."""

from __future__ import annotations

from enum import StrEnum


class Baseline(StrEnum):
    """What a sampled slate's reward is compared with."""

    EXPOSED_PAGE = "exposed_page"
    LEAVE_ONE_OUT = "leave_one_out"
    GREEDY_ROLLOUT = "greedy_rollout"


class Credit(StrEnum):
    """What a choice learns from."""

    SLOT = "slot"
    SLATE = "slate"


class PolicyLoss(StrEnum):
    """How an advantage becomes a gradient."""

    REINFORCE = "reinforce"
    PPO = "ppo"


class Exploration(StrEnum):
    """What is tried beside what looks best."""

    SAMPLING = "sampling"
    RANDOM_NETWORK = "random_network"


class Validation(StrEnum):
    """Which pages are kept for validation."""

    PERSON = "person"
    TIME = "time"


class Device(StrEnum):
    """On what networks compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class FitPrecision(StrEnum):
    """In which numbers matrices are multiplied while an evaluator is fitted."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
