"""What RankLens features may and may not depend on, and the formulas behind them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens import convert_ranklens
from gerank.data.ranklens.catalogue import Catalogue
from gerank.data.ranklens.events import read_events
from gerank.data.ranklens.films import FilmTable
from gerank.data.ranklens.statistics import FilmRates, person_fold
from gerank.data.ranklens.taste import PersonHistory
from tests.data.ranklens_cases import (
    Event,
    click_event,
    random_events,
    ranking_event,
    rankings,
    shown_films,
    with_flipped_clicks,
    with_shuffled_pages,
    write_events,
)

Features = dict[str, dict[str, tuple[float, ...]]]
"""Page -> film, or '' for the person -> values of all features."""


def _features(log: ExposureLog) -> Features:
    pages: Features = {}
    for place, page_id in enumerate(log.page_ids):
        begin, end = log.candidate_offsets[place : place + 2]
        page = {"": tuple(values[place].item() for values in log.user.values())}
        for row in range(begin, end):
            values = tuple(values[row].item() for values in log.candidate.values())
            page[str(log.candidate_names[row])] = values
        pages[str(page_id)] = page
    return pages


def _convert(tmp_path: Path, events: list[Event]) -> Features:
    return _features(convert_ranklens(write_events(tmp_path / "events.jsonl", events)))


def _pages_by_person(events: list[Event]) -> dict[str, list[str]]:
    """Person -> their pages in the order of time."""
    people: dict[str, list[str]] = {}
    for page in rankings(events):
        people.setdefault(page["user"], []).append(page["id"])
    return people


def _one_fold(people: Iterable[str]) -> list[str]:
    """The people of the largest fold."""
    folds: dict[int, list[str]] = {}
    for person in people:
        folds.setdefault(person_fold(person), []).append(person)
    return max(folds.values(), key=len)


def test_the_order_of_candidates_changes_no_feature(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    shuffled = with_shuffled_pages(events, seed)
    assert list(map(shown_films, rankings(events))) != list(map(shown_films, rankings(shuffled)))
    assert _convert(tmp_path, shuffled) == _convert(tmp_path, events)


def test_clicks_on_a_page_change_only_later_pages_of_the_person(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    pages = next(pages for pages in _pages_by_person(events).values() if len(pages) >= 3)
    before = _convert(tmp_path, events)
    after = _convert(tmp_path, with_flipped_clicks(events, {pages[1]}))
    assert after[pages[0]] == before[pages[0]]
    assert after[pages[1]] == before[pages[1]]
    assert after[pages[2]] != before[pages[2]]


def test_a_person_without_their_later_pages_has_the_same_features(
    tmp_path: Path, seed: int
) -> None:
    events = random_events(seed)
    person, pages = next(item for item in _pages_by_person(events).items() if len(item[1]) >= 2)
    gone = set(pages[1:])
    kept = [e for e in events if e.get("ranking") not in gone and e.get("id") not in gone]
    assert len(rankings(kept)) < len(rankings(events)), person
    before, after = _convert(tmp_path, events), _convert(tmp_path, kept)
    assert after[pages[0]] == before[pages[0]]


def test_earlier_is_told_by_timestamp_not_by_line(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    reversed_lines = list(reversed(events))
    assert _convert(tmp_path, reversed_lines) == _convert(tmp_path, events)


def test_equal_timestamps_go_by_line(tmp_path: Path, seed: int) -> None:
    items = [event for event in random_events(seed) if event["event"] == "item"]
    pages = [ranking_event(name, "someone", 0, ["f0", "f1"]) for name in ("p", "q")]
    columns = convert_ranklens(write_events(tmp_path / "events.jsonl", items + pages)).user
    assert columns["earlier_pages"].tolist() == [0.0, 1.0]


def test_a_first_page_knows_nothing_of_the_person(tmp_path: Path, seed: int) -> None:
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", random_events(seed)))
    first = log.select(log.user["earlier_pages"] == 0)
    assert len(first) == len(set(log.person_ids))
    assert len({tuple(v[place] for v in first.user.values()) for place in range(len(first))}) == 1
    tastes = [values for name, values in first.candidate.items() if name.startswith("taste_")]
    assert len(tastes) == 7
    assert not np.any(tastes)
    later = log.select(log.user["earlier_pages"] > 0)
    assert all(later.candidate[name].any() for name in log.candidate if name.startswith("taste_"))


def test_nobody_of_the_same_fold_enters_film_rates(tmp_path: Path, seed: int) -> None:
    events = random_events(seed, people=60)
    people = _pages_by_person(events)
    person, *mates = _one_fold(people)
    strangers = people.keys() - {person, *mates}
    before = _convert(tmp_path, events)
    for others, same in ((mates, True), (strangers, False)):
        flipped = {page for other in others for page in people[other]}
        after = _convert(tmp_path, with_flipped_clicks(events, flipped))
        assert all((after[page] == before[page]) is same for page in people[person])


def test_conversion_is_repeatable(tmp_path: Path, seed: int) -> None:
    path = write_events(tmp_path / "events.jsonl", random_events(seed))
    once, again = convert_ranklens(path), convert_ranklens(path)
    assert once.schema == again.schema
    assert _features(once) == _features(again)


def test_leaving_a_person_out_changes_nothing_for_their_fold(tmp_path: Path, seed: int) -> None:
    events = random_events(seed, people=40)
    people = _pages_by_person(events)
    gone, mate = _one_fold(people)[:2]
    kept = [e for e in events if e.get("user") != gone and e.get("ranking") not in people[gone]]
    before, after = _convert(tmp_path, events), _convert(tmp_path, kept)
    assert all(after[page] == before[page] for page in people[mate])


@pytest.fixture
def films(tmp_path: Path, seed: int) -> FilmTable:
    read = read_events(write_events(tmp_path / "films.jsonl", random_events(seed)))
    return FilmTable.of_films(read.films, Catalogue.of_films(read.films.values()))


def _history(
    films: FilmTable, rng: np.random.Generator
) -> tuple[PersonHistory, FilmRates, NDArray[np.int64], NDArray[np.float64]]:
    """A person with two pages; the films and clicks of both, one after the other."""
    rates = FilmRates(rng.normal(-1.5, 1.0, len(films.names)), np.ones(len(films.names)))
    history = PersonHistory(films, rates)
    seen = [np.sort(rng.permutation(len(films.names))[:8]) for _ in range(2)]
    clicks = [(rng.random(8) < 0.4).astype(np.float64) for _ in range(2)]
    for rows, clicked in zip(seen, clicks, strict=True):
        history.add(rows, clicked)
    return history, rates, np.concatenate(seen), np.concatenate(clicks)


def test_click_log_odds_are_the_mode_of_the_posterior(films: FilmTable, seed: int) -> None:
    history, rates, seen, clicks = _history(films, np.random.default_rng(seed))
    user, _ = history.features(np.arange(5))
    offset = user["click_log_odds"]

    def log_posterior(value: float) -> float:
        log_odds = rates.log_odds[seen] + value
        return float((clicks * log_odds - np.log1p(np.exp(log_odds))).sum() - value**2 / 2)

    best = log_posterior(offset)
    assert all(log_posterior(offset + step) < best for step in (-1.0, -1e-3, 1e-3, 1.0))


@pytest.mark.parametrize(("log_odds", "clicked"), [(-6.0, 1.0), (6.0, 0.0), (-0.1, 1.0)])
def test_click_log_odds_settle_for_extreme_people(
    films: FilmTable, log_odds: float, clicked: float
) -> None:
    count = len(films.names)
    history = PersonHistory(films, FilmRates(np.full(count, log_odds), np.ones(count)))
    for _ in range(20):
        history.add(np.arange(count), np.full(count, clicked))
    offset = history.features(np.arange(1))[0]["click_log_odds"]
    slope = 20 * count * (clicked - 1 / (1 + np.exp(-log_odds - offset))) - offset
    assert abs(slope) < 1e-6


def test_affinities_are_those_of_the_note(films: FilmTable, seed: int) -> None:
    history, rates, seen, clicks = _history(films, np.random.default_rng(seed))
    rows = np.arange(len(films.names))
    user, columns = history.features(rows)
    expected = 1 / (1 + np.exp(-rates.log_odds[seen] - user["click_log_odds"]))

    def affinity(likeness: list[float], precision: float) -> float:
        surplus = sum(s * (y - p) for s, y, p in zip(likeness, clicks, expected, strict=True))
        spread = sum(s * s * p * (1 - p) for s, p in zip(likeness, expected, strict=True))
        return float(surplus / (precision + spread))

    genres = films.genres
    for film in rows:
        same_director = [float(films.director[j] == films.director[film]) for j in seen]
        same_decade = [float(films.decade[j] == films.decade[film]) for j in seen]
        same_genre = [float(films.primary_genre[j] == films.primary_genre[film]) for j in seen]
        own = np.flatnonzero(genres[film])
        by_genre = [affinity(genres[seen, genre].tolist(), 2.0) for genre in own]
        cosines = [
            genres[j] @ genres[film] / np.linalg.norm(genres[j]) / np.linalg.norm(genres[film])
            for j in seen
        ]
        fame = (films.votes - np.log1p(np.median(np.expm1(films.votes)))).tolist()
        wanted = {
            "taste_director": affinity(same_director, 1.0),
            "taste_decade": affinity(same_decade, 2.0),
            "taste_primary_genre": affinity(same_genre, 1.5),
            "taste_genres": float(np.mean(by_genre)),
            "taste_similar_films": affinity([float(c * c) for c in cosines], 1.0),
            "taste_same_film": affinity([float(j == film) for j in seen], 1.0),
            "taste_fame": affinity([fame[j] for j in seen], 12.0) * fame[film],
            "person_log_odds": rates.log_odds[film] + user["click_log_odds"],
        }
        for name, value in wanted.items():
            assert columns[name][film] == pytest.approx(value, abs=1e-9), name


def test_what_is_unknown_of_two_films_is_no_likeness(tmp_path: Path, seed: int) -> None:
    bare = [{"event": "item", "item": name, "fields": []} for name in ("x", "y")]
    items = [event for event in random_events(seed) if event["event"] == "item"]
    pages = [ranking_event("p", "someone", 0, ["x", "f0"]), click_event("p", "x")]
    pages += [ranking_event("q", "someone", 1, ["y", "f1"])]
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", [*items, *bare, *pages]))
    page = log.select(np.array([1]))
    names = ("taste_director", "taste_decade", "taste_primary_genre")
    assert [page.candidate[name][0].item() for name in names] == [0.0, 0.0, 0.0]
