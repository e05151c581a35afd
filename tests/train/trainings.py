"""What the stages of an evaluator are given, on small simulated logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, UserKind, simulate
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.evaluator_training import Training
from gerank.train.fit_features import fit_features
from gerank.train.pages import split_by_person
from gerank.train.run_folder import RunFolder
from gerank.train.stage import MetricsLog
from gerank.train.structured_stage import StructuredStage
from tests.train.tiny import tiny_config

SLOTS = 6


def log_of(users: UserKind, pages: int = 2500, **changes: Any) -> ExposureLog:
    """Pages of 8 candidates and 6 slots."""
    config = SimulatorConfig(
        pages, candidates=8, slots=SLOTS, items=200, sellers=10, users=users, **changes
    )
    return simulate(config)[0]


def training_of(path: Path, log: ExposureLog, **evaluator: Any) -> Training:
    """A run of the tiny configuration; `evaluator`: changes of EvaluatorConfig."""
    config = tiny_config(path)
    slots = int(np.diff(log.slate_offsets).max())
    config = replace(
        config,
        data=replace(config.data, slots=slots, validation_share=0.2, judge_share=0.2),
        evaluator=replace(config.evaluator, **evaluator),
    )
    folder = RunFolder(path / "run", config, log.schema, 512)
    folder.create(resume=False)
    split = split_by_person(log, config.data)
    return Training(folder, log, split, MetricsLog(folder.path), resume=False)


def fresh_structured(
    log: ExposureLog, form: str = "logit", members: int = 1
) -> StructuredEvaluator:
    """Nothing learnt but the scales of the features."""
    slots = int(np.diff(log.slate_offsets).max())
    evaluator = StructuredEvaluator(log.schema, StructuredShape(slots, form, members, 2))
    fit_features(evaluator.features, (), log, np.arange(len(log)))
    return evaluator


def taught(stage: StructuredStage) -> StructuredStage:
    """The stage after all its epochs, as the loop of stages would leave it."""
    for epoch in range(stage.epochs):
        list(stage.train_epoch(epoch))
        stage.validate()
    stage.restore_best()
    return stage
