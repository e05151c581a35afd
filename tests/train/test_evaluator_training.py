"""The evaluator of a run learns how people read, and is honest about pages it has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import UserKind
from gerank.train.evaluator_training import Training, train_evaluator
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.orders import exposed_slates
from gerank.train.reading_choice import ReadingChoice
from tests.train.trainings import log_of, training_of


def trained(path: Path, log: ExposureLog, **evaluator: Any) -> tuple[Training, ReadingChoice]:
    """At one strength of the prior, unless `evaluator` says otherwise."""
    settings = {"prior_strengths": (64.0,), "compare_steps": 10, "steps": 100} | evaluator
    training = training_of(path, log, **settings)
    return training, train_evaluator(training)


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, ReadingChoice]:
    """Readers who walk down the page and leave, and two forms to choose from."""
    forms = {"readings": ("examination", "hidden_reader"), "compare_steps": 100}
    return trained(tmp_path_factory.mktemp("cascade"), log_of(UserKind.CASCADE), **forms)


@pytest.fixture(scope="module")
def glances(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, ReadingChoice]:
    """Readers who look at fewer and fewer slots."""
    forms = {"readings": ("hidden_reader", "examination"), "compare_steps": 100}
    return trained(tmp_path_factory.mktemp("glances"), log_of(UserKind.EXAMINATION), **forms)


def test_a_reader_who_walks_down_the_page_is_told_from_one_who_glances(
    cascade: tuple[Training, ReadingChoice], glances: tuple[Training, ReadingChoice]
) -> None:
    for (_, choice), right, wrong in (
        (cascade, "hidden_reader", "examination"),
        (glances, "examination", "hidden_reader"),
    ):
        assert choice.chosen == right
        assert choice.tied == [right]
        assert choice.forms[wrong].behind.errors > 2


def test_items_are_found_to_matter_and_the_choice_says_on_how_many_pages(
    cascade: tuple[Training, ReadingChoice], glances: tuple[Training, ReadingChoice]
) -> None:
    for training, choice in (cascade, glances):
        assert choice.learnt
        assert choice.prior_strength == 64.0
        assert choice.pages == len(training.held_out)


def test_page_heads_are_calibrated_on_people_of_nobody(
    cascade: tuple[Training, ReadingChoice], glances: tuple[Training, ReadingChoice]
) -> None:
    """The judge's people: neither the fit nor the calibration has seen them."""
    for training, _ in (cascade, glances):
        rows = training.split.judge
        slots = training.folder.config.data.slots
        pages = training.log.batch(rows, slots)
        feedback = EvaluatorFeedback(training.folder.load_evaluator())
        heads = feedback.page_heads(pages, pages.slates.unsqueeze(1))
        clicks = pages.clicks.sum(1)
        for head, least in zip(heads, (1, 2), strict=True):
            said, happened = head.squeeze(1), (clicks >= least).float()
            error = happened.std().item() / len(rows) ** 0.5
            assert said.mean().item() == pytest.approx(happened.mean().item(), abs=5 * error)
            high = said > said.median()
            assert happened[high].mean() > happened[~high].mean()


def test_the_log_lies_within_the_support_of_its_own_evaluator(
    cascade: tuple[Training, ReadingChoice],
) -> None:
    training, _ = cascade
    feedback = EvaluatorFeedback(training.folder.load_evaluator())
    rows = training.split.train
    slates = exposed_slates(training.log, training.folder.config.data.slots)[rows]
    strength = feedback.strength(training.log.batch(rows), slates.unsqueeze(1))[:, 0]
    outside = feedback.evaluator.support.outside(strength, slates >= 0)
    assert outside == pytest.approx(0.02, abs=0.005)


def test_clicks_that_fall_by_chance_teach_nothing(tmp_path: Path) -> None:
    log = log_of(UserKind.EXAMINATION, 1200)
    drawn = np.random.default_rng(0).random(len(log.clicks)) < 0.2
    log = replace(log, clicks=drawn.astype(np.float32))
    _, choice = trained(tmp_path, log, prior_strengths=(256.0,), steps=50, residual=True)
    assert not choice.learnt


def test_every_strength_of_the_prior_may_be_chosen_and_the_choice_is_kept(tmp_path: Path) -> None:
    """One so strong that items count for nothing, one that lets them learn."""
    log = log_of(UserKind.EXAMINATION, 1200)
    strengths = (1e7, 64.0, 1e6)
    training, choice = trained(tmp_path, log, prior_strengths=strengths, steps=50)
    assert choice.prior_strength == 64.0
    assert choice.learnt
    evaluator = training.folder.load_evaluator()
    placed = evaluator.exposed(log.batch(training.split.train))
    assert placed.strength.std().item() > 0.1


def test_a_residual_stays_where_held_out_pages_speak_for_it_alone(tmp_path: Path) -> None:
    log = log_of(UserKind.FATIGUE, 2000)
    training, _ = trained(tmp_path, log, steps=50, residual=True, residual_steps=10)
    said = training.folder.facts["residual"]
    kept = training.folder.load_evaluator().residual is not None
    assert kept == (said["gain"] > 2 * said["error"])


def test_evaluators_of_longer_pages_than_the_slate_are_calibrated_on_the_slate(
    tmp_path: Path,
) -> None:
    """Six slots teach, three are served."""
    log = log_of(UserKind.EXAMINATION, 1500)
    training = training_of(tmp_path, log, steps=50, prior_strengths=(64.0,), page_slots=6)
    folder = training.folder
    config = replace(folder.config, data=replace(folder.config.data, slots=3))
    training = replace(training, folder=replace(folder, config=config))
    train_evaluator(training)
    evaluator = folder.load_evaluator()
    assert evaluator.shape.structured.slots == 6
    pages = log.batch(training.split.judge, 3)
    with torch.no_grad():
        said = evaluator(evaluator.items(*pages.features), pages.slates.unsqueeze(1)).page_click
    clicked = (pages.clicks.sum(1) > 0).float()
    error = clicked.std().item() / len(clicked) ** 0.5
    assert said.mean().item() == pytest.approx(clicked.mean().item(), abs=5 * error)
