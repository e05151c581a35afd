"""The judge: people drawn for every member, opinions of stub members, a panel per tied form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.train.config import UtilityConfig
from gerank.train.feedback import Feedback
from gerank.train.judge import (
    JudgeOpinion,
    bootstrap_weights,
    mean_feedback,
    members_of,
    opinion,
    panel_feedback,
    train_judge,
)
from gerank.train.orders import exposed_slates
from gerank.train.reading_choice import FormResult, Margin, ReadingChoice, paired_margin
from tests.data.request_cases import CONTRACT
from tests.nn.batches import pages_of, random_structured
from tests.train.tiny import SLOTS, tiny_log
from tests.train.trainings import training_of

CLICKS = {"clicks": UtilityConfig()}
ONE = torch.ones(1)


def test_all_pages_of_a_person_count_alike(seed: int) -> None:
    people = np.random.default_rng(seed).integers(0, 20, 300).astype(str)
    weights = bootstrap_weights(people, 6, seed)
    assert weights.shape == (6, 300)
    for person in np.unique(people):
        of_person = weights[:, people == person]
        assert torch.equal(of_person, of_person[:, :1].expand_as(of_person))


def test_people_are_drawn_as_often_as_poisson_says(seed: int) -> None:
    weights = bootstrap_weights(np.arange(4000), 8, seed)
    assert weights.mean().item() == pytest.approx(1.0, abs=0.05)
    assert weights.var().item() == pytest.approx(1.0, abs=0.1)
    assert (weights == 0).float().mean().item() == pytest.approx(math.exp(-1), abs=0.03)
    assert torch.equal(weights, weights.round())


def test_members_differ_and_a_seed_repeats_them(seed: int) -> None:
    people = np.arange(100)
    weights = bootstrap_weights(people, 4, seed)
    assert len(weights.unique(dim=0)) == 4
    assert torch.equal(weights, bootstrap_weights(people, 4, seed))
    assert not torch.equal(weights, bootstrap_weights(people, 4, seed + 1))


def test_every_member_sees_somebody(seed: int) -> None:
    assert (bootstrap_weights(np.zeros(5), 50, seed).sum(1) > 0).all()


class Worth:
    """Says of every item its first feature times `slope`, plus `shift`: expected clicks."""

    def __init__(self, slope: float, shift: float = 0.0) -> None:
        self.slope, self.shift = slope, shift

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        values = pages.candidate_dense[..., 0]
        chosen = values.gather(1, slates.clamp(min=0).flatten(1)).view(slates.shape)
        clicks = (self.slope * chosen + self.shift) * (slates >= 0)
        return clicks, clicks.sum(-1)


LOG, _ = tiny_log(60)
LOGGED = exposed_slates(LOG, SLOTS)
PAGES = LOG.batch(np.arange(60))
OTHERS = PAGES.candidate_dense[..., 0].argsort(1, descending=True)[:, :SLOTS]
WORTH = PAGES.candidate_dense[..., 0].double()
GAINS = (WORTH.gather(1, OTHERS) - WORTH.gather(1, LOGGED)).sum(1)


def opinion_of(*members: Feedback) -> JudgeOpinion:
    return opinion("stub", list(members), LOG, OTHERS, LOGGED, CLICKS, ONE)


def test_the_gain_is_the_mean_over_pages_and_members() -> None:
    said = opinion_of(Worth(1.0), Worth(3.0, 0.7))
    assert said.name == "stub"
    assert said.gain == pytest.approx(2 * GAINS.mean().item(), rel=1e-4)
    assert said.better == pytest.approx((GAINS > 1e-6).double().mean().item(), abs=0.02)


def test_the_bound_lies_two_errors_of_members_and_pages_below() -> None:
    said = opinion_of(Worth(1.0), Worth(3.0))
    of_members = 2 * GAINS.mean().item() ** 2  # of g and 3 g, n - 1 = 1
    margin = paired_margin((2 * GAINS).numpy(), np.zeros(len(GAINS)), LOG.person_ids)
    expected = said.gain - 2 * math.sqrt(of_members + margin.error**2)  # people are clusters
    assert said.low == pytest.approx(expected, rel=1e-3)


def test_more_disagreement_of_the_members_lowers_the_bound() -> None:
    bounds = [opinion_of(Worth(2 - apart), Worth(2 + apart)).low for apart in (0.0, 0.5, 1.0, 2.0)]
    assert bounds == sorted(bounds, reverse=True)
    assert len(set(bounds)) == 4


def test_the_logged_slates_gain_nothing() -> None:
    said = opinion("same", [Worth(1.0), Worth(2.0)], LOG, LOGGED, LOGGED, CLICKS, ONE)
    assert (said.gain, said.low, said.better) == (0.0, 0.0, 0.0)


def test_a_judge_of_one_member_has_the_error_of_the_pages_alone() -> None:
    said = opinion_of(Worth(1.0))
    margin = paired_margin(GAINS.numpy(), np.zeros(len(GAINS)), LOG.person_ids)
    assert said.low == pytest.approx(GAINS.mean().item() - 2 * margin.error, rel=1e-3)


def test_weights_say_what_a_utility_is_worth() -> None:
    halved = opinion("stub", [Worth(1.0)], LOG, OTHERS, LOGGED, CLICKS, 0.5 * ONE)
    assert halved.gain == pytest.approx(opinion_of(Worth(1.0)).gain / 2, rel=1e-5)


def test_members_of_an_ensemble_speak_for_themselves(seed: int) -> None:
    ensemble = random_structured(seed, members=3)
    _, pages = pages_of(CONTRACT.schema, seed)
    rows, slates = np.arange(6), pages.slates.unsqueeze(1)
    members = members_of(ensemble)
    placed = ensemble.place(ensemble.items(*pages.features), slates)
    together = ensemble.slot_click(placed), ensemble.page_clicks(placed)[0]
    for k, member in enumerate(members):
        clicks, any_click = member(rows, pages, slates)
        torch.testing.assert_close(clicks[:, 0], together[0][k])
        torch.testing.assert_close(any_click[:, 0], together[1][k])
    mean_clicks, mean_any = mean_feedback(members)(rows, pages, slates)
    torch.testing.assert_close(mean_clicks[:, 0], together[0].mean(0))
    torch.testing.assert_close(mean_any[:, 0], together[1].mean(0))
    assert {name: len(m) for name, m in panel_feedback({"logit": ensemble}).items()} == {
        "judge (logit)": 3
    }


def test_every_tied_form_gets_a_panel_of_the_judges_people(tmp_path: Path) -> None:
    log = tiny_log(400)[0]
    training = training_of(tmp_path, log, steps=4)
    forms = {
        "logit": FormResult(1.0, Margin(0.0, 0.0), True),
        "hidden_reader": FormResult(1.0, Margin(0.0, 0.0), True),
        "examination": FormResult(2.0, Margin(1.0, 0.0), False),
    }
    choice = ReadingChoice("logit", forms, 16.0, Margin(1.0, 0.1), 80)
    panel = train_judge(training, choice)
    loaded = training.folder.load_judge()
    assert list(panel) == list(loaded) == ["logit", "hidden_reader"]
    pages = log.batch(np.arange(50))
    for form, ensemble in panel.items():
        assert ensemble.shape.members == training.folder.config.judge.bootstraps == 2
        first, second = ensemble.place_exposed(pages).logits
        assert not torch.allclose(first, second)
        torch.testing.assert_close(loaded[form].place_exposed(pages).logits[0], first)
