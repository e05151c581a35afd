"""gerank's own generator, trained as `gerank train` does, on the pages that all others get."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages, ServedModule
from gerank.data.contract import WeightRange
from gerank.data.exposure_log import ExposureLog
from gerank.train.choices import Device
from gerank.train.config import (
    EvaluatorConfig,
    GeneratorConfig,
    JudgeConfig,
    TrainConfig,
)
from gerank.train.config_toml import build_settings
from gerank.train.orders import generated_slates
from gerank.train.pages import PageSplit
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings

_TABLES = {"generator": GeneratorConfig, "evaluator": EvaluatorConfig}
_TRIED: dict[str, tuple[Any, ...]] = {
    "generator.support_price": (0.1, 0.0),
    "evaluator.residual": (False, True),
}


def _settings_of_training() -> Mapping[str, tuple[Any, ...]]:
    """Every setting of generator and evaluator with its default; of a few, more values."""
    defaults: dict[str, tuple[Any, ...]] = {"reward": ({"clicks": {}},), "normalise": (True,)}
    for table, kind in _TABLES.items():
        for field in dataclasses.fields(kind):
            value = str(field.default) if isinstance(field.default, StrEnum) else field.default
            defaults[f"{table}.{field.name}"] = (value,)
    return MappingProxyType(defaults | _TRIED)


class GerankGenerator(Comparator):
    """The generator by policy gradients against an evaluator of the training pages.

    It has no judge: a comparison judges all alike.

    Settings:
        reward: Utility name -> its table, as in a run's TOML file.
        normalise: As in a run's TOML file.
        generator.KEY, evaluator.KEY: As in a run's TOML file; arrays may be lists. Without a
            number of `evaluator.page_slots` the evaluator learns from all slots that were shown, as
            the other comparators do.
    """

    name = "gerank"
    paper = "this library, docs/architecture.md"
    not_served = ""
    grid = _settings_of_training()

    def config(self, pages: Pages) -> TrainConfig:
        """The run that the settings speak of.

        Raises:
            ConfigError: A value does not fit its key.
        """
        tables: dict[str, dict[str, Any]] = {table: {} for table in _TABLES}
        for setting, value in self.settings.items():
            table, _, key = setting.partition(".")
            if key:
                tables[table][key] = list(value) if isinstance(value, tuple) else value
        longest = int(np.diff(pages.log.slate_offsets).max())
        tables["evaluator"]["page_slots"] = tables["evaluator"]["page_slots"] or min(128, longest)
        document = {
            "data": {"log": ".", "slots": pages.slots, "score": pages.score or ""},
            "reward": self.settings["reward"],
            "normalise": self.settings["normalise"],
            "seed": self.seed,
            **tables,
        }
        config: TrainConfig = build_settings(TrainConfig, document, "")
        judge = JudgeConfig(boosted=False, clone_steps=1)
        train_settings = TrainSettings(device=Device(pages.device.type))
        return dataclasses.replace(config, judge=judge, train=train_settings)

    def fit(self, pages: Pages) -> None:
        """Trains evaluator and generator in a folder that is gone afterwards.

        Raises:
            ConfigError: A setting does not fit the pages.
        """
        config = self.config(pages)
        split = PageSplit(pages.train, np.empty(0, np.int64), pages.validation)
        with tempfile.TemporaryDirectory(prefix="gerank-") as folder:
            run = train(config, Path(folder) / "run", log=pages.log, split=split)
            self._generator = run.load_generator()
        self._weights = {
            name: WeightRange(utility.min, utility.max, utility.default)
            for name, utility in config.reward.items()
        }

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """See `Comparator`."""
        if not len(rows):
            return torch.empty(0, slots, dtype=torch.int64)
        weights = torch.tensor([weight.default for weight in self._weights.values()])
        return generated_slates(self._generator, log.select(rows), slots, weights)

    def served(self) -> ServedModule:
        """See `Comparator`."""
        return ServedModule(self._generator, self._weights)
