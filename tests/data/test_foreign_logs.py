"""Logs of other systems as the benchmark `foreign_logs` reads them, where GERANK_LOGS is set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FOLDER = Path(os.environ.get("GERANK_LOGS", ""))

pytestmark = pytest.mark.skipif("GERANK_LOGS" not in os.environ, reason="GERANK_LOGS is not set")


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_judged_queries_become_pages_whose_clicks_follow_grade_and_slot() -> None:
    from foreign.letor import letor_log, read_queries

    queries = read_queries(FOLDER / "letor", "train", 300)
    assert (len(queries.sizes), queries.features.shape[1]) == (201, 300)
    log = letor_log(queries, 20, seed=0)
    assert len(log) == 20 * 201
    assert len(np.unique(log.person_ids)) == 201
    grades = np.concatenate(
        [np.tile(grade, 20) for grade in np.split(queries.grades, np.cumsum(queries.sizes)[:-1])]
    )
    first = np.repeat(log.candidate_offsets[:-1], np.diff(log.slate_offsets))
    shown = grades[first + log.slates]
    rates = [log.clicks[shown == grade].mean() for grade in range(5)]
    assert rates[0] == 0
    assert rates == sorted(rates)
    slot = np.arange(len(log.slates)) - np.repeat(
        log.slate_offsets[:-1], np.diff(log.slate_offsets)
    )
    assert log.clicks[slot == 0].mean() > log.clicks[slot == 8].mean()


def test_news_pages_keep_their_clicks_and_tell_nothing_of_the_readers_held_out() -> None:
    from foreign.news import news_log, read_news

    pages, history = read_news(FOLDER / "news")
    readers = sorted({page.reader for page in pages})
    assert (len(pages), len(readers)) == (1046, 38)
    log = news_log(pages, history, readers[:9], readers[9:], shuffles=0, seed=0)
    wanted = [page for page in pages if page.reader in readers[:9]]
    assert len(log) == len(wanted)
    assert log.clicks.sum() == sum(len(page.clicked) for page in wanted)
    others = [page for page in pages if page.reader not in readers[:9]]
    silent = news_log(others, history, readers[9:], readers[9:], shuffles=0, seed=0)
    assert len(log) + len(silent) == len(pages)
