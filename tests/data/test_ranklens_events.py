"""Reading RankLens events: what is accepted, and what each refusal says."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gerank.data.ranklens import RankLensError, convert_ranklens
from gerank.data.ranklens.events import Film, read_events
from tests.data.ranklens_cases import (
    Event,
    click_event,
    clicks_of,
    item_event,
    random_events,
    ranking_event,
    rankings,
    shown_films,
    write_events,
)

RNG = np.random.default_rng(0)  # only for metadata that no test looks at


def test_gzipped_and_plain_events_are_the_same(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    plain = write_events(tmp_path / "events.jsonl", events)
    zipped = write_events(tmp_path / "events.jsonl.gz", events)
    assert plain.read_bytes() != zipped.read_bytes()
    assert read_events(plain) == read_events(zipped)


def test_pages_are_the_rankings_with_their_clicks(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    read = read_events(write_events(tmp_path / "events.jsonl", events))
    assert [page.page_id for page in read.pages] == [page["id"] for page in rankings(events)]
    assert [page.person for page in read.pages] == [page["user"] for page in rankings(events)]
    assert [list(page.films) for page in read.pages] == list(map(shown_films, rankings(events)))
    clicked = {(page.page_id, film) for page in read.pages for film in page.clicked}
    assert clicked == clicks_of(events)


def test_a_click_or_an_item_may_come_before_its_ranking_or_after(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    others = [event for event in events if event["event"] != "ranking"]
    expected = read_events(write_events(tmp_path / "a.jsonl", events))
    late_rankings = write_events(tmp_path / "b.jsonl", others + rankings(events))
    assert read_events(late_rankings) == expected
    late_items = write_events(tmp_path / "c.jsonl", rankings(events) + others)
    assert read_events(late_items) == expected


def test_clicking_twice_is_clicking(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    twice = events + [event for event in events if event["event"] == "interaction"]
    expected = read_events(write_events(tmp_path / "once.jsonl", events))
    assert read_events(write_events(tmp_path / "twice.jsonl", twice)) == expected


def test_metadata_that_is_missing_or_null_is_unknown(tmp_path: Path) -> None:
    bare = {"event": "item", "item": "bare", "fields": [{"name": "runtime", "value": None}]}
    page = ranking_event("page", "someone", 0, ["bare"])
    read = read_events(write_events(tmp_path / "events.jsonl", [bare, page]))
    assert read.films == {"bare": Film()}


def test_one_film_in_a_hundred_may_lack_its_item_event(tmp_path: Path) -> None:
    items = [item_event(f"f{place}", RNG) for place in range(200)]
    for strangers in (["x", "y"], ["x", "y", "z"]):
        page = ranking_event("page", "someone", 0, ["f0", *strangers])
        path = write_events(tmp_path / "events.jsonl", [*items, page])
        if len(strangers) == 2:
            assert read_events(path).films["x"] == Film()
            assert all(np.isfinite(v).all() for v in convert_ranklens(path).candidate.values())
        else:
            with pytest.raises(RankLensError, match=r"line 201: .*item 'x', which has no 'item'"):
                read_events(path)


def _set(place: int, key: str, value: object) -> Callable[[list[Event]], None]:
    return lambda events: events[place].__setitem__(key, value)


def _set_field(name: str, value: object) -> Callable[[list[Event]], None]:
    return lambda events: events[0].__setitem__("fields", [{"name": name, "value": value}])


BAD_EVENTS = [
    (_set(2, "event", "metadata"), r"line 3: event of type 'metadata'"),
    (_set(2, "event", None), r"line 3: event of type None"),
    (_set(0, "item", ""), r"line 1: 'item' is '', not a string"),
    (_set(0, "item", "\ud800"), r"line 1: 'item' is '.ud800'"),
    (_set(0, "fields", {}), r"line 1: 'fields' is {}, not a list"),
    (_set(0, "fields", ["title"]), r"line 1: a field is 'title'"),
    (_set_field("runtime", "long"), r"line 1: 'runtime' is 'long', not a number"),
    (_set_field("runtime", True), r"line 1: 'runtime' is True, not a number"),
    (_set_field("popularity", -1.5), r"line 1: 'popularity' is -1.5, not in \[0, "),
    (_set_field("vote_avg", 11), r"line 1: 'vote_avg' is 11, not in \[0, 10\]"),
    (_set_field("vote_cnt", 10**400), r"line 1: 'vote_cnt' is 1000"),
    (_set_field("runtime", float("nan")), r"line 1: not JSON: NaN is not a number"),
    (_set_field("genres", "drama"), r"line 1: 'genres' is 'drama', not a list"),
    (_set_field("genres", [3]), r"line 1: 'genres' is 3, not a string"),
    (_set_field("director", 3), r"line 1: 'director' is 3, not a string"),
    (_set(2, "user", None), r"line 3: 'user' is None, not a string"),
    (_set(2, "timestamp", "noon"), r"line 3: 'timestamp' is 'noon'"),
    (_set(2, "timestamp", 1.5), r"line 3: 'timestamp' is 1.5"),
    (_set(2, "items", []), r"line 3: 'items' is \[\]"),
    (_set(2, "items", [{"id": "a"}, {"id": "a"}]), r"line 3: the ranking shows item 'a' twice"),
    (_set(2, "items", [{"id": "c"}]), r"line 3: the ranking shows item 'c', which has no 'item'"),
    (_set(3, "type", "purchase"), r"line 4: interaction of type 'purchase', not 'click'"),
    (_set(3, "ranking", "q"), r"line 4: interaction with ranking 'q', which the file"),
    (_set(3, "item", "b"), r"line 4: interaction with item 'b', not shown by ranking 'p'"),
    (lambda events: events.append(events[2]), r"line 5: ranking 'p' is there already, on line 3"),
    (lambda events: events.__delitem__(slice(2, None)), r"no 'ranking' event"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD_EVENTS)
def test_a_bad_event_is_refused_with_file_line_and_value(
    tmp_path: Path, spoil: Callable[[list[Event]], None], message: str
) -> None:
    events = [
        item_event("a", RNG),
        item_event("b", RNG),
        ranking_event("p", "someone", 0, ["a"]),
        click_event("p", "a"),
    ]
    path = write_events(tmp_path / "events.jsonl", events)
    read_events(path)
    spoil(events)
    with pytest.raises(RankLensError, match=message) as error:
        read_events(write_events(path, events))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "text", [b"{", b"[1]", b'"item"', b"\xff\xfe", b"[" * 100_000, b"1" * 5000]
)
def test_a_line_that_is_no_json_object_is_refused_by_number(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(json.dumps(item_event("a", RNG)).encode() + b"\n\n" + text + b"\n")
    with pytest.raises(RankLensError, match=re.escape(f"{path}, line 3: ")):
        read_events(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.jsonl.gz"
    with pytest.raises(RankLensError, match=re.escape(f"{path}: no such file")):
        convert_ranklens(path)


def test_a_file_that_is_not_gzip_or_is_cut_is_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(b"plain text")
    with pytest.raises(RankLensError, match=re.escape(f"{path}, after line 0: not readable")):
        read_events(path)
    whole = gzip.compress("".join(json.dumps(e) + "\n" for e in random_events(seed)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RankLensError, match=re.escape(str(path))):
        read_events(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x55
    path.write_bytes(flipped)
    with pytest.raises(RankLensError, match=re.escape(str(path))):
        read_events(path)
