"""The foreign logs that GERANK_LOGS names, imported by their guessed mappings."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import gerank.data
from gerank.data.importing.guess import guess_mapping
from tests.data.exposure_logs import assert_same

FOLDER = Path(os.environ.get("GERANK_LOGS", ""))

pytestmark = pytest.mark.skipif("GERANK_LOGS" not in os.environ, reason="GERANK_LOGS is not set")


def test_the_four_forms_of_the_shop_give_the_same_log() -> None:
    logs = {}
    for name in ("shop.parquet", "shop.jsonl.gz", "by_hour", "shop.csv.gz"):
        source = str(FOLDER / "odd" / name)
        told = tomllib.loads(guess_mapping(source))
        if name != "shop.csv.gz":  # it lacks the lists
            assert told["candidate"].pop("vector") == {"kind": "vector", "width": 8}
            tags = {"kind": "ids", "longest": 2, "vocabulary": 32}
            assert told["candidate"].pop("tags") == tags
        logs[name] = gerank.data.import_log(source, told)
    first = logs["shop.parquet"]
    assert (len(first), len(first.slates), len(np.unique(first.person_ids))) == (400, 3331, 60)
    for log in logs.values():
        assert_same(log, first)


def test_the_vector_of_the_shop_is_kept() -> None:
    source = str(FOLDER / "odd/shop.parquet")
    log = gerank.data.import_log(source, tomllib.loads(guess_mapping(source)))
    rows = pq.read_table(source, columns=["request_id", "sku", "vector"]).to_pylist()
    row = next(r for r in rows if r["request_id"] == log.page_ids[0])
    names = log.candidate_names[: log.candidate_offsets[1]]
    place = int(np.flatnonzero(names == row["sku"])[0])
    found = [log.candidate[f"vector_{part}"][place] for part in range(8)]
    np.testing.assert_allclose(found, row["vector"], rtol=1e-6)


def test_news_pages_keep_their_order_and_clicks() -> None:
    source = str(FOLDER / "news/pages.parquet")
    log = gerank.data.import_log(source, tomllib.loads(guess_mapping(source)))
    rows = pq.read_table(source).to_pylist()
    row = next(r for r in rows if str(r["impression_id"]) == log.page_ids[0])
    names = log.candidate_names[: log.candidate_offsets[1]]
    shown = names[log.slates[: log.slate_offsets[1]]].tolist()
    assert shown == [str(article) for article in row["article_ids_inview"]]
    clicked = [article in {str(a) for a in row["article_ids_clicked"]} for article in shown]
    assert log.clicks[: log.slate_offsets[1]].astype(bool).tolist() == clicked
    assert (len(log), log.clicks.sum()) == (1046, 1047)


def test_judged_queries_are_read_with_their_sizes() -> None:
    source = str(FOLDER / "letor/rank.test.gz")
    log = gerank.data.import_log(source, tomllib.loads(guess_mapping(source)))
    assert (len(log), len(log.slates), len(log.schema.candidate)) == (50, 768, 300)


def test_a_log_of_single_placements_keeps_its_propensities_and_slots() -> None:
    source = str(FOLDER / "odd/one_slot_of_three.csv.gz")
    log = gerank.data.import_log(source, tomllib.loads(guess_mapping(source)))
    assert (len(log), len(log.candidate_names), len(log.slates)) == (3000, 3000 * 34, 3000)
    np.testing.assert_allclose(log.placement_propensity, 1 / 34, rtol=1e-6)
    assert sorted(np.unique(log.user["position"])) == [1, 2, 3]
