"""Models that start from yesterday's weights: what is matched by name, and what is fresh."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.feature_match import SideMatch
from gerank.train.fit_features import fit_features
from gerank.train.pages import as_requests
from gerank.train.run_folder import RunFolder
from gerank.train.warm_start import WarmStart
from tests.train.changed_logs import CHANGES, Change, log_of_yesterday
from tests.train.tiny import RANGED, SLOTS, tiny_config


@pytest.fixture(scope="module")
def log() -> ExposureLog:
    return log_of_yesterday()


def today(path: Path, config: TrainConfig, log: ExposureLog) -> RunFolder:
    return RunFolder(path, config, log.schema, 512)


def scaled(model: Any, log: ExposureLog) -> Any:
    """With the scales of the people that yesterday's run was trained on, by name."""
    fit_features(model, (), log, np.arange(len(log)))
    return model


@torch.no_grad()
def likelihood(evaluator: StructuredEvaluator, log: ExposureLog) -> Tensor:
    scaled(evaluator.features, log)
    pages = log.batch(np.arange(60), SLOTS)
    return evaluator.log_likelihood(evaluator.place_exposed(pages), pages.clicks)


@torch.no_grad()
def log_prob(generator: Generator, log: ExposureLog, weights: tuple[float, ...]) -> Tensor:
    scaled(generator.features, log)
    pages = log.batch(np.arange(60), SLOTS)
    batch = as_requests(pages, torch.tensor([weights]).expand(60, -1), log.schema, slots=SLOTS)
    encoded = generator.encode_batch(batch)
    return generator.slate_log_prob(encoded, batch, pages.slates.unsqueeze(1))[0].squeeze(1)


def ensemble_of(schema: FeatureSchema, form: str, members: int, slots: int = SLOTS) -> Any:
    torch.manual_seed(5)
    return StructuredEvaluator(schema, StructuredShape(slots, form, members, 2, (), "ctr_score"))


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_evaluator_and_generator_begin_as_yesterdays_whatever_became_of_the_columns(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path, change: Change
) -> None:
    changed = change(log)
    folder = today(tmp_path / "run", yesterday.config, changed)
    warm = WarmStart.from_run(yesterday.path, folder)
    before = yesterday.load_evaluator().structured
    ensemble = ensemble_of(changed.schema, before.shape.reading, 3)
    fresh = likelihood(ensemble, changed)
    warm.start_chosen(ensemble)
    expected = likelihood(before, log).expand(3, -1)
    assert not torch.allclose(fresh, expected, atol=1e-2)
    torch.testing.assert_close(likelihood(ensemble, changed), expected, atol=1e-5, rtol=1e-5)
    for which in ("generator", "clone"):
        torch.manual_seed(5)
        policy = folder.new_generator()
        getattr(warm, f"start_{which}")(policy)
        old = getattr(yesterday, f"load_{which}")()
        for weights in ((1.0, 0.2), (0.3, 0.9)):
            torch.testing.assert_close(
                log_prob(policy, changed, weights),
                log_prob(old, log, weights),
                atol=1e-5,
                rtol=1e-5,
            )


def test_forms_are_compared_from_where_the_same_comparison_ended(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    ensemble = ensemble_of(log.schema, "logit|hidden_reader|examination", 3)
    fresh = likelihood(ensemble, log)
    warm.start_compared(ensemble)
    compared = ensemble_of(log.schema, "examination|hidden_reader", 2)
    checkpoint = torch.load(yesterday.checkpoint("evaluator-readings", "last"))
    compared.load_state_dict(checkpoint["more"]["best"])
    expected = likelihood(compared, log)
    found = likelihood(ensemble, log)
    torch.testing.assert_close(found[[2, 1]], expected)
    torch.testing.assert_close(found[0], fresh[0])


def test_a_form_that_was_not_chosen_begins_with_its_own_fit_and_an_untried_one_fresh(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    chosen = yesterday.load_evaluator().shape.structured.reading
    other = next(f for f in yesterday.config.evaluator.readings if f != chosen)
    both = ensemble_of(log.schema, "examination|hidden_reader", 2)
    warm.start_compared(both)
    ensemble = ensemble_of(log.schema, other, 2)
    warm.start_chosen(ensemble)
    place = ("examination", "hidden_reader").index(other)
    torch.testing.assert_close(
        likelihood(ensemble, log), likelihood(both, log)[[place]].expand(2, -1)
    )
    untried = ensemble_of(log.schema, "logit", 2)
    before = {name: value.clone() for name, value in untried.state_dict().items()}
    warm.start_chosen(untried)
    assert all(torch.equal(value, before[name]) for name, value in untried.state_dict().items())


def test_slots_that_there_were_not_start_as_in_a_fresh_run(
    yesterday: RunFolder, log: ExposureLog, tmp_path: Path
) -> None:
    warm = WarmStart.from_run(yesterday.path, today(tmp_path, yesterday.config, log))
    before = yesterday.load_evaluator().structured
    ensemble = ensemble_of(log.schema, before.shape.reading, 1, slots=SLOTS + 2)
    with torch.no_grad():
        ensemble.reading.slot.fill_(0.25)
    warm.start_chosen(ensemble)
    assert torch.equal(ensemble.reading.slot[:, :SLOTS], before.reading.slot)
    assert (ensemble.reading.slot[:, SLOTS:] == 0.25).all()


def test_rows_of_values_with_names_follow_their_names(tmp_path: Path) -> None:
    old = (Feature("a", FeatureKind.ID, 2), Feature("c", FeatureKind.ID, 3, False, ("x", "y", "z")))
    new = (Feature("c", FeatureKind.ID, 3, False, ("z", "w", "x")), Feature("b", FeatureKind.ID, 1))
    match = SideMatch("candidate", old, new)
    assert match.rows.before.tolist() == [4, -1, 2, -1]
    assert [(f.name, f.state, f.rows, f.of_rows) for f in match.fates] == [
        ("candidate.c", "taken over", 2, 3),
        ("candidate.b", "new", 0, 1),
        ("candidate.a", "dropped", 0, 0),
    ]


@pytest.mark.parametrize("control", list(Control))
def test_utilities_are_matched_by_name_in_every_control(
    log: ExposureLog, tmp_path: Path, control: Control
) -> None:
    config = tiny_config(tmp_path, reward=RANGED, control=control)
    before = RunFolder(tmp_path / "before", config, log.schema, 512)
    torch.manual_seed(1)
    old = before.new_generator()
    with torch.no_grad():  # heads start at zero: here the weights matter
        for parameter in old.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    reward = {"freshness": UtilityConfig(0.0, 1.0, 0.5), **dict(reversed(RANGED.items()))}
    folder = today(tmp_path, dataclasses.replace(config, reward=reward), log)
    document = {
        "run": "before",
        "schema": log.schema.to_json(),
        "utilities": list(RANGED),
        "control": str(control),
        "generator": old.state_dict(),
    }
    generator = folder.new_generator()
    WarmStart(document, folder).start_generator(generator)
    for clicks, diversity in ((1.0, 0.2), (0.1, 0.8)):
        torch.testing.assert_close(
            # a new utility in the middle of its range is 0 to the control
            log_prob(generator, log, (0.5, diversity, clicks)),
            log_prob(old, log, (clicks, diversity)),
            atol=1e-5,
            rtol=1e-5,
        )
