"""A training run from its configuration to its last checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gerank.data.exposure_log import ExposureLog
from gerank.nn.features import FeatureEncoder
from gerank.train.calibrate import fit_calibration
from gerank.train.config import ConfigError, TrainConfig
from gerank.train.evaluator_stage import EvaluatorStage
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.generator_stage import GeneratorStage
from gerank.train.pages import PageSplit, split_by_person
from gerank.train.reward import Reward, UtilityReward, reward_statistics
from gerank.train.run_folder import RunFolder
from gerank.train.stage import MetricsLog, run_stage
from gerank.train.utilities import build_utilities

_LARGEST_SET, _MOST_GROUPS, _MOST_FLAGS = 512, 8, 16  # what the decode ops take


def train(
    config: TrainConfig, out: Path, *, resume: bool = False, reward: Reward | None = None
) -> RunFolder:
    """Trains evaluator, held-out evaluator and generator.

    Args:
        config: All settings.
        out: Folder of the run.
        resume: Go on from the last checkpoints in `out`.
        reward: Scores slates in place of the learned evaluator, which is then not trained: for
            experiments in which the truth is known. Its utilities are not normalised.

    Raises:
        ConfigError: A setting does not fit the log.
        RunError: `out` holds another run.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    log = ExposureLog.read(config.data.log)
    folder = RunFolder(out, config, log.schema, _LARGEST_SET)
    split = split_by_person(log, config.data)
    _check(config, log, split)
    if reward is None:
        build_utilities(config.reward, log.schema)
    folder.create(resume)
    metrics = MetricsLog(out)
    try:
        scales = torch.ones(len(config.reward))
        if reward is None:
            for name, rows, seed in (("evaluator", split.train, 0), ("judge", split.judge, 1)):
                if len(rows):
                    _train_evaluator(folder, name, log, rows, split, metrics, resume, seed)
            feedback = EvaluatorFeedback(folder.load_evaluator("evaluator"))
            reward = UtilityReward(feedback, log.schema, config.reward)
            scales = _utility_scales(folder, reward, log, split)
        _train_generator(folder, reward, scales, log, split, metrics, resume)
    finally:
        metrics.close()
    return folder


def _utility_scales(
    folder: RunFolder, reward: UtilityReward, log: ExposureLog, split: PageSplit
) -> Tensor:
    """[U] what the utilities are divided by; kept in the run."""
    config = folder.config
    statistics = reward_statistics(reward, log, split.train, config.data.slots, config.seed)
    if not config.normalise or len(config.reward) == 1:
        statistics = statistics._replace(scale=torch.ones(len(config.reward)))
    folder.write_statistics(statistics)
    return statistics.scale


def _check(config: TrainConfig, log: ExposureLog, split: PageSplit) -> None:
    if not len(split.train) or not len(split.validation):
        raise ConfigError(
            f"data.log: {len(log)} pages leave {len(split.train)} to train and "
            f"{len(split.validation)} to validate; more people or smaller shares are needed"
        )
    for what, count, limit in (
        ("candidates on a page", int(np.diff(log.candidate_offsets).max()), _LARGEST_SET),
        ("group keys", len(log.schema.groups), _MOST_GROUPS),
        ("flags", len(log.schema.flags), _MOST_FLAGS),
    ):
        if count > limit:
            raise ConfigError(f"data.log: {count} {what}, not at most {limit}")
    scores = [feature.name for feature in log.schema.candidate_dense]
    named = [("data.score", config.data.score)] if config.data.score else []
    for key, name in [*named, *(("data.calibrated", name) for name in config.data.calibrated)]:
        if name not in scores:
            raise ConfigError(
                f"{key}: {name!r} is not a dense feature of the candidates: {', '.join(scores)}"
            )


def _train_evaluator(
    folder: RunFolder,
    name: str,
    log: ExposureLog,
    rows: np.ndarray,
    split: PageSplit,
    metrics: MetricsLog,
    resume: bool,
    seed: int,
) -> None:
    config = folder.config
    torch.manual_seed(2 * config.seed + seed)
    evaluator = folder.new_evaluator()
    fit_features(evaluator.features, config.data.calibrated, log, rows)
    stage = EvaluatorStage(
        name,
        evaluator,
        log,
        rows,
        split.validation,
        config.evaluator,
        config.data.slots,
        2 * config.seed + seed,
    )
    run_stage(stage, folder, metrics, resume)


def _train_generator(
    folder: RunFolder,
    reward: Reward,
    scales: Tensor,
    log: ExposureLog,
    split: PageSplit,
    metrics: MetricsLog,
    resume: bool,
) -> None:
    config = folder.config
    torch.manual_seed(config.seed)
    generator = folder.new_generator()
    fit_features(generator.features, config.data.calibrated, log, split.train)
    stage = GeneratorStage(
        generator,
        reward,
        log,
        split.train,
        split.validation,
        config.generator,
        config.reward,
        config.data.slots,
        config.seed,
        scales,
    )
    run_stage(stage, folder, metrics, resume)


def fit_features(
    features: FeatureEncoder, calibrated: tuple[str, ...], log: ExposureLog, rows: np.ndarray
) -> None:
    """Takes maps of scores, then mean and deviation of dense features, from the pages `rows`."""
    fit_calibration(features.calibration, calibrated, log, rows)
    pages = log.batch(rows)
    features.user_scale.fit(pages.user_dense)
    dense = features.calibration(pages.candidate_dense)
    features.candidate_scale.fit(dense[pages.candidate_mask])


def count_parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())
