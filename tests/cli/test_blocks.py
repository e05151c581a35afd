"""Lists and vectors from a foreign log to served slates, with every way to ask for them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gerank
from gerank.client import RerankClient
from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import Pool
from gerank.data.request import RequestError
from tests.cli.command import done
from tests.cli.conftest import CONFIG
from tests.cli.test_serve import serving

MAP = """
layout = "wide"
[page]
id = "page"
person = "person"
time = "at"
time_unit = "s"
[shown]
item = "items"
[items]
source = "items.jsonl"
key = "item"
[feedback.click]
column = "clicks"
[user.read]
kind = "ids"
longest = 3
vocabulary = 64
pool = "sum"
[user.hour]
kind = "hour"
column = "at"
time_unit = "s"
[candidate.tags]
table = "items"
kind = "ids"
longest = 3
values = ["a", "b", "c", "d"]
unknown = true
pool = "POOL"
[candidate.embedding]
table = "items"
kind = "vector"
width = 4
[candidate.age]
table = "items"
kind = "age_hours"
column = "made"
time_unit = "s"
[candidate.seller]
table = "items"
kind = "id"
vocabulary = 16
group = true
"""
SETTINGS = CONFIG.replace('score = "ctr_score"\n', "").replace(
    "[reward.seller_diversity]\nmin = 0.0\ndefault = 0.5\n", ""
)


def write_source(folder: Path, pages: int = 300) -> None:
    """Items with tags and vectors; an item is clicked for its tag a and for its vector."""
    rng = np.random.default_rng(0)
    items = [
        {
            "item": f"i{n}",
            "tags": rng.permutation(["a", "b", "c", "d", "new"])[: n % 5].tolist(),
            "embedding": rng.normal(size=4).round(3).tolist(),
            "made": int(1_700_000_000 - rng.integers(0, 10**6)),
            "seller": f"s{n % 7}",
        }
        for n in range(40)
    ]
    lines = []
    for page in range(pages):
        shown = rng.choice(40, 4, replace=False)
        likes = [("a" in items[n]["tags"]) + items[n]["embedding"][0] for n in shown]
        lines.append(
            {
                "page": f"p{page}",
                "person": f"u{page % 60}",
                "at": 1_700_000_000 + 3600 * page,
                "items": [f"i{n}" for n in shown],
                "clicks": [int(rng.random() < 1 / (1 + np.exp(1.0 - like))) for like in likes],
                "read": [f"i{n}" for n in rng.choice(40, page % 5, replace=False)],
            }
        )
    for name, rows in (("items", items), ("pages", lines)):
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


def as_columns(request: dict[str, Any], log: ExposureLog) -> dict[str, Any]:
    """The request with every column by itself."""

    def spread(side: str, given: dict[str, Any]) -> dict[str, Any]:
        found = dict(given)
        for block in log.schema.blocks_of(side):
            found |= dict(zip(block.columns, found.pop(block.name), strict=False))
        return found

    candidates = [spread("candidate", candidate) for candidate in request["candidates"]]
    return request | {"user": spread("user", request["user"]), "candidates": candidates}


def look_at_pages(model: Path, log: Path) -> None:
    """The control page has a column for a score, and none for the numbers of a vector."""
    if importlib.util.find_spec("nicegui") is None:
        return  # the extra `studio` is not installed
    from gerank.studio.application import open_session
    from gerank.studio.controls import default_controls
    from gerank.studio.markup import slates
    from gerank.studio.session import DEFAULTS

    for data in (log, None):
        with open_session(model, data) as session:
            page = session.pages.page(0)
            outcome = session.rerank(page, default_controls(session.contract), DEFAULTS)
            assert session.orders(page)[-1] == "by age"
            assert "<th>age</th>" in slates(outcome, session.contract.schema)


@pytest.mark.parametrize("pool", [Pool.MEAN, Pool.ATTENTION])
def test_lists_and_vectors_come_from_a_table_to_the_same_slates_every_way(
    pool: Pool, tmp_path: Path
) -> None:
    write_source(tmp_path)
    (tmp_path / "map.toml").write_text(MAP.replace("POOL", pool))
    told = done("import", tmp_path / "pages.jsonl", "--map", tmp_path / "map.toml",
                "--out", tmp_path / "train")  # fmt: skip
    assert "candidate.tags" in told and "stand for <unknown>" in told
    assert "lists are cut to their first entries" in told
    config = tmp_path / "tiny.toml"
    boosted = pool is Pool.MEAN
    config.write_text(SETTINGS.replace("boosted = false", f"boosted = {str(boosted).lower()}"))
    done("train", config, "--out", tmp_path / "run")
    done("evaluate", tmp_path / "run", "--data", tmp_path / "train")
    model = tmp_path / "model.gerank"
    done("export", tmp_path / "run", "--out", model, "--force")
    shown = " ".join(done("info", model).split())
    assert "embedding │ vector │ 4 numbers" in shown
    assert f"tags │ ids, {pool} │ up to 3 of a, b, c, d, <unknown>, <empty>" in shown
    assert "embedding_0" not in shown
    look_at_pages(model, tmp_path / "train")
    printed = done("inspect", tmp_path / "train", "--requests", 6)
    requests = [json.loads(line) for line in printed.splitlines()]
    assert any(len(c["tags"]) > 1 for r in requests for c in r["candidates"])
    assert all(len(c["embedding"]) == 4 for r in requests for c in r["candidates"])
    log = ExposureLog.read(tmp_path / "train")
    columns = [as_columns(request, log) for request in requests]
    assert columns != requests
    ranker = gerank.load(model)
    answered = ranker.rank(requests)
    assert [s.candidates for s in ranker.rank(columns)] == [s.candidates for s in answered]
    for request in requests:  # the order of a list says nothing
        for candidate in request["candidates"]:
            candidate["tags"].reverse()
    reversed_lists = ranker.rank(requests)
    for one, other in zip(answered, reversed_lists, strict=True):
        np.testing.assert_allclose(one.log_prob, other.log_prob, atol=1e-4)
    source, target = tmp_path / "requests.jsonl", tmp_path / "slates.jsonl"
    source.write_text(printed)
    done("rerank", "--model", model, "--input", source, "--output", target)
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    chosen = [[slot["candidate"] for slot in answer["slate"]] for answer in answers]
    assert chosen == [list(slate.candidates) for slate in answered]
    if pool is Pool.MEAN:
        with serving(model) as (_, address), RerankClient(address) as client:
            for asked in (requests, columns):
                found = client.rerank(asked)
                assert [[s["candidate"] for s in a["slate"]] for a in found] == chosen
            requests[1]["candidates"][0]["embedding"] = [1.0]
            rule = r"requests\[1\].candidates\[0\].embedding: must be an array of 4"
            with pytest.raises(RequestError, match=rule):
                client.rerank(requests)
