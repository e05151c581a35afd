from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gerank.metrics import Interval, mean_interval, ratio_interval


def pages_of_people(rng: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray]:
    """(values, people): normal values of mean 0 that a person's pages have largely in common."""
    owner = np.repeat(np.arange(people), rng.integers(1, 8, size=people))
    values = rng.normal(size=people)[owner] + 0.5 * rng.normal(size=len(owner))
    return values, owner


def coverage(interval_of: Callable[[np.ndarray, np.ndarray, int], Interval]) -> float:
    rng = np.random.default_rng(17)
    covered = 0
    for trial in range(300):
        values, owner = pages_of_people(rng, 50)
        interval = interval_of(values, owner, trial)
        covered += interval.low <= 0 <= interval.high
    return covered / 300


def test_the_interval_by_person_covers_the_truth_as_often_as_it_says() -> None:
    share = coverage(lambda v, p, seed: mean_interval(v, p, seed=seed, resamples=300))
    assert 0.90 <= share <= 0.98


def test_drawing_pages_instead_of_people_covers_too_seldom() -> None:
    share = coverage(
        lambda v, _, seed: mean_interval(v, np.arange(len(v)), seed=seed, resamples=300)
    )
    assert share < 0.85


def test_estimates_are_the_plain_mean_and_ratio() -> None:
    rng = np.random.default_rng(1)
    values, people = rng.random(40), rng.integers(0, 9, size=40)
    weights = rng.random(40) + 0.1
    assert mean_interval(values, people, seed=0).estimate == pytest.approx(values.mean())
    ratio = values.sum() / weights.sum()
    assert ratio_interval(values, weights, people, seed=0).estimate == pytest.approx(ratio)


@pytest.mark.parametrize("seed", range(3))
def test_resamples_are_those_of_a_direct_loop_over_people(seed: int) -> None:
    rng = np.random.default_rng(seed)
    top, bottom = rng.random(30), rng.random(30) + 0.1
    people = np.append(np.arange(8), rng.integers(0, 8, size=22))
    draws = np.random.default_rng(seed).integers(8, size=(50, 8))
    ratios = []
    for drawn in draws:
        pages = np.concatenate([np.flatnonzero(people == person) for person in drawn])
        ratios.append(top[pages].sum() / bottom[pages].sum())
    interval = ratio_interval(top, bottom, people, seed=seed, resamples=50, level=0.8)
    assert interval.low == pytest.approx(np.quantile(ratios, 0.1))
    assert interval.high == pytest.approx(np.quantile(ratios, 0.9))
    assert interval.standard_error == pytest.approx(np.std(ratios, ddof=1))


def test_the_standard_error_is_the_textbook_one_when_everyone_has_one_page() -> None:
    values = np.random.default_rng(4).normal(size=400)
    interval = mean_interval(values, np.arange(400), seed=4)
    assert interval.standard_error == pytest.approx(values.std() / 20, rel=0.08)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    rng = np.random.default_rng(6)
    shared, people = rng.normal(size=300), rng.integers(0, 60, size=300)
    first, second = shared + 0.1 * rng.normal(size=300), shared + 0.1 * rng.normal(size=300)
    paired = mean_interval(first - second, people, seed=1)
    alone = mean_interval(first, people, seed=1)
    assert paired.standard_error < alone.standard_error / 3


def test_one_seed_gives_one_answer_and_another_seed_another() -> None:
    values, people = pages_of_people(np.random.default_rng(8), 30)
    first = mean_interval(values, people, seed=5)
    assert mean_interval(values, people, seed=5) == first
    assert mean_interval(values, people, seed=6).low != first.low


def test_blocks_of_resamples_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    values, people = pages_of_people(np.random.default_rng(9), 40)
    whole = mean_interval(values, people, seed=5, resamples=101)
    monkeypatch.setattr("gerank.metrics.intervals._DRAWS_AT_ONCE", 7 * 40)
    in_blocks = mean_interval(values, people, seed=5, resamples=101)
    np.testing.assert_allclose(in_blocks, whole, rtol=1e-12)


def test_people_may_be_named_by_strings() -> None:
    values = [1.0, 2.0, 3.0]
    named = mean_interval(values, ["ann", "bob", "ann"], seed=1)
    assert named == mean_interval(values, [0, 1, 0], seed=1)


@pytest.mark.parametrize(
    ("values", "people", "options", "message"),
    [
        ([1.0, np.nan], [0, 1], {}, r"values\[1\] is nan"),
        ([1.0, 2.0], [0, 0], {}, "people: 1 distinct; an interval needs at least 2"),
        ([1.0, 2.0], [0], {}, r"people: shape \[1\] is not \[2\]"),
        ([1.0, 2.0], [0, 1], {"level": 1.0}, "level is 1.0, not between 0 and 1"),
        ([1.0, 2.0], [0, 1], {"resamples": 1}, "resamples is 1, not >= 2"),
    ],
)
def test_mean_interval_names_what_is_wrong(
    values: list[float], people: list[int], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mean_interval(values, people, seed=0, **options)  # type: ignore[arg-type]


def test_a_ratio_needs_the_same_pages_twice() -> None:
    with pytest.raises(ValueError, match=r"denominators: shape \[1\] is not that of numerators"):
        ratio_interval([1.0, 2.0], [1.0], [0, 1], seed=0)


def test_a_ratio_that_rests_on_too_few_pages_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"denominators sum to 0.0: too few pages"):
        ratio_interval([1.0, 0.0], [0.0, 0.0], [0, 1], seed=0)
    with pytest.raises(ValueError, match=r"denominators sum to 0.0: too few pages"):
        ratio_interval([1.0, 0.0], [1.0, 0.0], [0, 1], seed=0)  # Person 1 drawn twice.
