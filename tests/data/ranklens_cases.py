"""Random RankLens events of the official format, and how to write them to a file."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

Event = dict[str, Any]

GENRES = ("drama", "comedy", "horror", "western")
PAGE_FILMS = 8


def random_events(
    seed: int, people: int = 15, films: int = 40, prefix: str = "person"
) -> list[Event]:
    """Item events, then rankings and clicks in the order of time; everyone has 1 to 4 pages."""
    rng = np.random.default_rng(seed)
    events = [item_event(f"f{place}", rng) for place in range(films)]
    pages = [f"{prefix}-{place}" for place in range(people) for _ in range(rng.integers(1, 5))]
    for time, place in enumerate(rng.permutation(len(pages))):
        person, page_id = pages[place], f"{prefix}-page-{place}"
        shown = [f"f{film}" for film in rng.permutation(films)[:PAGE_FILMS]]
        events.append(ranking_event(page_id, person, time, shown))
        clicked = rng.random(PAGE_FILMS) < rng.choice([0.0, 0.2, 0.6])
        events += [
            click_event(page_id, film) for film, hit in zip(shown, clicked, strict=True) if hit
        ]
    return events


def item_event(film: str, rng: np.random.Generator, **fields: Any) -> Event:
    """A film with random metadata; `fields` replace some of it."""
    metadata = {
        "title": f"The {film}",
        "popularity": float(rng.lognormal(3.0)),
        "vote_avg": float(rng.uniform(3, 9)),
        "vote_cnt": float(rng.integers(5, 10_000)),
        "runtime": float(rng.integers(60, 200)),
        "release_date": float(rng.integers(-600_000_000, 1_600_000_000)),
        "genres": rng.permutation(GENRES)[: rng.integers(1, 4)].tolist(),
        "director": f"director {rng.integers(6)}",
    } | fields
    return {
        "event": "item",
        "id": f"event-{film}",
        "item": film,
        "timestamp": "0",
        "fields": [{"name": name, "value": value} for name, value in metadata.items()],
    }


def ranking_event(page_id: str, person: str, time: int, films: list[str]) -> Event:
    return {
        "event": "ranking",
        "id": page_id,
        "user": person,
        "timestamp": str(1_636_993_836_000 + 1000 * time),
        "items": [{"id": film, "fields": [{"name": "relevancy", "value": 0.0}]} for film in films],
        "fields": [],
    }


def click_event(page_id: str, film: str) -> Event:
    return {"event": "interaction", "type": "click", "ranking": page_id, "item": film, "fields": []}


def write_events(path: Path, events: list[Event]) -> Path:
    """One JSON a line; gzipped when the name says so."""
    text = "".join(json.dumps(event) + "\n" for event in events).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def rankings(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"] == "ranking"]


def shown_films(ranking: Event) -> list[str]:
    return [entry["id"] for entry in ranking["items"]]


def clicks_of(events: list[Event]) -> set[tuple[str, str]]:
    """(page, film) of every click."""
    return {(e["ranking"], e["item"]) for e in events if e["event"] == "interaction"}


def with_flipped_clicks(events: list[Event], page_ids: set[str]) -> list[Event]:
    """The same events; on these pages exactly the films without a click have one now."""
    old = clicks_of(events)
    kept = [e for e in events if e["event"] != "interaction" or e["ranking"] not in page_ids]
    return kept + [
        click_event(page["id"], film)
        for page in rankings(events)
        if page["id"] in page_ids
        for film in shown_films(page)
        if (page["id"], film) not in old
    ]


def with_shuffled_pages(events: list[Event], seed: int) -> list[Event]:
    """The same events; the films of every page stand in another random order."""
    rng = np.random.default_rng(seed)
    shuffled = copy.deepcopy(events)
    for page in rankings(shuffled):
        page["items"] = [page["items"][place] for place in rng.permutation(len(page["items"]))]
    return shuffled
