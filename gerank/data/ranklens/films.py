"""Films as columns: the numbers and ids that candidates show and that tastes are computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gerank.data.ranklens.catalogue import Catalogue
from gerank.data.ranklens.events import Film
from gerank.data.schema import hash_id

NO_DIRECTOR = -1
"""The id of an unknown director: outside every group."""

DECADES = (
    "unknown",
    "before 1950",
    *(f"{year}s" for year in range(1950, 2020, 10)),
    "2020s or later",
)

_SECONDS_PER_YEAR = 31_556_952.0


@dataclass(frozen=True)
class FilmTable:
    """All films of a conversion, one row each, in the order of their ids.

    Attributes:
        names: Ids, sorted.
        rows: Id -> row.
        popularity, votes: [films] float64. log(1 + value).
        fame: [films] float64. `votes` against the catalogue's median film.
        vote_average, runtime, year: [films] float64. 0..10, minutes, years with fraction.
        genres: [films, genres + 1] float64. 1 where the film has the genre; the last: any other.
        primary_genre: [films] int64. Column of `genres`; the last one for films without genre.
        director: [films] int64. Hashed; NO_DIRECTOR where unknown.
        decade: [films] int64. Index into `DECADES`.
        long_tail, recent: [films] int64. 0 or 1.
    """

    names: tuple[str, ...]
    rows: Mapping[str, int]
    popularity: NDArray[np.float64]
    votes: NDArray[np.float64]
    fame: NDArray[np.float64]
    vote_average: NDArray[np.float64]
    runtime: NDArray[np.float64]
    year: NDArray[np.float64]
    genres: NDArray[np.float64]
    primary_genre: NDArray[np.int64]
    director: NDArray[np.int64]
    decade: NDArray[np.int64]
    long_tail: NDArray[np.int64]
    recent: NDArray[np.int64]

    @classmethod
    def of_films(cls, films: Mapping[str, Film], catalogue: Catalogue) -> FilmTable:
        """The table; a value that a film lacks is the catalogue's typical one."""
        names = tuple(sorted(films))
        rows = [films[name] for name in names]
        popularity = _numbers(rows, lambda film: film.popularity, catalogue.popularity)
        released = _numbers(rows, lambda film: film.released, catalogue.released)
        votes = np.log1p(_numbers(rows, lambda film: film.votes, catalogue.votes))
        return cls(
            names=names,
            rows={name: row for row, name in enumerate(names)},
            popularity=np.log1p(popularity),
            votes=votes,
            fame=votes - np.log1p(catalogue.votes),
            vote_average=_numbers(rows, lambda film: film.vote_average, catalogue.vote_average),
            runtime=_numbers(rows, lambda film: film.runtime, catalogue.runtime),
            year=1970 + released / _SECONDS_PER_YEAR,
            genres=_genres(rows, catalogue.genres),
            primary_genre=_primary_genre(rows, catalogue.genres),
            director=_ids(hash_id(f.director) if f.director else NO_DIRECTOR for f in rows),
            decade=_ids(_decade(film) for film in rows),
            long_tail=(popularity < catalogue.long_tail_popularity).astype(np.int64),
            recent=(released >= catalogue.recent_release).astype(np.int64),
        )

    def same(
        self, column: str, some: NDArray[np.int64], others: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """[some, others] 1 where both films have one and the same value, known ones only.

        Args:
            column: `primary_genre`, `director` or `decade`.
            some: Rows.
            others: Rows.
        """
        values, unknown = {
            "primary_genre": (self.primary_genre, self.genres.shape[1] - 1),
            "director": (self.director, NO_DIRECTOR),
            "decade": (self.decade, DECADES.index("unknown")),
        }[column]
        same = (values[some, None] == values[others]) & (values[others] != unknown)
        return np.asarray(same, dtype=np.float64)

    def genre_likeness(
        self, some: NDArray[np.int64], others: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """[some, others] squared cosine of the films' genre vectors, 0..1."""
        a, b = self.genres[some], self.genres[others]
        lengths = a.sum(axis=1)[:, None] * b.sum(axis=1)  # squared, as the entries are 0 or 1
        return np.asarray(np.square(a @ b.T) / np.maximum(lengths, 1.0))


def _numbers(
    films: Sequence[Film], attribute: Callable[[Film], float | None], default: float
) -> NDArray[np.float64]:
    values = (attribute(film) for film in films)
    return np.array([default if value is None else value for value in values], dtype=np.float64)


def _ids(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64)


def _genres(films: Sequence[Film], names: tuple[str, ...]) -> NDArray[np.float64]:
    columns = {name: column for column, name in enumerate(names)}
    genres = np.zeros((len(films), len(names) + 1))
    for row, film in enumerate(films):
        for genre in film.genres:
            genres[row, columns.get(genre, len(names))] = 1.0
    return genres


def _primary_genre(films: Sequence[Film], names: tuple[str, ...]) -> NDArray[np.int64]:
    columns = {name: column for column, name in enumerate(names)}
    primary = (film.genres[0] if film.genres else None for film in films)
    return _ids(len(names) if name is None else columns.get(name, len(names)) for name in primary)


def _decade(film: Film) -> int:
    if film.released is None:
        return DECADES.index("unknown")
    year = 1970 + int(film.released // _SECONDS_PER_YEAR)
    if year < 1950:
        return DECADES.index("before 1950")
    return min(DECADES.index("1950s") + (year - 1950) // 10, len(DECADES) - 1)
