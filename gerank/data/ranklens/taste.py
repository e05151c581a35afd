"""What a person's earlier pages say: how much they click, and what they like more than others do.

Everything is measured against what the films' own click rates let expect, so that a taste for
westerns is not a taste for popular films.

Note [Affinity]: of an earlier film j with click y_j, expected probability p_j and likeness s_ij to
film i, the affinity is

    sum_j s_ij (y_j - p_j) / (precision + sum_j s_ij^2 p_j (1 - p_j))

the first Newton step, from 0, of a logistic regression of the clicks on s_i, with a Gaussian prior
of that precision on the coefficient. Without earlier pages it is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.data.ranklens.films import FilmTable
from gerank.data.ranklens.statistics import FilmRates

_NEWTON_STEPS, _NEWTON_TOLERANCE = 50, 1e-10
_GENRE_PRECISION = 2.0
_FAME_PRECISION = 12.0
_SAME_VALUE_PRECISION = {"primary_genre": 1.5, "director": 1.0, "decade": 2.0}
_PRIOR_CLICKS, _PRIOR_FILMS = 5.0, 25.0
_PRIOR_CLICKED_PAGES, _PRIOR_PAGES = 1.5, 2.0


class PersonHistory:
    """The pages a person has seen so far; grows page by page in the order of time.

    Films must be added in the order of their rows: then sums, and with them features, are the same
    to the last bit whatever order a page was shown in.
    """

    def __init__(self, films: FilmTable, rates: FilmRates) -> None:
        """Nothing seen yet.

        Args:
            films: All films.
            rates: Their click rates, for this person.
        """
        self._films = films
        self._rates = rates
        self._seen = np.zeros(0, dtype=np.int64)  # [seen]
        self._clicks = np.zeros(0)  # [seen]
        self._pages = 0
        self._clicked_pages = 0

    def add(self, rows: NDArray[np.int64], clicks: NDArray[np.float64]) -> None:
        """One more page.

        Args:
            rows: [M] int64. Its films, ascending.
            clicks: [M] float64. 0 or 1.
        """
        self._seen = np.concatenate([self._seen, rows])
        self._clicks = np.concatenate([self._clicks, clicks])
        self._pages += 1
        self._clicked_pages += int(clicks.any())

    def features(
        self, rows: NDArray[np.int64]
    ) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        """What the history says of the person, and of these films for the person.

        Args:
            rows: [M] int64. The next page's films, ascending.

        Returns:
            User feature name -> value, candidate feature name -> [M] float64.
        """
        offset = self._click_log_odds()
        clicks, films = self._clicks.sum() + _PRIOR_CLICKS, len(self._seen) + _PRIOR_FILMS
        clicked_pages = self._clicked_pages + _PRIOR_CLICKED_PAGES
        user = {
            "earlier_pages": float(self._pages),
            "click_rate": float(clicks / films),
            "click_log_odds": offset,
            "clicked_page_share": clicked_pages / (self._pages + _PRIOR_PAGES),
        }
        candidate = {
            "film_log_odds": self._rates.log_odds[rows],
            "film_impressions": np.log1p(self._rates.shown[rows]),
            "person_log_odds": self._rates.log_odds[rows] + offset,
        }
        return user, candidate | self._tastes(rows, offset)

    def _click_log_odds(self) -> float:
        """How much more than others the person clicks: an offset to the log-odds of every film.

        It is the mode of a logistic model with a standard normal prior.
        """
        offset = 0.0
        for _ in range(_NEWTON_STEPS):
            expected = _sigmoid(self._rates.log_odds[self._seen] + offset)
            slope = (self._clicks - expected).sum() - offset
            step = float(slope / ((expected * (1 - expected)).sum() + 1.0))
            offset += min(max(step, -1.0), 1.0)  # whole steps can overshoot for ever
            if abs(step) < _NEWTON_TOLERANCE:
                break
        return offset

    def _tastes(self, rows: NDArray[np.int64], offset: float) -> dict[str, NDArray[np.float64]]:
        """Affinities of the person to films, [M] each: see Note [Affinity]."""
        films, seen = self._films, self._seen
        expected = _sigmoid(self._rates.log_odds[seen] + offset)
        surplus, information = self._clicks - expected, expected * (1 - expected)  # [seen]

        def affinity(likeness: NDArray[np.float64], precision: float) -> NDArray[np.float64]:
            """`likeness` is [seen, X]; the result is [X]."""
            weight = precision + information @ np.square(likeness)
            return np.asarray((surplus @ likeness) / weight)

        columns = {
            f"taste_{name}": affinity(films.same(name, seen, rows), precision)
            for name, precision in _SAME_VALUE_PRECISION.items()
        }
        same_film = (seen[:, None] == rows).astype(np.float64)
        of_genres = affinity(films.genres[seen], _GENRE_PRECISION)  # [genres]
        genres = films.genres[rows]  # [M, genres]
        slope = affinity(films.fame[seen, None], _FAME_PRECISION)  # [1]
        return columns | {
            "taste_genres": (genres @ of_genres) / np.maximum(genres.sum(axis=1), 1.0),
            "taste_similar_films": affinity(films.genre_likeness(seen, rows), 1.0),
            "taste_same_film": affinity(same_film, 1.0),
            "taste_fame": slope * films.fame[rows],
        }


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
