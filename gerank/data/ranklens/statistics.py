"""Click rates of films, never from the person they are shown to.

Note [Out of fold]: people fall into `FOLDS` folds by a hash of their id. A person whose pages are
counted gets the counts of the other folds; anybody else gets all counts. So training pages see
rates of the kind that new people will see, and no click of a person enters the rates they see.
Leaving out the one person alone would leak: a film's rate would then be lower exactly for those
who clicked it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens.events import Page
from gerank.data.schema import hash_id

FOLDS = 10

_STRENGTH = 8.0  # impressions of the mean film that a film's own clicks are mixed with
_PRIOR_RATE, _PRIOR_SHOWN = 0.2, 24.0  # one typical page, so that few pages give a rate too


@dataclass(frozen=True)
class FilmRates:
    """What is known of films when a page is shown to somebody, in the caller's order of films.

    Attributes:
        log_odds: [films] float64. Holds the log-odds of the smoothed click rate.
        shown: [films] float64. Impressions behind it.
    """

    log_odds: NDArray[np.float64]
    shown: NDArray[np.float64]


@dataclass(frozen=True)
class ItemStatistics:
    """Impressions and clicks per film and fold of people.

    Attributes:
        rows: Film id -> row of the counts.
        shown, clicked: [films, FOLDS] int64.
        people: Whose pages were counted.
    """

    rows: Mapping[str, int]
    shown: NDArray[np.int64]
    clicked: NDArray[np.int64]
    people: frozenset[str]

    @classmethod
    def of_pages(cls, pages: Sequence[Page]) -> ItemStatistics:
        """Counts of events."""
        films = [film for page in pages for film in page.films]
        clicks = [film in page.clicked for page in pages for film in page.films]
        people = [page.person for page in pages for _ in page.films]
        return _count(films, people, np.array(clicks, dtype=np.bool_))

    @classmethod
    def of_log(cls, log: ExposureLog) -> ItemStatistics:
        """Counts of a converted log's pages."""
        page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
        films = log.candidate_names[log.candidate_offsets[page] + log.slates]
        return _count(films.tolist(), log.person_ids[page].tolist(), log.clicks > 0)

    def source_of(self, person: str) -> int:
        """The fold left out for this person, or -1: nothing is. Equal sources, equal rates."""
        return person_fold(person) if person in self.people else -1

    def rates(self, source: int, films: Sequence[str]) -> FilmRates:
        """Rates of `films` for a person of this source; those never counted get the mean rate.

        Args:
            source: What `source_of` says of the person.
            films: Ids.
        """
        folds = np.arange(FOLDS) != source
        shown, clicked = self.shown[:, folds].sum(axis=1), self.clicked[:, folds].sum(axis=1)
        prior_clicked = _PRIOR_RATE * _PRIOR_SHOWN
        mean = (clicked.sum() + prior_clicked) / (shown.sum() + _PRIOR_SHOWN)
        rows = np.array([self.rows.get(film, -1) for film in films], dtype=np.int64)
        film_shown = np.append(shown, 0)[rows].astype(np.float64)  # row -1: the 0 just appended
        film_clicked = np.append(clicked, 0)[rows]
        rate = (film_clicked + _STRENGTH * mean) / (film_shown + _STRENGTH)
        return FilmRates(log_odds=np.log(rate / (1 - rate)), shown=film_shown)


def person_fold(person: str) -> int:
    """0..FOLDS-1, of the id alone: no other person in the file changes it."""
    return (hash_id(person) >> 32) % FOLDS


def _count(
    films: Sequence[str], people: Sequence[str], clicks: NDArray[np.bool_]
) -> ItemStatistics:
    """Counts of impressions, each of a film shown to a person and clicked or not."""
    rows = {film: row for row, film in enumerate(sorted(set(films)))}
    folds = {person: person_fold(person) for person in sorted(set(people))}
    cells = np.array([rows[film] for film in films], dtype=np.int64) * FOLDS
    cells += np.array([folds[person] for person in people], dtype=np.int64)
    size = len(rows) * FOLDS
    shown = np.bincount(cells, minlength=size).astype(np.int64)
    clicked = np.bincount(cells[clicks], minlength=size).astype(np.int64)
    shape = (len(rows), FOLDS)
    return ItemStatistics(rows, shown.reshape(shape), clicked.reshape(shape), frozenset(folds))
