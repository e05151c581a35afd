"""The official events format of RankLens: `item`, `ranking` and `interaction`, one JSON a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gerank.data.ranklens.lines import Line, RankLensError, read_lines, shown

_MAX_SHARE_WITHOUT_METADATA = 0.01  # the real file: 8 films of 2,520
_RANGES: dict[str, tuple[float, float]] = {
    "popularity": (0.0, 1e9),
    "vote_avg": (0.0, 10.0),
    "vote_cnt": (0.0, 1e9),
    "runtime": (0.0, 1e5),
    "release_date": (-1e11, 1e11),
}
_TIMESTAMP_LIMIT = 2**53


@dataclass(frozen=True)
class Film:
    """What an `item` event says of a film; None or () where it says nothing.

    Attributes:
        popularity: As logged, >= 0.
        vote_average: 0..10.
        votes: Their number.
        runtime: Minutes.
        released: Unix seconds.
        genres: The primary one first.
        director: The name as logged.
    """

    popularity: float | None = None
    vote_average: float | None = None
    votes: float | None = None
    runtime: float | None = None
    released: float | None = None
    genres: tuple[str, ...] = ()
    director: str | None = None


@dataclass(frozen=True)
class Page:
    """One `ranking` event with its clicks.

    Attributes:
        page_id: Is the id of the event.
        person: The `user` of the event.
        timestamp: Milliseconds.
        films: Ids in the order shown, all different.
        clicked: The clicked ones among them.
    """

    page_id: str
    person: str
    timestamp: int
    films: tuple[str, ...]
    clicked: frozenset[str]


@dataclass(frozen=True)
class RankLensEvents:
    """All of one file.

    Attributes:
        films: Id -> metadata, also of films that were shown without any.
        pages: In the order of the file.
    """

    films: Mapping[str, Film]
    pages: tuple[Page, ...]


@dataclass
class _Collected:
    """Events as read, before interactions are joined to their rankings."""

    films: dict[str, Film] = field(default_factory=dict)
    rankings: dict[str, tuple[Line, tuple[str, ...]]] = field(default_factory=dict)
    clicks: list[Line] = field(default_factory=list)


def read_events(path: Path) -> RankLensEvents:
    """Reads and joins the events of a file; of several events of one item, the last one counts.

    The order of events does not matter, except that pages keep theirs. A few films of the real
    file are shown but have no `item` event: up to 1 % of the catalogue may lack one.

    Raises:
        RankLensError: Names file, line and value of what is wrong.
    """
    collected = _Collected()
    for line in read_lines(path):
        _collect(line, collected)
    if not collected.rankings:
        raise RankLensError(f"{path}: no 'ranking' event")
    _add_films_without_metadata(collected)
    return RankLensEvents(films=collected.films, pages=tuple(_pages(collected)))


def _collect(line: Line, collected: _Collected) -> None:
    event = line.content.get("event")
    if event == "item":
        collected.films[line.text("item")] = _film(line)
    elif event == "ranking":
        page_id = line.text("id")
        if page_id in collected.rankings:
            first = collected.rankings[page_id][0].number
            raise line.error(f"ranking {page_id!r} is there already, on line {first}")
        collected.rankings[page_id] = (line, _shown_films(line))
    elif event == "interaction":
        if line.content.get("type") != "click":
            raise line.error(f"interaction of type {shown(line.content.get('type'))}, not 'click'")
        collected.clicks.append(line)
    else:
        rule = "not 'item', 'ranking' or 'interaction'"
        raise line.error(f"event of type {shown(event)}, {rule}")


def _film(line: Line) -> Film:
    fields = dict(_fields(line))
    numbers = {
        name: None if fields.get(name) is None else line.number_from(fields[name], name, low, high)
        for name, (low, high) in _RANGES.items()
    }
    genres = fields.get("genres") or []
    if not isinstance(genres, list):
        raise line.error(f"'genres' is {shown(genres)}, not a list")
    director = fields.get("director") or None
    return Film(
        popularity=numbers["popularity"],
        vote_average=numbers["vote_avg"],
        votes=numbers["vote_cnt"],
        runtime=numbers["runtime"],
        released=numbers["release_date"],
        genres=tuple(dict.fromkeys(line.checked_text(genre, "genres") for genre in genres)),
        director=None if director is None else line.checked_text(director, "director"),
    )


def _fields(line: Line) -> Iterator[tuple[str, Any]]:
    """Name and value of an item's fields."""
    for entry in _list(line, "fields"):
        if not isinstance(entry, dict) or "value" not in entry:
            raise line.error(f"a field is {shown(entry)}, not an object with name and value")
        yield line.checked_text(entry.get("name"), "name"), entry["value"]


def _shown_films(line: Line) -> tuple[str, ...]:
    films: dict[str, None] = {}
    for entry in _list(line, "items"):
        film = entry.get("id") if isinstance(entry, dict) else entry
        name = line.checked_text(film, "items")
        if name in films:
            raise line.error(f"the ranking shows item {name!r} twice")
        films[name] = None
    if not films:
        raise line.error("'items' is [], a ranking needs at least one")
    return tuple(films)


def _list(line: Line, name: str) -> list[Any]:
    value = line.content.get(name)
    if not isinstance(value, list):
        raise line.error(f"{name!r} is {shown(value)}, not a list")
    return value


def _add_films_without_metadata(collected: _Collected) -> None:
    missing: dict[str, Line] = {}
    for line, films in collected.rankings.values():
        for name in films:
            if name not in collected.films:
                missing.setdefault(name, line)
    if len(missing) > _MAX_SHARE_WITHOUT_METADATA * len(collected.films):
        name, line = next(iter(missing.items()))
        raise line.error(
            f"the ranking shows item {name!r}, which has no 'item' event; nor have "
            f"{len(missing) - 1} others, beside {len(collected.films)} items that have one"
        )
    collected.films.update(dict.fromkeys(missing, Film()))


def _pages(collected: _Collected) -> Iterator[Page]:
    clicked: dict[str, set[str]] = {page_id: set() for page_id in collected.rankings}
    for line in collected.clicks:
        page_id, film = line.text("ranking"), line.text("item")
        if page_id not in collected.rankings:
            raise line.error(f"interaction with ranking {page_id!r}, which the file does not have")
        if film not in collected.rankings[page_id][1]:
            raise line.error(f"interaction with item {film!r}, not shown by ranking {page_id!r}")
        clicked[page_id].add(film)
    for page_id, (line, films) in collected.rankings.items():
        yield Page(page_id, line.text("user"), _timestamp(line), films, frozenset(clicked[page_id]))


def _timestamp(line: Line) -> int:
    """Milliseconds; the official file writes them as a string."""
    value = line.content.get("timestamp")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _TIMESTAMP_LIMIT:
        raise line.error(f"'timestamp' is {shown(value)}, not whole milliseconds")
    return value
