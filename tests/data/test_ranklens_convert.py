"""The exposure log that RankLens events become, and conversion with another log's statistics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog, ExposureLogError
from gerank.data.ranklens import RankLensError, convert_ranklens, write_ranklens
from gerank.data.ranklens.statistics import FOLDS, person_fold
from gerank.data.schema import hash_id
from tests.data.ranklens_cases import (
    PAGE_FILMS,
    Event,
    clicks_of,
    item_event,
    random_events,
    ranking_event,
    rankings,
    shown_films,
    with_flipped_clicks,
    write_events,
)


def _items(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"] == "item"]


def _without_items(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"] != "item"]


def _film_log_odds(events: list[Event], film: str, left_out: int | None) -> float:
    """Returns the log-odds of the smoothed click rate, counted event by event.

    One fold of people may be left out.
    """
    shown = clicked = film_shown = film_clicked = 0
    hits = clicks_of(events)
    for page in rankings(events):
        if person_fold(page["user"]) == left_out:
            continue
        for name in shown_films(page):
            shown, clicked = shown + 1, clicked + ((page["id"], name) in hits)
            film_shown += name == film
            film_clicked += name == film and (page["id"], name) in hits
    mean = (clicked + 0.2 * 24) / (shown + 24)
    rate = (film_clicked + 8 * mean) / (film_shown + 8)
    return float(np.log(rate / (1 - rate)))


def _assert_film_log_odds(
    log: ExposureLog, events: list[Event], left_out: Mapping[str, int | None]
) -> None:
    for place, person in enumerate(log.person_ids):
        for row in range(*log.candidate_offsets[place : place + 2]):
            expected = _film_log_odds(events, str(log.candidate_names[row]), left_out[str(person)])
            assert log.candidate["film_log_odds"][row] == pytest.approx(expected, abs=1e-5)


def test_the_log_is_the_pages_as_shown_with_exact_propensities(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", events))
    assert log.page_ids.tolist() == [page["id"] for page in rankings(events)]
    assert log.person_ids.tolist() == [page["user"] for page in rankings(events)]
    assert log.timestamps.tolist() == [int(page["timestamp"]) for page in rankings(events)]
    shape = (len(log), PAGE_FILMS)
    assert log.candidate_names.reshape(shape).tolist() == list(map(shown_films, rankings(events)))
    assert (log.slates.reshape(shape) == np.arange(PAGE_FILMS)).all()
    hits = {
        (str(page_id), str(film))
        for page_id, names, clicks in zip(
            log.page_ids, log.candidate_names.reshape(shape), log.clicks.reshape(shape), strict=True
        )
        for film in names[clicks == 1]
    }
    assert hits == clicks_of(events)
    left = np.arange(PAGE_FILMS, 0, -1)
    assert np.allclose(log.log_propensity.reshape(shape), -np.log(left))
    assert np.allclose(log.placement_propensity, 1 / PAGE_FILMS)


def test_pages_may_differ_in_length(tmp_path: Path, seed: int) -> None:
    pages = [ranking_event("p", "a", 0, ["f0"]), ranking_event("q", "b", 1, ["f1", "f0", "f2"])]
    events = _items(random_events(seed)) + pages
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", events))
    assert log.slates.tolist() == [0, 0, 1, 2]
    assert np.allclose(log.placement_propensity, [1, 1 / 3, 1 / 3, 1 / 3])
    assert np.allclose(np.exp(log.log_propensity), [1, 1 / 3, 1 / 2, 1])


def test_groups_and_flags_say_what_they_are_named(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    special = {3: {"genres": ["western", "drama"], "director": "Someone"}}
    special[4] = {"genres": [], "director": None}
    films = [
        item_event(f"f{n}", rng, popularity=float(n), release_date=n * 1e8, **special.get(n, {}))
        for n in range(10)
    ]
    page = ranking_event("p", "a", 0, [f"f{n}" for n in range(10)])
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", [*films, page]))
    assert (log.schema.groups, log.schema.flags) == (("genre", "director"), ("long_tail", "recent"))
    features = {feature.name: feature for feature in log.schema.candidate}
    genre = [features["genre"].values[value] for value in log.candidate["genre"]]
    assert (genre[3], genre[4]) == ("western", "other")
    assert log.candidate["director"][3] == features["director"].encode("Someone")
    assert log.candidate["director"][4] == -1
    assert log.candidate["long_tail"][[0, 2, 3, 9]].tolist() == [1, 1, 0, 0]
    assert log.candidate["recent"][[0, 7, 8, 9]].tolist() == [0, 0, 1, 1]


def test_a_genre_that_is_called_other_is_other(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    film = item_event("f0", rng, genres=["other", "drama"])
    page = ranking_event("p", "a", 0, ["f0"])
    write_ranklens(write_events(tmp_path / "events.jsonl", [film, page]), tmp_path / "log")
    log = convert_ranklens(tmp_path / "events.jsonl", features_from=tmp_path / "log")
    genre = next(f for f in log.schema.candidate if f.name == "genre")
    assert genre.values == ("drama", "other")
    assert genre.values[log.candidate["genre"][0]] == "other"


def test_decades_are_those_of_the_calendar(tmp_path: Path, seed: int) -> None:
    days = {"1949-07-01": "before 1950", "1959-07-01": "1950s", "1960-07-01": "1960s"}
    days |= {"1994-07-01": "1990s", "2019-07-01": "2010s", "2031-07-01": "2020s or later"}
    rng = np.random.default_rng(seed)
    seconds = {day: float(np.datetime64(day, "s").astype(np.int64)) for day in days}
    films = [item_event(day, rng, release_date=seconds[day]) for day in days]
    page = ranking_event("p", "a", 0, list(days))
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", [*films, page]))
    names = next(f for f in log.schema.candidate if f.name == "decade").values
    assert [names[value] for value in log.candidate["decade"]] == list(days.values())
    assert log.candidate["release_year"][0] == pytest.approx(1949.5, abs=0.01)


def test_every_dense_value_is_finite_and_in_the_range_of_the_schema(
    tmp_path: Path, seed: int
) -> None:
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", random_events(seed)))
    sides = ((log.schema.user_dense, log.user), (log.schema.candidate_dense, log.candidate))
    for features, columns in sides:
        for feature in features:
            values = columns[feature.name]
            assert np.isfinite(values).all(), feature.name
            assert (feature.minimum, feature.maximum) == (values.min(), values.max())


def test_film_rates_are_those_of_the_other_folds(tmp_path: Path, seed: int) -> None:
    events = random_events(seed)
    log = convert_ranklens(write_events(tmp_path / "events.jsonl", events))
    _assert_film_log_odds(log, events, {str(p): person_fold(str(p)) for p in log.person_ids})


def test_new_people_get_the_rates_of_all_pages_of_the_other_log(tmp_path: Path, seed: int) -> None:
    train, test = random_events(seed), random_events(seed + 1, prefix="new")
    write_ranklens(write_events(tmp_path / "train.jsonl", train), tmp_path / "log")
    path = write_events(tmp_path / "test.jsonl", _items(train) + _without_items(test))
    log = convert_ranklens(path, features_from=tmp_path / "log")
    _assert_film_log_odds(log, train, dict.fromkeys(map(str, log.person_ids)))


def test_people_of_the_other_log_get_its_rates_without_their_fold(
    tmp_path: Path, seed: int
) -> None:
    train = random_events(seed)
    path = write_events(tmp_path / "train.jsonl", train)
    write_ranklens(path, tmp_path / "log")
    alone, again = convert_ranklens(path), convert_ranklens(path, features_from=tmp_path / "log")
    assert alone.schema == again.schema
    for name, values in alone.candidate.items():
        assert np.array_equal(values, again.candidate[name]), name


def test_with_another_log_nobody_else_in_the_events_matters(tmp_path: Path, seed: int) -> None:
    train, test = random_events(seed), random_events(seed + 1, prefix="new")
    write_ranklens(write_events(tmp_path / "train.jsonl", train), tmp_path / "log")
    person = rankings(test)[0]["user"]
    others = {page["id"] for page in rankings(test) if page["user"] != person}
    logs = [
        convert_ranklens(write_events(tmp_path / "test.jsonl", events), tmp_path / "log")
        for events in (test, with_flipped_clicks(test, others))
    ]
    assert not np.array_equal(logs[0].clicks, logs[1].clicks)
    for log in logs:
        assert (log.person_ids == person).any()
    one, two = (log.select(log.person_ids == person) for log in logs)
    assert all(
        np.array_equal(values, two.candidate[name]) for name, values in one.candidate.items()
    )
    assert all(np.array_equal(values, two.user[name]) for name, values in one.user.items())


def test_vocabularies_and_thresholds_come_from_the_other_log(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    train = random_events(seed)
    write_ranklens(write_events(tmp_path / "train.jsonl", train), tmp_path / "log")
    known = ExposureLog.read(tmp_path / "log")
    film = item_event("odd", rng, genres=["noir"], popularity=0.0, release_date=4e9)
    page = ranking_event("p", "new", 0, ["odd"])
    path = write_events(tmp_path / "test.jsonl", [film, page])
    log = convert_ranklens(path, features_from=tmp_path / "log")
    assert log.schema == known.schema
    genres = next(f for f in log.schema.candidate if f.name == "genre").values
    assert genres[log.candidate["genre"][0]] == "other"
    assert (log.candidate["long_tail"][0], log.candidate["recent"][0]) == (1, 1)
    assert log.candidate["film_impressions"][0] == 0
    by_itself = convert_ranklens(path)
    assert "noir" in next(f for f in by_itself.schema.candidate if f.name == "genre").values
    assert by_itself.candidate["long_tail"][0] == 0


def test_a_written_log_reads_back_as_it_was(tmp_path: Path, seed: int) -> None:
    path = write_events(tmp_path / "events.jsonl.gz", random_events(seed))
    written = write_ranklens(path, tmp_path / "log")
    read = ExposureLog.read(tmp_path / "log")
    for field in fields(ExposureLog):
        one, two = getattr(written, field.name), getattr(read, field.name)
        if isinstance(one, Mapping):
            assert all(np.array_equal(values, two[name]) for name, values in one.items())
        else:
            assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two
    assert {entry.name for entry in (tmp_path / "log").iterdir()} == {
        "exposures.parquet",
        "ranklens.json",
    }


def test_wrong_events_leave_the_folder_as_it_was(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "log"
    write_ranklens(write_events(tmp_path / "events.jsonl", random_events(seed)), folder)
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    wrong = write_events(tmp_path / "wrong.jsonl", [{"event": "purchase"}])
    with pytest.raises(RankLensError, match="'purchase'"):
        write_ranklens(wrong, folder)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
    with pytest.raises(RankLensError, match="'purchase'"):
        write_ranklens(wrong, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_features_come_only_from_a_converted_folder(tmp_path: Path, seed: int) -> None:
    path = write_events(tmp_path / "events.jsonl", random_events(seed))
    with pytest.raises(RankLensError, match=re.escape(f"{tmp_path / 'ranklens.json'}: no such")):
        convert_ranklens(path, features_from=tmp_path)
    write_ranklens(path, tmp_path / "log")
    (tmp_path / "log" / "exposures.parquet").unlink()
    with pytest.raises(ExposureLogError, match=r"exposures\.parquet"):
        convert_ranklens(path, features_from=tmp_path / "log")


def test_a_log_with_other_features_is_refused(tmp_path: Path, seed: int) -> None:
    one = write_events(tmp_path / "one.jsonl", random_events(seed))
    rng = np.random.default_rng(seed)
    opera = [item_event("f0", rng, genres=["opera"]), ranking_event("p", "a", 0, ["f0"])]
    write_ranklens(one, tmp_path / "one")
    write_ranklens(write_events(tmp_path / "two.jsonl", opera), tmp_path / "two")
    (tmp_path / "two" / "ranklens.json").replace(tmp_path / "one" / "ranklens.json")
    with pytest.raises(RankLensError, match=re.escape(f"{tmp_path / 'one'}: the features")):
        convert_ranklens(one, features_from=tmp_path / "one")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format version 2, this gerank reads 1"),
        ({"votes": "many"}, "'votes' is 'many'"),
        ({"genres": ["drama", "drama"]}, "'genres' is"),
        ({"genres": ["other"]}, "'genres' is"),
        ({"genres": "drama"}, "'genres' is 'drama'"),
        ({"colour": 1.0}, "'colour' is unknown"),
        ({"runtime": None}, "'runtime' is None"),
        ({"runtime": float("inf")}, "'runtime' is inf"),
    ],
)
def test_a_spoiled_catalogue_is_refused_by_key_and_value(
    tmp_path: Path, seed: int, change: dict[str, object], message: str
) -> None:
    path = write_events(tmp_path / "events.jsonl", random_events(seed))
    write_ranklens(path, tmp_path / "log")
    file = tmp_path / "log" / "ranklens.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(RankLensError, match=re.escape(f"{file}: {message}")):
        convert_ranklens(path, features_from=tmp_path / "log")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_catalogue_that_is_no_such_document_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ranklens.json").write_text(text)
    with pytest.raises(RankLensError, match=re.escape(str(tmp_path / "ranklens.json"))):
        convert_ranklens(write_events(tmp_path / "events.jsonl", random_events(0)), tmp_path)


def test_folds_are_of_similar_size_and_a_function_of_the_id() -> None:
    people = [f"{hash_id(str(place)):x}" for place in range(5000)]
    sizes = np.bincount([person_fold(person) for person in people], minlength=FOLDS)
    assert len(sizes) == FOLDS
    assert sizes.min() > 400
