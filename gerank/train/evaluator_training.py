"""The evaluator of a run: form of reading, prior, residual, page heads and support."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.metrics.association import within_page_association
from gerank.metrics.platt import fit_platt_line
from gerank.nn.channel_residual import ResidualShape
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.features import FeatureEncoder
from gerank.nn.structured import PageEvaluator, StructuredShape, new_page_evaluator
from gerank.nn.structured.readings import AGAINST
from gerank.nn.support import Support
from gerank.train.config import TrainConfig
from gerank.train.device import device_of, moved
from gerank.train.fit_features import fit_features
from gerank.train.page_batches import at_most, by_page
from gerank.train.pages import PageSplit
from gerank.train.pretrained import PretrainedTables
from gerank.train.reading_choice import (
    SURE_ERRORS,
    ReadingChoice,
    compare_forms,
    paired_margin,
    strongest_prior,
)
from gerank.train.residual_stage import ResidualStage, held_out_likelihood
from gerank.train.run_folder import RunFolder
from gerank.train.stage import MetricsLog, run_stage
from gerank.train.structured_stage import StructuredStage
from gerank.train.warm_start import WarmStart

_FEWEST_PAGES_FOR_A_RESIDUAL = 1000
_LEAST_GAIN = 1e-4
"""Nats per page. Where all pages end alike, two fits differ for sure, by rounding."""
_PAGES_AT_ONCE = 1024


@dataclass(frozen=True)
class Training:
    """What every stage of a run is given.

    Attributes:
        folder: The run.
        log: All its pages.
        split: Which people's pages teach what.
        metrics: Where figures go.
        resume: Whether stages go on from their last checkpoints.
        warm: Yesterday's weights to start from; None = all starts fresh.
        tables: Embeddings that were trained elsewhere.
    """

    folder: RunFolder
    log: ExposureLog
    split: PageSplit
    metrics: MetricsLog
    resume: bool
    warm: WarmStart | None = None
    tables: PretrainedTables = field(default_factory=PretrainedTables)

    @property
    def held_out(self) -> np.ndarray:
        """Rows that no evaluator learns from: of validation and of the judge's people."""
        return np.concatenate([self.split.validation, self.split.judge])


