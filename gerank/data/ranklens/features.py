"""The features of RankLens: their schema, and their columns for all pages.

Every feature is known before the page is shown: film metadata, click rates of other people, and the
person's earlier pages. None depends on the order in which the page was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.feature import named_id
from gerank.data.ranklens.catalogue import OTHER_GENRE, Catalogue
from gerank.data.ranklens.events import Page
from gerank.data.ranklens.films import DECADES, FilmTable
from gerank.data.ranklens.statistics import ItemStatistics
from gerank.data.ranklens.taste import PersonHistory
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_DIRECTOR_EMBEDDINGS = 2048

USER_DENSE = ("earlier_pages", "click_rate", "click_log_odds", "clicked_page_share")
"""How many pages the person has seen, and how much they clicked on them."""

FILM_DENSE = (
    "film_log_odds",  # of its click rate among other people
    "film_impressions",  # behind that rate, log(1 + n)
    "log_popularity",
    "log_votes",
    "vote_average",
    "runtime",  # minutes
    "release_year",
)
"""These describe a film, whoever sees it."""

TASTE_DENSE = (
    "person_log_odds",
    "taste_primary_genre",
    "taste_genres",
    "taste_director",
    "taste_decade",
    "taste_similar_films",
    "taste_same_film",
    "taste_fame",
)
"""These tell from the person's earlier pages how a film suits them."""


def feature_schema(catalogue: Catalogue) -> FeatureSchema:
    """The schema: genre and director are group keys, long tail and recent are flags."""
    return FeatureSchema(
        user=tuple(Feature(name, FeatureKind.DENSE) for name in USER_DENSE),
        candidate=(
            *(Feature(name, FeatureKind.DENSE) for name in FILM_DENSE + TASTE_DENSE),
            named_id("genre", (*catalogue.genres, OTHER_GENRE)),
            Feature("director", FeatureKind.ID, vocabulary=_DIRECTOR_EMBEDDINGS, hashed=True),
            named_id("decade", DECADES),
            named_id("long_tail", ("no", "yes")),
            named_id("recent", ("no", "yes")),
        ),
        groups=("genre", "director"),
        flags=("long_tail", "recent"),
    )


def feature_columns(
    pages: Sequence[Page], films: FilmTable, statistics: ItemStatistics
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """User columns [E] and candidate columns [sum M] of all pages, by feature name.

    Args:
        pages: In the order of the columns; histories go by timestamp, then by this order.
        films: Every film shown.
        statistics: Click rates are taken from here: see Note [Out of fold].
    """
    rows = [np.array([films.rows[name] for name in page.films]) for page in pages]
    user = {name: np.zeros(len(pages), dtype=np.float32) for name in USER_DENSE}
    per_page: list[dict[str, NDArray[np.float64]]] = [{} for _ in pages]
    people = _pages_by_person(pages)
    sources = {person: statistics.source_of(person) for person in people}
    rates = {source: statistics.rates(source, films.names) for source in set(sources.values())}
    for person, places in people.items():
        history = PersonHistory(films, rates[sources[person]])
        for place in places:
            person_values, per_page[place] = _see_page(history, pages[place], rows[place])
            for name, value in person_values.items():
                user[name][place] = value
    candidate = {
        name: np.concatenate([columns[name] for columns in per_page]).astype(np.float32)
        for name in per_page[0]
    }
    return user, candidate | _film_columns(films, np.concatenate(rows))


def _see_page(
    history: PersonHistory, page: Page, rows: NDArray[np.int64]
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Features of the next page, its films in the order shown; then it joins the history."""
    order = np.argsort(rows)
    user, candidate = history.features(rows[order])
    clicks = np.array([name in page.clicked for name in page.films], dtype=np.float64)
    history.add(rows[order], clicks[order])
    as_shown = np.argsort(order)
    return user, {name: values[as_shown] for name, values in candidate.items()}


def _pages_by_person(pages: Sequence[Page]) -> dict[str, list[int]]:
    """Person -> places in `pages`, in the order of time."""
    people: dict[str, list[int]] = {}
    for place in sorted(range(len(pages)), key=lambda place: pages[place].timestamp):
        people.setdefault(pages[place].person, []).append(place)
    return people


def _film_columns(films: FilmTable, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    dense = {
        "log_popularity": films.popularity,
        "log_votes": films.votes,
        "vote_average": films.vote_average,
        "runtime": films.runtime,
        "release_year": films.year,
    }
    ids = {
        "genre": films.primary_genre,
        "director": films.director,
        "decade": films.decade,
        "long_tail": films.long_tail,
        "recent": films.recent,
    }
    columns: dict[str, NDArray[Any]] = {
        name: values[rows].astype(np.float32) for name, values in dense.items()
    }
    return columns | {name: values[rows] for name, values in ids.items()}
