"""Held-out pages choose: margins over people, ties, the strongest prior, what run.json keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gerank.train.reading_choice import (
    LEARNT_ERRORS,
    FormResult,
    Margin,
    ReadingChoice,
    compare_forms,
    paired_margin,
    strongest_prior,
)


def alone(pages: int) -> np.ndarray:
    """Every page of a person of its own."""
    return np.arange(pages)


def test_the_margin_is_the_mean_difference_with_the_error_of_the_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worse, better = rng.normal(2.0, 1.0, 200), rng.normal(1.0, 1.0, 200)
    margin = paired_margin(worse, better, alone(200))
    assert margin.difference == pytest.approx((worse - better).mean())
    assert margin.error == pytest.approx((worse - better).std(ddof=1) / math.sqrt(200))
    assert margin.errors == pytest.approx(margin.difference / margin.error)


def test_the_error_is_over_people_by_the_plain_clustered_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.integers(0, 30, 200)
    worse, better = rng.normal(size=(2, 200)) + rng.normal(size=30)[people]
    difference = worse - better
    centred = difference - difference.mean()
    persons = np.unique(people)
    squares = sum(centred[people == person].sum() ** 2 for person in persons)
    expected = math.sqrt(squares * len(persons) / (len(persons) - 1)) / 200
    assert paired_margin(worse, better, people).error == pytest.approx(expected)


def test_pages_of_one_person_say_no_more_than_one_page(seed: int) -> None:
    """Each of 40 people has five pages, all alike: as if each had one."""
    difference = np.random.default_rng(seed).normal(size=40)
    one = paired_margin(difference, np.zeros(40), alone(40))
    five = paired_margin(np.repeat(difference, 5), np.zeros(200), np.repeat(alone(40), 5))
    assert five.difference == pytest.approx(one.difference)
    assert five.error == pytest.approx(one.error)
    names = np.array([f"person {n}" for n in alone(40)])
    assert paired_margin(difference, np.zeros(40), names).error == pytest.approx(one.error)


def test_one_person_proves_nothing() -> None:
    margin = paired_margin(np.full(9, 5.0), np.zeros(9), np.zeros(9))
    assert margin.difference == 5.0
    assert margin.errors == 0.0


def test_where_nothing_differs_the_margin_is_no_error_away() -> None:
    assert paired_margin(np.ones(5), np.ones(5), alone(5)).errors == 0.0


def losses_behind(*shifts: float, error: float = 0.1) -> list[np.ndarray]:
    """Losses of 100 pages; form i is worse than the first by shifts[i] +- `error`."""
    noise = np.tile([1.0, -1.0], 50)
    noise *= error / (noise.std(ddof=1) / 10)
    return [np.zeros(100), *(shift + noise for shift in shifts)]


def test_the_form_with_the_least_loss_is_chosen_and_comes_first() -> None:
    best, far, farther = losses_behind(0.5, 0.9)
    results = compare_forms({"c": farther, "a": best, "b": far}, alone(100))
    assert list(results) == ["a", "b", "c"]
    assert [result.loss for result in results.values()] == pytest.approx([0.0, 0.5, 0.9])
    assert results["b"].behind.difference == pytest.approx(0.5)
    assert results["a"].behind.difference == 0.0


def test_forms_tie_within_one_standard_error() -> None:
    best, near, far = losses_behind(0.099, 0.101)
    results = compare_forms({"best": best, "near": near, "far": far}, alone(100))
    assert [results[name].tied for name in ("best", "near", "far")] == [True, True, False]


def test_equal_forms_tie_and_the_first_named_is_chosen() -> None:
    results = compare_forms({"one": np.ones(9), "other": np.ones(9)}, alone(9))
    assert list(results) == ["one", "other"]
    assert all(result.tied for result in results.values())


def test_the_strongest_prior_within_one_error_of_the_best_is_taken() -> None:
    best, near, far = losses_behind(0.099, 0.2)
    people = alone(100)
    assert strongest_prior({16.0: best, 64.0: near, 256.0: far}, people) == 64.0
    assert strongest_prior({16.0: near, 64.0: best, 256.0: far}, people) == 64.0
    assert strongest_prior({16.0: far, 64.0: far, 256.0: best}, people) == 256.0
    assert strongest_prior({16.0: best}, people) == 16.0


def choice_of(errors: float = 5.0) -> ReadingChoice:
    forms = {
        "logit": FormResult(1.25, Margin(0.0, 0.0), True),
        "hidden_reader": FormResult(1.26, Margin(0.01, 0.02), True),
        "examination": FormResult(1.5, Margin(0.25, 0.02), False),
    }
    return ReadingChoice("logit", forms, 64.0, Margin(0.01 * errors, 0.01), 321)


def test_what_run_json_keeps_is_read_back() -> None:
    choice = choice_of()
    assert ReadingChoice.from_json(json.loads(json.dumps(choice.to_json()))) == choice


def test_the_verdict_must_hold_under_the_chosen_form_and_those_that_tie() -> None:
    assert choice_of().tied == ["logit", "hidden_reader"]


@pytest.mark.parametrize(
    ("errors", "learnt"),
    [
        (-9.0, False),
        (0.0, False),
        (LEARNT_ERRORS - 0.01, False),
        (LEARNT_ERRORS + 0.01, True),
        (9.0, True),
    ],
)
def test_something_was_learnt_where_items_and_clicks_go_together_by_some_errors(
    errors: float, learnt: bool
) -> None:
    assert choice_of(errors).learnt is learnt


def test_where_no_error_is_known_nothing_is_certain() -> None:
    assert not replace(choice_of(), items=Margin(1.0, 0.0)).learnt