def train_evaluator(training: Training) -> ReadingChoice:
    """Trains the evaluator on the training people and writes its checkpoint.

    Every form is fitted shortly at the middle strength of the prior, and the held-out pages choose.
    The chosen one is fitted at all strengths, of which the held-out pages choose one as well; they
    also say whether its items tell anything at all. The five channels stay on top where they lower
    the held-out loss by more than two standard errors.
    """
    config = training.folder.config.evaluator
    people = training.log.person_ids[training.held_out]
    strengths = sorted(config.prior_strengths)
    middle = strengths[len(strengths) // 2]
    forms, warm = config.readings, training.warm
    _, compared = _fit(
        training,
        AGAINST.join(forms),
        [middle] * len(forms),
        config.compare_steps,
        "readings",
        warm.start_compared if warm else None,
    )
    losses = dict(zip(forms, compared, strict=True))
    results = compare_forms(losses, people)
    chosen = next(iter(results))
    ensemble, fitted = _fit(
        training, chosen, strengths, config.steps, "fit", warm.start_chosen if warm else None
    )
    by_strength = dict(zip(strengths, fitted, strict=True))
    strength = strongest_prior(by_strength, people)
    structured = ensemble.select(torch.tensor([strengths.index(strength)]))
    told = item_association(structured, training.log, training.held_out)
    items = paired_margin(told, np.zeros_like(told), people)
    choice = ReadingChoice(chosen, results, strength, items, len(people))
    evaluator = _with_support(training, structured)
    evaluator = _with_residual(training, evaluator, choice)
    _calibrate_page_heads(training, evaluator)
    training.folder.write_evaluator(evaluator)
    return choice


def shape_of_evaluator(config: TrainConfig, form: str, members: int) -> StructuredShape:
    """The shape of an ensemble that reads by a form, or by forms that compete."""
    return StructuredShape(
        slots=max(config.data.slots, config.evaluator.page_slots),
        reading=form,
        members=members,
        embedding_width=config.evaluator.embedding_width,
        calibrated=config.data.calibrated,
        score=config.data.score,
        network=config.evaluator.network,
    )


def fresh_ensemble(training: Training, form: str, members: int, rows: np.ndarray) -> PageEvaluator:
    """An ensemble that has learnt nothing but the scales of the features on the pages `rows`."""
    config = training.folder.config
    shape = shape_of_evaluator(config, form, members)
    ensemble = new_page_evaluator(training.log.schema, shape)
    fit_features(ensemble.features, config.data.calibrated, training.log, rows)
    return ensemble


def _fit(
    training: Training,
    form: str,
    strengths: list[float],
    steps: int,
    name: str,
    warm: Callable[[PageEvaluator], None] | None,
) -> tuple[PageEvaluator, np.ndarray]:
    """The ensemble, and its losses [K, E] on the held-out pages."""
    folder, rows = training.folder, training.split.train
    torch.manual_seed(folder.config.seed)
    ensemble = fresh_ensemble(training, form, len(strengths), rows)
    stage = StructuredStage(
        f"evaluator-{name}",
        ensemble,
        training.log,
        rows,
        training.split.validation,
        torch.tensor(strengths),
        steps=steps,
        seed=folder.config.seed,
        warm=warm,
        device=folder.device,
        precision=folder.config.train.evaluator_precision,
        accumulate=folder.config.train.accumulate,
    )
    run_stage(stage, folder, training.metrics, training.resume)
    stage.restore_best()
    return ensemble, -stage.held_out(training.held_out).numpy()


@torch.no_grad()
def item_association(structured: PageEvaluator, log: ExposureLog, rows: np.ndarray) -> np.ndarray:
    """[len(rows)] what the items of pages tell of their clicks; of the first member."""
    slots, device = structured.shape.slots, device_of(structured)

    def told(places: np.ndarray) -> tuple[Tensor, ...]:
        pages = moved(log.batch(rows[places], slots), device)
        placed = structured.place_exposed(pages)
        columns = (pages.clicks, placed.logits[0], placed.mask.float())
        return tuple(pad_slots(column, slots, 0) for column in columns)

    clicks, scores, mask = (column.numpy() for column in by_page(log, rows, _PAGES_AT_ONCE, told))
    return within_page_association(clicks, scores, mask)


def _with_support(training: Training, structured: PageEvaluator) -> Evaluator:
    evaluator = Evaluator(training.log.schema, EvaluatorShape(structured.shape))
    evaluator.structured.load_state_dict(structured.state_dict())
    evaluator.set_support(logged_support(structured, training.log, at_most(training.split.train)))
    return evaluator.eval().to(training.folder.device)


@torch.no_grad()
def logged_support(structured: PageEvaluator, log: ExposureLog, rows: np.ndarray) -> Support:
    """Which strengths stood at which slot of the pages `rows`; of the first member."""
    slots, device = structured.shape.slots, device_of(structured)

    def shown(places: np.ndarray) -> tuple[Tensor, ...]:
        placed = structured.place_exposed(moved(log.batch(rows[places], slots), device))
        columns = (placed.strength[0], placed.mask)
        return tuple(pad_slots(column, slots, 0) for column in columns)

    return Support.of(*by_page(log, rows, _PAGES_AT_ONCE, shown))


def _with_residual(training: Training, plain: Evaluator, choice: ReadingChoice) -> Evaluator:
    """The evaluator with five channels on top, or `plain` where held-out pages keep them out."""
    folder, rows = training.folder, training.split.train
    config, data = folder.config.evaluator, folder.config.data
    if not config.residual or len(rows) < _FEWEST_PAGES_FOR_A_RESIDUAL or not choice.learnt:
        return plain
    torch.manual_seed(folder.config.seed)
    shape = ResidualShape(
        plain.shape.structured.slots,
        config.width,
        config.embedding_width,
        config.heads,
        config.dropout,
        data.calibrated,
        tuple(map(str, config.channels)),
    )
    evaluator = Evaluator(training.log.schema, replace(plain.shape, residual=shape))
    evaluator.load_state_dict(plain.state_dict(), strict=False)
    assert evaluator.residual is not None
    _copy_scales(plain.structured.features, evaluator.residual.features)
    if training.warm is not None:
        training.warm.start_residual(evaluator.residual)
    stage = ResidualStage(
        "evaluator-residual",
        evaluator.to(folder.device),
        training.log,
        rows,
        training.split.validation,
        config,
        choice.prior_strength,
        folder.config.seed,
        folder.config.train.evaluator_precision,
        accumulate=folder.config.train.accumulate,
    )
    run_stage(stage, folder, training.metrics, training.resume)
    held_out = training.held_out
    losses = [-held_out_likelihood(e, training.log, held_out).numpy() for e in (plain, evaluator)]
    margin = paired_margin(losses[0], losses[1], training.log.person_ids[held_out])
    folder.write_facts({"residual": {"gain": margin.difference, "error": margin.error}})
    better = margin.errors > SURE_ERRORS and margin.difference > _LEAST_GAIN
    return evaluator.eval() if better else plain


def _copy_scales(fitted: FeatureEncoder, fresh: FeatureEncoder) -> None:
    fresh.calibration.load_state_dict(fitted.calibration.state_dict())
    fresh.user_scale.load_state_dict(fitted.user_scale.state_dict())
    fresh.candidate_scale.load_state_dict(fitted.candidate_scale.state_dict())


@torch.no_grad()
def _calibrate_page_heads(training: Training, evaluator: Evaluator) -> None:
    """Fits the lines of both page heads on validation pages of data.slots."""
    slots, device = training.folder.config.data.slots, device_of(evaluator)
    rows = training.split.validation

    def told(places: np.ndarray) -> tuple[Tensor, ...]:
        pages = moved(training.log.batch(rows[places], slots), device)
        return (*evaluator.page_clicks(evaluator.exposed(pages)), pages.clicks.sum(1))

    columns = by_page(training.log, rows, _PAGES_AT_ONCE, told)
    any_click, two_or_more, clicked = (column.numpy() for column in columns)
    lines = (
        fit_platt_line((clicked >= 1).astype(np.int64), any_click),
        fit_platt_line((clicked >= 2).astype(np.int64), two_or_more),
    )
    evaluator.page_maps.copy_(torch.tensor(lines))
