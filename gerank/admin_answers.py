"""What a server says of its models to those who operate it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LARGEST_WEIGHT = 1_000_000
"""The largest weight of an arm, as admin.proto says."""


@dataclass(frozen=True)
class Arm:
    """One version of a split.

    Attributes:
        arm: As `x-arm` of answers, the exposure log and the metrics tell it.
        version: A published version of the model.
        weight: 1 to LARGEST_WEIGHT; its share of the calls is its part of the sum.
    """

    arm: str
    version: str
    weight: int


@dataclass(frozen=True)
class ContractDifference:
    """One way in which a version refuses calls that another one takes.

    Attributes:
        field: The field of a query that it is about.
        rule: What has changed.
    """

    field: str
    rule: str


@dataclass(frozen=True)
class Loaded:
    """What came of a load.

    Attributes:
        version: The version of the artifact.
        previous_version: The one that was current; empty where there was none.
        current: Whether the new version answers now.
        previous_published: Whether the previous one can still be rolled back to.
        differences: Every way in which the artifact refuses calls that the previous version takes.
        implementation: What computes its slates there, `native` or `torchscript`; empty where the
            server is older than this field, and so is `precision`.
        precision: The precision that runs, `float32` or `bfloat16`.
    """

    version: str
    previous_version: str
    current: bool
    previous_published: bool
    differences: tuple[ContractDifference, ...]
    implementation: str
    precision: str


@dataclass(frozen=True)
class MadeCurrent:
    """What came of a roll-back.

    Attributes:
        version: The version that is current now.
        previous_version: The one that was.
        differences: Every way in which it refuses calls that the previous version takes.
    """

    version: str
    previous_version: str
    differences: tuple[ContractDifference, ...]


@dataclass(frozen=True)
class ServedModel:
    """One published version.

    Attributes:
        name: The name of its model.
        version: As answers tell it.
        path: The file that it was loaded from.
        current: Whether it answers calls that name the model and no version, unless that is split.
        is_default: Whether its model answers calls that name none.
        arms: Those of the model's split that it answers.
        answered: Queries since it was published.
        failed: Queries that it failed.
        loaded_at: When, in UTC.
        implementation: As in Loaded.
        precision: As in Loaded.
    """

    name: str
    version: str
    path: str
    current: bool
    is_default: bool
    arms: tuple[Arm, ...]
    answered: int
    failed: int
    loaded_at: datetime
    implementation: str
    precision: str


@dataclass(frozen=True)
class RefusedLoad:
    """The last load of a name, where it was refused.

    Attributes:
        name: Under which the artifact was to answer.
        path: Its file.
        error: Why it was refused.
        time: When, in UTC.
    """

    name: str
    path: str
    error: str
    time: datetime


@dataclass(frozen=True)
class Listing:
    """What a server serves.

    Attributes:
        models: By name; within a name in the order in which they were current.
        refused: The last load of each name, where it was refused.
    """

    models: tuple[ServedModel, ...]
    refused: tuple[RefusedLoad, ...]
