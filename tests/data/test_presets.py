from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gerank._engine import Contract, StatusError
from gerank.data.collate_requests import collate_requests
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from tests.data.preset_reference import with_preset
from tests.data.request_cases import CONTRACT, MAX_SLOTS, Document, documents

PRESETS: dict[str, dict[str, Any]] = {
    "all": {
        "weights": {"diversity": 0.6},
        "spacing": [{"group": "seller", "window": 4, "cap": 1}],
        "quotas": [{"flag": "fresh", "min": 2, "max": 5}, {"flag": "cold", "max": 3}],
        "slots": MAX_SLOTS,
        "mode": "sample",
        "temperature": 0.5,
    },
    "weights": {"weights": {"clicks": 0.0, "diversity": 0.1}},
    "rules": {"spacing": [{"group": "category", "window": 3, "cap": 2}], "mode": "greedy"},
    "nothing": {},
}
WITH_PRESETS = replace(CONTRACT, presets=PRESETS)


@given(document=documents(), name=st.sampled_from(list(PRESETS)), seed=st.integers(0, 2**64 - 1))
def test_a_preset_says_what_the_request_does_not(document: Document, name: str, seed: int) -> None:
    seeded = {**document, "seed": seed}
    named = collate_requests([parse_request(seeded | {"preset": name}, WITH_PRESETS)], WITH_PRESETS)
    merged = with_preset(seeded, PRESETS[name])
    spelt = collate_requests([parse_request(merged, WITH_PRESETS)], WITH_PRESETS)
    for field, ours, theirs in zip(named._fields, named, spelt, strict=True):
        assert torch.equal(ours, theirs), field


@given(document=documents())
def test_presets_change_nothing_where_none_is_named(document: Document) -> None:
    with_presets, without = (
        collate_requests([parse_request(document, contract)], contract)
        for contract in (WITH_PRESETS, CONTRACT)
    )
    for ours, theirs in zip(with_presets, without, strict=True):
        assert torch.equal(ours, theirs)


def test_pins_lie_within_the_slots_of_the_preset() -> None:
    contract = replace(CONTRACT, presets={"short": {"slots": 2}})
    document = {
        "id": 1,
        "user": {"age": 1.0, "country": 0},
        "candidates": [
            {"id": "a", "score": 0, "price": 0, "seller": 0, "category": 0, "fresh": 0, "cold": 0}
        ],
        "pins": {"2": "a"},
        "preset": "short",
    }
    with pytest.raises(RequestError, match=r"^pins\.2: the slot must be an integer in \[0, 1\]"):
        parse_request(document, contract)
    parse_request(document | {"slots": 3}, contract)


@given(document=documents())
def test_an_unknown_preset_is_refused_with_the_nearest_name(document: Document) -> None:
    rule = "unknown preset, the nearest is 'rules', got 'rulez'"
    with pytest.raises(RequestError) as caught:
        parse_request(document | {"preset": "rulez"}, WITH_PRESETS)
    assert (caught.value.field, str(caught.value)) == ("preset", f"preset: {rule}")
    with pytest.raises(RequestError, match=r"^preset: must be a string, got 7$"):
        parse_request(document | {"preset": 7}, WITH_PRESETS)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ({"pins": {}}, "presets.p.pins: is no key of a preset, got {}"),
        ({"slots": 7}, "presets.p.slots: must be an integer in [1, 6], got 7"),
        ({"slots": "3"}, "presets.p.slots: has another type, got '3'"),
        ({"mode": "greed"}, "presets.p.mode: must be one of ['greedy', 'sample'], got 'greed'"),
        ({"temperature": 0}, "presets.p.temperature: must be a number in [0.001, 1000], got 0.0"),
        ({"weights": {"clicks": 9}}, "presets.p.weights.clicks: must be a number in [0, 2]"),
        ({"weights": []}, "presets.p.weights: has another type, got []"),
        ({"spacing": [{"group": "seller", "cap": 1}]}, "presets.p.spacing[0].window: the key is"),
        (
            {"quotas": [{"flag": "fresh", "max": 2.5}]},
            "presets.p.quotas[0].max: has another type, got 2.5",
        ),
        ({"quotas": [{"flag": "fresh"}, {"flag": "fresh"}]}, "presets.p.quotas[1].flag: this flag"),
        ([], "presets.p.preset: has another type, got []"),
    ],
)
def test_the_engine_takes_no_preset_that_no_request_could_use(preset: Any, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        assert isinstance(replace(CONTRACT, presets={"p": preset}).native, Contract)
    assert caught.value.code == "FAILED_PRECONDITION"
    assert str(caught.value).startswith(message)
