"""The folder of a training run: what lies in it, and how models come back out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import FeatureSchema
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.generator import Generator, GeneratorShape
from gerank.train.config import EvaluatorConfig, TrainConfig
from gerank.train.config_toml import read_config, to_toml
from gerank.train.reward import RewardStatistics

Model = TypeVar("Model", bound=nn.Module)

STAGES = ("evaluator", "judge", "generator")


class RunError(ValueError):
    """A run folder that lacks something or does not fit what is asked of it."""


@dataclass(frozen=True)
class RunFolder:
    """RUN/config.toml, run.json (schema, limits), metrics.csv, tensorboard/, checkpoints/.

    Attributes:
        path: The folder.
        config: As it was run.
        schema: Of the log it was trained on.
        max_candidates: Largest candidate set that requests may have.
    """

    path: Path
    config: TrainConfig
    schema: FeatureSchema
    max_candidates: int

    def create(self, resume: bool) -> None:
        """Writes what identifies the run.

        Raises:
            RunError: The folder holds a run already, and `resume` is unset or would go on with
                another configuration.
        """
        text = to_toml(self.config)
        written = self.path / "config.toml"
        if written.exists() and not resume:
            raise RunError(f"{self.path} holds a run already: pass --resume or another --out")
        if written.exists() and written.read_text(encoding="utf-8") != text:
            raise RunError(f"{self.path} holds a run with another configuration: choose --out")
        (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        written.write_text(text, encoding="utf-8")
        document = {"schema": self.schema.to_json(), "max_candidates": self.max_candidates}
        (self.path / "run.json").write_text(json.dumps(document, indent=2) + "\n")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens the folder of a run.

        Raises:
            RunError: It is none.
        """
        try:
            document = json.loads((path / "run.json").read_text())
            schema = FeatureSchema.from_json(document["schema"])
            return cls(path, read_config(path / "config.toml"), schema, document["max_candidates"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not the folder of a training run: {error}") from None

    def write_statistics(self, statistics: RewardStatistics) -> None:
        """Keeps what weights are relative to, in run.json."""
        path = self.path / "run.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        columns = zip(self.config.reward, *(part.tolist() for part in statistics), strict=True)
        document["utilities"] = {
            name: {"exposed_mean": mean, "scale": scale} for name, mean, scale in columns
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @property
    def utility_statistics(self) -> dict[str, dict[str, float]]:
        """Utility name -> `exposed_mean` and `scale`; empty where none were taken."""
        document = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        statistics: dict[str, dict[str, float]] = document.get("utilities", {})
        return statistics

    @property
    def scales(self) -> Tensor:
        """[U] what each utility is divided by; 1 where no statistics were taken."""
        statistics = self.utility_statistics
        return torch.tensor(
            [statistics.get(name, {}).get("scale", 1.0) for name in self.config.reward]
        )

    @property
    def contract(self) -> RequestContract:
        """What requests to this run's generator must satisfy."""
        weights = {
            name: WeightRange(utility.min, utility.max, utility.default)
            for name, utility in self.config.reward.items()
        }
        return RequestContract(self.schema, self.max_candidates, self.config.data.slots, weights)

    def checkpoint(self, stage: str, which: str) -> Path:
        """Where the `last` or the `best` checkpoint of a stage lies."""
        return self.path / "checkpoints" / f"{stage}.{which}.pt"

    def new_evaluator(self) -> Evaluator:
        """An evaluator with fresh parameters."""
        config: EvaluatorConfig = self.config.evaluator
        shape = EvaluatorShape(
            max(self.config.data.slots, config.page_slots),
            config.width,
            config.embedding_width,
            config.heads,
            config.dropout,
            self.config.data.calibrated,
        )
        return Evaluator(self.schema, shape)

    def new_generator(self) -> Generator:
        """A generator with fresh parameters."""
        config = self.config.generator
        reward = self.config.reward.values()
        shape = GeneratorShape(
            config.width,
            config.attention_width,
            config.embedding_width,
            config.context_window,
            utilities=len(reward),
            controllable=any(utility.min < utility.max for utility in reward),
            control=config.control,
            weight_ranges=tuple((utility.min, utility.max) for utility in reward),
            calibrated=self.config.data.calibrated,
        )
        return Generator(self.schema, shape)

    def load_evaluator(self, stage: str) -> Evaluator:
        """The best `evaluator` or `judge`, ready to judge."""
        return _restore(self.new_evaluator(), self.checkpoint(stage, "best"))

    def load_generator(self) -> Generator:
        """The best generator, ready to decode."""
        return _restore(self.new_generator(), self.checkpoint("generator", "best"))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values.

    Raises:
        RunError: It is missing or damaged.
    """
    try:
        document: dict[str, Any] = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: train first, or resume the run") from None
    except Exception as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}") from error
    return document


def _restore(model: Model, path: Path) -> Model:
    try:
        model.load_state_dict(read_checkpoint(path)["model"])
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} is not of the model of this run: {reason}") from None
    return model.eval()
