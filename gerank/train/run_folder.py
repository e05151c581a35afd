"""The folder of a training run: what lies in it, and how models come back out of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import FeatureSchema
from gerank.nn.channel_residual import ResidualShape
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.structured import PageEvaluator, StructuredShape, new_page_evaluator
from gerank.train.config import TrainConfig
from gerank.train.config_toml import read_config, to_toml
from gerank.train.device import CPU
from gerank.train.log_identity import LogIdentity
from gerank.train.reward import RewardStatistics
from gerank.train.run_identity import RunIdentity
from gerank.train.writing import write_tensors, write_text

Model = TypeVar("Model", bound=nn.Module)


class RunError(ValueError):
    """A run folder that lacks something or does not fit what is asked of it."""


@dataclass(frozen=True)
class RunFolder:
    """RUN/config.toml, run.json (schema, limits), about.json, metrics.csv, checkpoints/, ...

    Attributes:
        path: The folder.
        config: As it was run.
        schema: Is the schema of the log it was trained on.
        max_candidates: Largest candidate set that requests may have.
        device: Where the models that are loaded from it are put.
    """

    path: Path
    config: TrainConfig
    schema: FeatureSchema
    max_candidates: int
    device: torch.device = CPU

    def create(
        self,
        resume: bool,
        log: LogIdentity | None = None,
        init: tuple[dict[str, Any], dict[str, Any]] | None = None,
        launch: str | None = None,
    ) -> bool:
        """Writes what identifies the run; where the folder holds it already, nothing.

        Args:
            resume: Whether the folder may hold it.
            log: What the run learns from; None = a log that is not compared.
            init: What it starts from: what run.json says of that, and the weights, which the run
                keeps until it is finished; None = it starts fresh.
            launch: Names the launch by torchrun that the run begins in, so that its restarts go on
                from here; None = torchrun has not started this process.

        Returns:
            Whether the folder held no run before.

        Raises:
            RunError: As `check`.
            OSError: A file cannot be written; it is named.
        """
        self.check(resume, log)
        written = self.path / "config.toml"
        if written.exists():
            return False
        (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        document = {
            "schema": self.schema.to_json(),
            "max_candidates": self.max_candidates,
            "log": log.to_json() if log else None,
            "finished": False,
        }
        if launch is not None:
            document["launch"] = launch
        if init is not None:
            document["init"], weights = init
            write_tensors(self.initial_weights, weights)
        write_text(self.path / "run.json", json.dumps(document, indent=2) + "\n")
        write_text(written, to_toml(self.config))  # comes last: with it the folder holds a run
        return True

    def check(self, resume: bool, log: LogIdentity | None = None) -> None:
        """Whether training may begin or go on here; the arguments are as in `create`.

        Raises:
            RunError: The folder holds a run already, and `resume` is unset or would go on with
                another configuration, another schema or another log.
        """
        if not (self.path / "config.toml").exists():
            return
        if not resume:
            raise RunError(f"{self.path} holds a run already: pass --resume or another --out")
        before = RunFolder.open(self.path)
        known = before.facts.get("log")
        was = RunIdentity(before.config, before.schema, LogIdentity(**known) if known else None)
        difference = was.difference(RunIdentity(self.config, self.schema, log))
        if difference:
            raise RunError(f"{self.path} {difference}; choose another --out")

    @classmethod
    def open(cls, path: Path, device: torch.device = CPU) -> RunFolder:
        """Opens the folder of a run; its models are put on `device`.

        Raises:
            RunError: It is none.
        """
        try:
            document = json.loads((path / "run.json").read_text())
            schema = FeatureSchema.from_json(document["schema"])
            config, most = read_config(path / "config.toml"), document["max_candidates"]
            return cls(path, config, schema, most, device)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not the folder of a training run: {error}") from None

    def write_statistics(self, statistics: RewardStatistics) -> None:
        """Keeps what weights are relative to, in run.json."""
        columns = zip(self.config.reward, *(part.tolist() for part in statistics), strict=True)
        self.write_facts(
            {"utilities": {name: {"exposed_mean": m, "scale": s} for name, m, s in columns}}
        )

    @property
    def utility_statistics(self) -> dict[str, dict[str, float]]:
        """Utility name -> `exposed_mean` and `scale`; empty where none were taken."""
        statistics: dict[str, dict[str, float]] = self.facts.get("utilities", {})
        return statistics

    @property
    def scales(self) -> Tensor:
        """[U] what each utility is divided by; 1 of a run whose reward is no evaluator's.

        Raises:
            RunError: Training has not come so far yet.
        """
        statistics = self.utility_statistics
        if not statistics and self.checkpoint("evaluator", "best").exists():
            raise RunError(f"{self.path} has no scales of its utilities yet: resume the run")
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

    @property
    def initial_weights(self) -> Path:
        """Where the weights lie that the run started from, until it is finished."""
        return self.path / "checkpoints" / "init.pt"

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Adds entries to run.json, or replaces them; all or nothing."""
        path = self.path / "run.json"
        document = json.loads(path.read_text(encoding="utf-8")) | facts
        write_text(path, json.dumps(document, indent=2) + "\n")

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        return bool(self.facts.get("finished"))

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json holds: schema, limits, log, statistics, reading, verdict, warnings."""
        document: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        return document

    def write_evaluator(self, evaluator: Evaluator) -> None:
        """Keeps the evaluator that the held-out pages chose."""
        shape = {
            "structured": asdict(evaluator.shape.structured),
            "residual": asdict(evaluator.shape.residual) if evaluator.shape.residual else None,
        }
        document = {"model": evaluator.state_dict(), "shape": shape}
        write_tensors(self.checkpoint("evaluator", "best"), document)

    def write_judge(self, panel: dict[str, PageEvaluator]) -> None:
        """Keeps the judge: form of reading -> ensemble."""
        forms = {
            form: {"model": ensemble.state_dict(), "shape": asdict(ensemble.shape)}
            for form, ensemble in panel.items()
        }
        write_tensors(self.checkpoint("judge", "best"), {"forms": forms})

    def write_boosted(self, document: dict[str, Any]) -> None:
        """Keeps the judge of another family."""
        write_text(self._boosted, json.dumps(document))

    def read_boosted(self) -> dict[str, Any] | None:
        """What `write_boosted` kept; None where the run has no such judge."""
        if not self._boosted.exists():
            return None
        document: dict[str, Any] = json.loads(self._boosted.read_text(encoding="utf-8"))
        return document

    @property
    def _boosted(self) -> Path:
        return self.path / "checkpoints" / "judge-boosted.json"

    def new_generator(self) -> Generator:
        """A generator with fresh parameters, on the CPU."""
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
            encoder=config.encoder,
            local_context=config.local_context,
        )
        return Generator(self.schema, shape)

    def load_evaluator(self) -> Evaluator:
        """The evaluator that the reward comes from, ready to judge."""
        path = self.checkpoint("evaluator", "best")
        document = read_checkpoint(path)
        try:
            shape, residual = document["shape"], document["shape"]["residual"]
            structured = _structured_shape(shape["structured"])
            channels = ResidualShape(**_with_tuples(residual)) if residual else None
            evaluator = Evaluator(self.schema, EvaluatorShape(structured, channels))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is not of an evaluator: {error}") from None
        return self._restored(evaluator, document, path)

    def load_judge(self) -> dict[str, PageEvaluator]:
        """Form of reading -> ensemble; empty where the run has no judge."""
        path = self.checkpoint("judge", "best")
        if not path.exists():
            return {}
        panel = {}
        for form, document in read_checkpoint(path)["forms"].items():
            shape = _structured_shape(document["shape"])
            panel[form] = self._restored(new_page_evaluator(self.schema, shape), document, path)
        return panel

    def load_clone(self) -> Generator:
        """The logged-like policy, ready to decode."""
        path = self.checkpoint("clone", "best")
        return self._restored(self.new_generator(), read_checkpoint(path), path)

    def load_generator(self) -> Generator:
        """The best generator, ready to decode."""
        path = self.checkpoint("generator", "best")
        return self._restored(self.new_generator(), read_checkpoint(path), path)

    def _restored(self, model: Model, document: dict[str, Any], path: Path) -> Model:
        try:
            model.load_state_dict(document["model"])
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{path} is not of the model of this run: {reason}") from None
        return model.eval().to(self.device)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors, on the CPU, and plain values.

    Raises:
        RunError: It is missing or damaged.
    """
    try:
        document: dict[str, Any] = torch.load(path, map_location=CPU, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: train first, or resume the run") from None
    except Exception as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}") from error
    return document


def _structured_shape(document: dict[str, Any]) -> StructuredShape:
    return StructuredShape(**_with_tuples(document))


def _with_tuples(document: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in document.items()}
