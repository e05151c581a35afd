"""What stands above a page in a feed: seen by spacing and dedup, the same by every way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gerank
from gerank.client import RerankClient
from gerank.data.collate_requests import collate_requests
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator
from gerank_server import Front, serve
from gerank_server.native import is_built
from tests.data.above_cases import feed_document, shown
from tests.data.request_cases import CONTRACT, Document
from tests.data.scripted_ranking import split_slates
from tests.nn.batches import random_generator

REQUESTS = 400
NEAR_TIES = 2


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator(0, controllable=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("above") / "model.gerank"
    write_artifact(random_generator(0, controllable=True), CONTRACT, path, name="feed", training={})
    return path


def page(**said: Any) -> Document:
    """Six candidates of six sellers, the best first for a model that goes by the score."""
    candidates = [
        {"id": f"c{m}", "score": 1.0, "price": 0.0, "seller": m, "category": m % 5, "cold": 0}
        | {"fresh": m % 2, "dedup_key": f"k{m}"}
        for m in range(6)
    ]
    user = {"age": 0.0, "country": 0}
    return {"id": "p", "user": user, "candidates": candidates, "slots": 3} | said


def slot(**said: Any) -> Document:
    return {"seller": 99, "category": 0, "fresh": 0, "cold": 0} | said


def test_every_way_gives_the_same_slates(seed: int, generator: Generator, path: Path) -> None:
    rng = np.random.default_rng(seed)
    documents = [feed_document(rng, CONTRACT) for _ in range(REQUESTS)]
    requests = [parse_request(document, CONTRACT) for document in documents]
    with torch.inference_mode():
        eager = split_slates(generator(*collate_requests(requests, CONTRACT)), requests, "")
    expected = [(slate.slots, slate.candidates, slate.relaxed) for slate in eager]
    ranked = gerank.load(path).rank(requests)
    ways = {"engine": [(slate.slots, slate.candidates, slate.relaxed) for slate in ranked]}
    for front in (front for front in Front if front is Front.GRPCIO or is_built()):
        with (
            serve(path, "127.0.0.1:0", front=front) as server,
            RerankClient(f"127.0.0.1:{server.port}", timeout_s=60) as client,
        ):
            answers = client.rerank(documents)
        ways[front.value] = [
            (
                tuple(entry["slot"] for entry in answer["slate"]),
                tuple(entry["candidate"] for entry in answer["slate"]),
                tuple(tuple(entry["relaxed"]) for entry in answer["slate"]),
            )
            for answer in answers
        ]
    for name, answers in ways.items():
        different = sum(a != b for a, b in zip(answers, expected, strict=True))
        assert different <= NEAR_TIES, name


def test_no_slate_breaks_spacing_across_the_boundary_or_shows_a_key_again(
    seed: int, path: Path
) -> None:
    rng = np.random.default_rng(seed)
    documents = [feed_document(rng, CONTRACT) for _ in range(REQUESTS)]
    crossed = 0
    ranker = gerank.load(path)
    for document, slate in zip(documents, ranker.rank(documents), strict=True):
        entries = zip(slate.slots, slate.candidates, slate.relaxed, strict=True)
        answer = {"slate": [{"slot": n, "candidate": m, "relaxed": r} for n, m, r in entries]}
        slots, above = shown(document, answer), len(document["above"])
        told = {entry["slot"] for entry in answer["slate"] if "spacing" in entry["relaxed"]}
        pinned = {int(n) for n in document["pins"]}
        keys = [s["dedup_key"] for s in slots[above:] if s and s.get("dedup_key") is not None]
        assert not {s.get("dedup_key") for s in document["above"]} & set(keys)
        for rule in document["spacing"]:
            group, window, cap = rule["group"], rule["window"], rule["cap"]
            for n in range(above, len(slots)):
                if slots[n] is None or n - above in told | pinned:
                    continue
                run = slots[max(0, n - window + 1) : n + 1]
                same = sum(s is not None and s[group] == slots[n][group] for s in run)
                crossed += n - above < window - 1
                assert same <= cap, (document, answer)
    assert crossed > REQUESTS / 4


def test_a_seller_that_stands_above_waits_until_the_window_has_passed(path: Path) -> None:
    spacing = [{"group": "seller", "window": 3, "cap": 1}]
    alone = gerank.load(path).rank([page(spacing=spacing)])[0].candidates
    above = [slot(seller=alone[0]), slot(seller=alone[1])]
    (slate,) = gerank.load(path).rank([page(spacing=spacing, above=above)])
    assert slate.slots == (0, 1, 2) and slate.relaxed == ((), (), ())
    assert not {alone[0], alone[1]} & {slate.candidates[0]} and slate.candidates[1] != alone[1]


def test_a_key_that_was_shown_is_not_shown_again(path: Path) -> None:
    above = [slot(dedup_key="k0"), slot(dedup_key="k3"), slot(dedup_key="k3"), slot()]
    (slate,) = gerank.load(path).rank([page(slots=6, above=above)])
    assert sorted(slate.candidates) == [1, 2, 4, 5]


def test_quotas_count_the_page_alone(path: Path) -> None:
    above = [slot(fresh=1), slot(fresh=1)]
    (most,) = gerank.load(path).rank([page(quotas=[{"flag": "fresh", "max": 1}], above=above)])
    assert sum(m % 2 for m in most.candidates) <= 1
    least = page(quotas=[{"flag": "fresh", "min": 3}], above=above)
    assert sum(m % 2 for m in gerank.load(path).rank([least])[0].candidates) == 3


def test_nothing_above_is_as_if_nothing_were_said(path: Path) -> None:
    ranker = gerank.load(path)
    assert ranker.rank([page(above=[])]) == ranker.rank([page()])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"above": [{"seller": 1}]}, r"above\[0\]\.category"),
        ({"above": [slot(shade=1)]}, r"above\[0\]\.shade"),
        ({"above": [slot(category=5)]}, r"above\[0\]\.category: must be an id in \[0, 4\], got 5"),
        ({"above": [slot(), slot(dedup_key=1.5)]}, r"above\[1\]\.dedup_key"),
        ({"above": 3}, "above: must be an array, got 3"),
        ({"above": [slot()] * 126}, r"above: their number must be an integer in \[0, 125\]"),
        (
            {"above": [slot(dedup_key="k2")], "pins": {"1": "c2"}},
            r"pins\.1: its dedup key was shown above the page, got 'c2'",
        ),
    ],
)
def test_what_is_wrong_is_named(path: Path, said: Document, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        gerank.load(path).rank([page(**said)])
