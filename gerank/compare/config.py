"""The TOML file of `gerank compare`, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from gerank.baselines.registry import UnknownComparatorError, comparator_class, comparators
from gerank.data.settings import SettingsReader
from gerank.train.config import (
    DataConfig,
    EvaluatorConfig,
    JudgeConfig,
    TrainConfig,
    UtilityConfig,
)
from gerank.train.setting_rules import ConfigError, at_least_one, require
from gerank.train.train_settings import TrainSettings

_READER = SettingsReader(ConfigError)


class TunedBy(StrEnum):
    """What validation pages say of a setting.

    `evaluator`: the mean reward that an evaluator of the training pages expects of the slates.
    `ndcg`: NDCG of the logged clicks.
    """

    EVALUATOR = "evaluator"
    NDCG = "ndcg"


@dataclass(frozen=True)
class TuningConfig:
    """How settings are chosen, for all comparators alike.

    Attributes:
        budget: Settings of a grid that are tried, at most: the first values of all, and others
            drawn from the grid.
        by: What is best on the validation pages: `evaluator` or `ndcg`.
    """

    budget: int = 4
    by: TunedBy = TunedBy.EVALUATOR

    def __post_init__(self) -> None:
        at_least_one(self, "budget")


@dataclass(frozen=True)
class ComparatorConfig:
    """One row of the table.

    Attributes:
        comparator: Its name in `gerank.baselines`, or a `package.module:Class` of yours; empty =
            what its key says.
        settings: Setting -> a value that is not tuned.
        grid: Setting -> list of values to try; without one, the comparator's own grid.
    """

    comparator: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", _flat(self.grid))
        for setting, values in self.grid.items():
            if not isinstance(values, list) or not values:
                raise ConfigError(f"grid.{setting}: {values!r} is not a list of one value or more")
            if setting in self.settings:
                raise ConfigError(f"grid.{setting}: settings.{setting} says what it is")


@dataclass(frozen=True)
class CompareConfig:
    """A comparison.

    Attributes:
        data: Which pages are learned from, and how they are split.
        comparators: Name in the tables -> what it is; without any, every comparator there is.
        seeds: Each comparator that draws is trained with each of them.
        reference: The one that all others are compared with.
        tuning: How settings are chosen.
        evaluator: The evaluator that tunes.
        judge: The judges.
        reward: Utility name -> what it is and its weight: what evaluator and judges count.
        normalise: Whether utilities are divided by their spread before they are weighed.
        seed: The seed of evaluator, judges, drawn settings and resampling.
        workers: Processes that work at once; 0 = one per core.
        resamples: How often people are drawn anew for an interval.
        optimum_pages: Test pages on which the best slate is looked for, at most; 0 = none.
        train: On what networks learn, evaluator, judges and comparators alike.
    """

    data: DataConfig
    comparators: dict[str, ComparatorConfig] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    reference: str = "gerank"
    tuning: TuningConfig = field(default_factory=TuningConfig)
    evaluator: EvaluatorConfig = field(default_factory=EvaluatorConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    reward: dict[str, UtilityConfig] = field(default_factory=lambda: {"clicks": UtilityConfig()})
    normalise: bool = True
    seed: int = 0
    workers: int = 0
    resamples: int = 10_000
    optimum_pages: int = 500
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        rows = {name: _flat_row(name, row) for name, row in self.comparators.items()}
        object.__setattr__(self, "comparators", rows)
        require("a list of distinct seeds", lambda s: s and len(set(s)) == len(s), self, "seeds")
        require("in 0..2147483647", lambda s: all(0 <= n < 2**31 for n in s), self, "seeds")
        require(">= 0", lambda count: count >= 0, self, "workers", "optimum_pages")
        require(">= 100", lambda count: count >= 100, self, "resamples")
        require("a table with a utility or more", bool, self, "reward")
        known = self.comparators or comparators()
        if self.reference not in known:
            raise ConfigError(
                f"reference: {self.reference!r} is not one of comparators: {', '.join(known)}"
            )
        for name, row in self.comparators.items():
            _check_row(name, row)

    @property
    def judges(self) -> TrainConfig:
        """The run that trains evaluator and judges."""
        return TrainConfig(
            self.data,
            evaluator=self.evaluator,
            judge=self.judge,
            train=self.train,
            reward=self.reward,
            normalise=self.normalise,
            seed=self.seed,
            threads=1,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, defaults written out."""
        document = dataclasses.asdict(self)
        document["data"]["log"] = str(self.data.log)
        return document


def read_compare_config(path: Path) -> CompareConfig:
    """Reads a TOML file.

    Raises:
        ConfigError: The file is missing or not TOML, or a key or value does not fit.
    """
    config: CompareConfig = _READER.read(CompareConfig, path)
    log = (path.parent / config.data.log).resolve()
    return dataclasses.replace(config, data=dataclasses.replace(config.data, log=log))


def _flat_row(name: str, row: ComparatorConfig) -> ComparatorConfig:
    """The row with settings as its comparator calls them: of a table `generator` with `epochs`
    becomes `generator.epochs`, unless the comparator has a setting that is a table.
    """
    try:
        known = comparator_class(row.comparator or name).grid
    except UnknownComparatorError:
        return row  # which is told with all else that is wrong
    try:
        return dataclasses.replace(row, settings=_flat(row.settings, known))
    except ConfigError as error:
        raise ConfigError(f"comparators.{name}.{error}") from None


def _flat(settings: dict[str, Any], known: Container[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and name not in known:
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found


def _check_row(name: str, row: ComparatorConfig) -> None:
    """Every name and setting exists, before hours of work stand on it."""
    if not name.replace("-", "_").isidentifier():
        raise ConfigError(f"comparators: {name!r} is not letters, digits, _ and -")
    try:
        kind = comparator_class(row.comparator or name)
        kind(row.settings)
        for setting, values in row.grid.items():
            for value in values:
                kind({setting: value})
    except UnknownComparatorError as error:
        raise ConfigError(f"comparators.{name}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"comparators.{name}: {error}") from None
