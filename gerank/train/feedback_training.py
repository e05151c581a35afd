"""The heads of further feedback of a run: which there are, how strong their priors are."""

from __future__ import annotations

import math

import numpy as np
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.nn.feedback_heads import FeedbackHeads, HeadShape, HeadsShape, Link
from gerank.train.choices import FitPrecision
from gerank.train.evaluator_training import Training
from gerank.train.feedback_stage import FeedbackStage
from gerank.train.fit_features import fit_features
from gerank.train.page_batches import at_most
from gerank.train.stage import run_stage


def train_feedback_heads(
    training: Training,
    name: str,
    rows: np.ndarray,
    seed: int,
    precision: FitPrecision = FitPrecision.FLOAT32,
) -> FeedbackHeads | None:
    """Fits one head per kind of feedback of the log on the pages `rows`.

    Every kind is fitted under every prior strength of the configuration; the validation pages
    choose the strength, kind by kind.

    Args:
        training: The run.
        name: Names the stage in checkpoints and metrics.
        rows: The pages to learn from.
        seed: Seeds initial parameters and batches.
        precision: In which numbers matrices are multiplied.

    Returns:
        The heads in the order of the schema; None where the log has clicks alone.
    """
    log, folder = training.log, training.folder
    if not log.schema.feedback or not len(rows):
        return None
    data, config = folder.config.data, folder.config.evaluator
    slots = max(data.slots, config.page_slots)
    strengths = sorted(config.prior_strengths)
    kinds = [head_shape(log, kind, rows) for kind in log.schema.feedback]
    shape = HeadsShape(
        tuple(head for head in kinds for _ in strengths),
        slots,
        config.embedding_width,
        data.calibrated,
    )
    torch.manual_seed(seed)
    heads = FeedbackHeads(log.schema, shape)
    fit_features(heads.attraction.features, data.calibrated, log, rows)
    stage = FeedbackStage(
        name,
        heads.to(folder.device),
        log,
        rows,
        training.split.validation,
        torch.tensor(strengths * len(kinds)),
        steps=config.steps,
        seed=seed,
        precision=precision,
        accumulate=folder.config.train.accumulate,
    )
    run_stage(stage, folder, training.metrics, training.resume)
    stage.restore_best()
    best = stage.best.loss.view(len(kinds), len(strengths)).argmin(1)
    return heads.select(best + torch.arange(len(kinds)) * len(strengths))


def head_shape(log: ExposureLog, kind: FurtherFeedback, rows: np.ndarray) -> HeadShape:
    """What the pages `rows` tell of a kind before anything is learnt."""
    pages = log.select(at_most(rows))
    values, clicked = pages.feedback[kind.name], pages.clicks > 0
    after_click = not (np.nan_to_num(values[~clicked]) != 0).any()
    told = values[~np.isnan(values) & (clicked if after_click else True)]
    mean = float(told.mean()) if len(told) else 0.0
    if kind.kind is FeedbackKind.FLAG:
        rate = (float(told.sum()) + 0.5) / (len(told) + 1)
        start = math.log(rate / (1 - rate))
        return HeadShape(kind.name, after_click, Link.LOGISTIC, start=start)
    if not (told < 0).any():
        return HeadShape(kind.name, after_click, Link.LOG, scale=mean if mean > 0 else 1.0)
    spread = float(told.std())
    scale = spread if spread > 0 else 1.0
    return HeadShape(kind.name, after_click, Link.IDENTITY, center=mean, scale=scale)
