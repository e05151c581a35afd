"""What all films together define: genre names, thresholds of the flags, typical numbers.

A test log must use the training log's: so a `Catalogue` is stored beside every converted log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gerank.data.ranklens.events import Film
from gerank.data.ranklens.lines import RankLensError, shown
from gerank.data.whole_file import whole_file

FILE_NAME = "ranklens.json"
"""The catalogue's file beside `exposures.parquet` has this name."""

FORMAT_VERSION = 1

OTHER_GENRE = "other"
"""Comes after the genre names, for every name that is not among them and for none at all."""

_LONG_TAIL_SHARE = 0.3
_RECENT_SHARE = 0.2


@dataclass(frozen=True)
class Catalogue:
    """Vocabularies and constants, from the metadata of films alone: no click enters them.

    Attributes:
        genres: Names in alphabetic order, without `OTHER_GENRE`.
        long_tail_popularity: A film is long tail below it: three films in ten.
        recent_release: Unix seconds. A film is recent from then on: two films in ten.
        popularity, vote_average, votes, runtime, released: Medians, for films without a value.
    """

    genres: tuple[str, ...]
    long_tail_popularity: float
    recent_release: float
    popularity: float
    vote_average: float
    votes: float
    runtime: float
    released: float

    @classmethod
    def of_films(cls, films: Iterable[Film]) -> Catalogue:
        """The catalogue of these films; the order does not matter."""
        films = tuple(films)
        return cls(
            genres=tuple(sorted({name for film in films for name in film.genres} - {OTHER_GENRE})),
            long_tail_popularity=_quantile(films, lambda film: film.popularity, _LONG_TAIL_SHARE),
            recent_release=_quantile(films, lambda film: film.released, 1 - _RECENT_SHARE),
            popularity=_quantile(films, lambda film: film.popularity, 0.5),
            vote_average=_quantile(films, lambda film: film.vote_average, 0.5),
            votes=_quantile(films, lambda film: film.votes, 0.5),
            runtime=_quantile(films, lambda film: film.runtime, 0.5),
            released=_quantile(films, lambda film: film.released, 0.5),
        )

    def write(self, directory: Path) -> None:
        """Writes `ranklens.json` into the folder, all or nothing.

        Raises:
            OSError: The folder cannot be written.
        """
        document = {"format_version": FORMAT_VERSION} | asdict(self)
        with whole_file(directory / FILE_NAME) as draft:
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Catalogue:
        """Reads what `write` wrote.

        Raises:
            RankLensError: Names the file, and the key and value that are wrong.
        """
        path = directory / FILE_NAME
        document = _document(path)
        for name, value in document.items():
            accepted = _is_genres(value) if name == "genres" else _is_finite(value)
            if not accepted:
                raise RankLensError(f"{path}: {name!r} is {shown(value)}")
        return cls(**document | {"genres": tuple(document["genres"])})


def _quantile(
    films: tuple[Film, ...], attribute: Callable[[Film], float | None], share: float
) -> float:
    """Returns the quantile over the films that have the attribute; 0 where none has."""
    values = [value for value in map(attribute, films) if value is not None]
    return float(np.quantile(values, share)) if values else 0.0


def _document(path: Path) -> dict[str, Any]:
    """The keys of a `Catalogue`, no more and no fewer; values unchecked."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        rule = "no such file: features come from a folder that 'convert ranklens' wrote"
        raise RankLensError(f"{path}: {rule}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RankLensError(f"{path}: not readable JSON: {error}") from error
    if not isinstance(document, Mapping) or "format_version" not in document:
        raise RankLensError(f"{path}: {shown(document)} has no 'format_version'")
    document = dict(document)
    version = document.pop("format_version")
    if version != FORMAT_VERSION:
        raise RankLensError(
            f"{path}: format version {shown(version)}, this gerank reads {FORMAT_VERSION}"
        )
    for name in sorted(document.keys() ^ Catalogue.__dataclass_fields__.keys()):
        raise RankLensError(f"{path}: {name!r} is {'unknown' if name in document else 'missing'}")
    return document


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_genres(value: object) -> bool:
    """Names, each once, without the one that the vocabulary ends with."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value) | {OTHER_GENRE}) == len(value) + 1
