"""Every rule that a finished slate does not satisfy is told, whoever broke it, by every way in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import gerank
from gerank import _engine
from gerank.client import RerankClient
from gerank.data.relaxed import RULES
from gerank.data.request_check import parse_request
from gerank.data.slate import slate_document
from gerank.export.artifact import write_artifact
from gerank.ranker import Ranker
from gerank_server import Front, serve
from gerank_server.native import is_built
from tests.data.above_cases import by_rule, feed_document, unmet_rules
from tests.data.request_cases import CONTRACT, Document
from tests.nn.batches import random_generator

REQUESTS = 1000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unmet") / "model.gerank"
    write_artifact(random_generator(0, controllable=True), CONTRACT, path, name="feed", training={})
    return path


def documents(seed: int) -> list[Document]:
    """Random pages in feeds; a quarter have no rules but those that pins and keys break."""
    rng = np.random.default_rng(seed)
    return [feed_document(rng, CONTRACT) for _ in range(REQUESTS)]


def test_no_rule_is_broken_unreported_by_any_way(seed: int, path: Path) -> None:
    asked = documents(seed)
    requests = [parse_request(document, CONTRACT) for document in asked]
    ranked = gerank.load(path).rank(requests)
    answers = [slate_document(*pair) for pair in zip(requests, ranked, strict=True)]
    for document, answer in zip(asked, answers, strict=True):
        assert by_rule(answer["unmet"]) == by_rule(unmet_rules(document, answer)), document
    kinds = {rule["rule"] for answer in answers for rule in answer["unmet"]}
    assert kinds == {"spacing", "quotas"}  # a generator never breaks the others
    met = sum(not answer["unmet"] for answer in answers)
    assert REQUESTS / 10 < met < REQUESTS
    for front in (front for front in Front if front is Front.GRPCIO or is_built()):
        with (
            serve(path, "127.0.0.1:0", front=front) as server,
            RerankClient(f"127.0.0.1:{server.port}", timeout_s=60) as client,
        ):
            told = client.rerank(asked)
        for document, answer in zip(asked, told, strict=True):
            assert by_rule(answer["unmet"]) == by_rule(unmet_rules(document, answer)), front


def test_a_model_that_overlooks_rules_is_told_of_each(seed: int) -> None:
    """It puts the candidates into the slots as they come, whatever was asked."""

    def careless(*arrays: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        mask, pins = arrays[4], arrays[6]
        places = np.arange(pins.shape[1])
        above = (pins >= mask.sum(1)[:, None]).sum(1)[:, None]
        slates = np.where(places - above < mask.sum(1)[:, None], places - above, -1)
        slates = np.where(places < above, pins, slates)
        return slates, np.zeros(pins.shape, np.float32), np.zeros(pins.shape, np.int64)

    contract = json.dumps(CONTRACT.to_json())
    ranker = Ranker(_engine.Ranker.over_function(contract, "v1", careless))
    kinds = set()
    for document in documents(seed):
        request = parse_request(document, CONTRACT)
        (slate,) = ranker.rank([request])
        answer = slate_document(request, slate)
        assert by_rule(answer["unmet"]) == by_rule(unmet_rules(document, answer)), document
        kinds |= {rule["rule"] for rule in answer["unmet"]}
    assert kinds == set(RULES.values())


def test_what_a_model_answers_above_the_page_is_not_looked_at() -> None:
    """A number far outside of every array there must not be followed."""

    def wild(*arrays: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        pins = arrays[6]
        slates = np.full(pins.shape, -1)
        slates[:, 0] = 2**60  # the slot above
        slates[:, 1] = 0
        return slates, np.zeros(pins.shape, np.float32), np.zeros(pins.shape, np.int64)

    ranker = Ranker(_engine.Ranker.over_function(json.dumps(CONTRACT.to_json()), "v1", wild))
    item = {"seller": 1, "category": 0, "cold": 0, "fresh": 0}
    document: Document = {
        "id": "p",
        "user": {"age": 0.0, "country": 0},
        "candidates": [item | {"id": "c", "score": 0.0, "price": 0.0, "dedup_key": "k"}],
        "slots": 1,
        "above": [item | {"dedup_key": "k"}],
        "spacing": [{"group": "seller", "window": 2, "cap": 1}],
        "quotas": [{"flag": "fresh", "min": 1}],
    }
    (slate,) = ranker.rank([document])
    assert slate.candidates == (0,)
    assert {rule.rule for rule in slate.unmet} == {"spacing", "quotas", "dedup_keys"}


def test_a_pin_that_breaks_spacing_is_told(path: Path) -> None:
    """No slot relaxes anything: pins stand above spacing, and the slate says what they cost."""
    candidates = [
        {"id": f"c{m}", "score": 0.0, "price": 0.0, "seller": m // 2, "category": m % 5}
        | {"cold": 0, "fresh": 0}
        for m in range(6)
    ]
    document: Document = {
        "id": "p",
        "user": {"age": 0.0, "country": 0},
        "candidates": candidates,
        "slots": 2,
        "pins": {"0": "c0", "1": "c1"},
        "spacing": [{"group": "seller", "window": 2, "cap": 1}],
    }
    (slate,) = gerank.load(path).rank([document])
    assert slate.relaxed == ((), ())
    (unmet,) = slate.unmet
    assert (unmet.rule, unmet.name, unmet.wanted, unmet.got) == ("spacing", "seller", 1, 2)
    assert unmet.slots == (0, 1)
