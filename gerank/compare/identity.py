"""What the files of a comparison depend on: it goes on only where all of that is as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from gerank.baselines.registry import comparator_class
from gerank.compare.cells import rows_of, trials_of
from gerank.compare.config import CompareConfig, TuningConfig
from gerank.data.exposure_log import ExposureLog
from gerank.train.config import DataConfig, EvaluatorConfig, JudgeConfig
from gerank.train.log_identity import LogIdentity
from gerank.train.train_settings import TrainSettings

_KEPT = ("data", "tuning", "evaluator", "judge", "train", "reward", "normalise", "seed")
_OF_THE_MACHINE = ("log", "memory_mb", "device")


def identity(config: CompareConfig, log: ExposureLog, test: ExposureLog) -> dict[str, Any]:
    """Everything that a cell's file depends on, as JSON has it.

    Args:
        config: All settings.
        log: Pages to learn from.
        test: Pages to be compared on.
    """
    document = config.to_json()
    settings = {key: document[key] for key in _KEPT}
    for key in ("data", "train"):
        settings[key] = {k: v for k, v in settings[key].items() if k not in _OF_THE_MACHINE}
    rows = {
        name: {"comparator": row.comparator or name, "tried": trials_of(config, name)}
        for name, row in rows_of(config).items()
    }
    logs = {name: LogIdentity.of(each).to_json() for name, each in (("log", log), ("test", test))}
    found = settings | logs | {"first_seed": config.seeds[0], "rows": rows}
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def known_then(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """What identifies a comparison, as the gerank that wrote `before` would have said it.

    A setting that did not exist then was what its default is now; with another value it stays.
    """
    tables = {
        name: _known(now[name], before.get(name, {}), defaults)
        for name, defaults in _defaults().items()
        if isinstance(before.get(name, {}), dict)
    }
    unknown = {name for name, table in tables.items() if not table and name not in before}
    rows = dict(now["rows"])
    for name, row in rows.items():
        old = before["rows"].get(name)
        if old is not None and len(old["tried"]) == len(row["tried"]):
            grid = comparator_class(row["comparator"]).grid
            firsts = json.loads(json.dumps({key: tried[0] for key, tried in grid.items()}))
            pairs = zip(row["tried"], old["tried"], strict=True)
            rows[name] = row | {"tried": [_known(new, was, firsts) for new, was in pairs]}
    found = now | tables | {"rows": rows}
    return {name: value for name, value in found.items() if name not in unknown}


def _defaults() -> dict[str, dict[str, Any]]:
    """Table -> its settings where nobody sets any, as JSON has them."""
    kinds: dict[str, Any] = {
        "data": DataConfig(Path()),
        "tuning": TuningConfig(),
        "evaluator": EvaluatorConfig(),
        "judge": JudgeConfig(),
        "train": TrainSettings(),
    }
    return {
        name: json.loads(json.dumps(dataclasses.asdict(kind), default=str))
        for name, kind in kinds.items()
    }


def _known(now: dict[str, Any], before: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    missing = object()
    return {
        key: value
        for key, value in now.items()
        if key in before or value != defaults.get(key, missing)
    }
