from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gerank.data.collate_requests import collate_requests
from gerank.data.request import Pin, Quota, Request, RequestError, Spacing
from gerank.data.request_check import check_request, parse_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT, MAX_SLOTS, Document, documents

SCHEMA = CONTRACT.schema


def _request() -> Request:
    return parse_request(valid_document(), CONTRACT)


@given(st.lists(documents(), min_size=1, max_size=4))
def test_a_request_is_the_same_in_any_batch(batch: list[Document]) -> None:
    requests = [parse_request(document, CONTRACT) for document in batch]
    together = collate_requests(requests, CONTRACT)
    for b, request in enumerate(requests):
        alone = collate_requests([request], CONTRACT)
        count, slots = len(request.candidate_ids), request.slots or MAX_SLOTS
        for name, part in alone._asdict().items():
            row = getattr(together, name)[b]
            if name in ("candidate_dense", "candidate_ids", "candidate_mask", "dedup_keys"):
                assert torch.equal(row[:count], part[0]), name
            elif name == "pins":
                assert torch.equal(row[:slots], part[0]) and (row[slots:] == -1).all()
            else:
                assert torch.equal(row, part[0]), name
        assert together.candidate_mask[b].sum() == count
        assert (together.dedup_keys[b, count:] == -1).all()


def test_columns_follow_the_schema_not_the_document() -> None:
    document = valid_document()
    document["candidates"] = [dict(reversed(c.items())) for c in document["candidates"]]
    reordered = collate_requests([parse_request(document, CONTRACT)], CONTRACT)
    for part, expected in zip(reordered, collate_requests([_request()], CONTRACT), strict=True):
        assert torch.equal(part, expected)


def test_every_field_reaches_its_tensor() -> None:
    batch = collate_requests([_request()], CONTRACT)
    assert batch.user_dense.tolist() == [[31.5]]
    assert batch.user_ids.tolist() == [[1]]
    assert torch.equal(batch.candidate_dense[0, :, 1], torch.arange(10.0, 18.0))
    assert batch.candidate_ids[0, :, 1].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert batch.weights.tolist() == [[1.5, 0.5]]
    assert batch.pins.tolist() == [[-1, 0, -1, 2, -1]]
    assert batch.spacing.tolist() == [[[3, 2], [0, 0]]]
    assert batch.quotas.tolist() == [[[1, 4], [0, -1]]]
    assert batch.slots.tolist() == [5]
    assert batch.seeds.tolist() == [11]
    assert batch.greedy.tolist() == [False]


def test_dtypes_are_those_of_the_batch_whatever_the_columns_were() -> None:
    columns = {
        "score": np.arange(3, dtype=np.float64),
        "price": np.arange(3, dtype=np.int16),
        "seller": np.arange(3, dtype=np.uint32),
        "category": np.arange(3, dtype=np.int8),
        "fresh": np.array([True, False, True]),
        "cold": np.zeros(3, np.int32),
    }
    request = Request("a", (0, 1, 2), {"age": 1, "country": np.int64(2)}, columns)
    check_request(request, CONTRACT)
    batch = collate_requests([request], CONTRACT)
    assert batch.candidate_dense.dtype == batch.user_dense.dtype == torch.float32
    assert (
        batch.candidate_ids.dtype == batch.user_ids.dtype == batch.dedup_keys.dtype == torch.int64
    )
    assert batch.candidate_ids[0].tolist() == [[0, 0, 1, 0], [1, 1, 0, 0], [2, 2, 1, 0]]


@pytest.mark.parametrize("seed_value", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_all_64_bits_of_a_seed_arrive(seed_value: int) -> None:
    batch = collate_requests([replace(_request(), seed=seed_value)], CONTRACT)
    assert batch.seeds.item() % 2**64 == seed_value


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user": {"age": "x", "country": 0}}, "user.age"),
        ({"pins": (Pin(0, 8),)}, "pins.0"),
        ({"pins": (Pin(-1, 0),)}, "pins.-1"),
        ({"pins": (Pin(0, 1), Pin(0, 4))}, "pins.0"),
        ({"dedup_keys": np.zeros(7, np.int64)}, "dedup_keys"),
        ({"dedup_keys": np.full(8, -2)}, "dedup_keys"),
        ({"dedup_keys": np.zeros(8)}, "dedup_keys"),
        ({"spacing": (Spacing("seller", 2**31, 1),)}, "spacing[0].window"),
        ({"quotas": (Quota("fresh", 0, 2**31),)}, "quotas[0].max"),
        ({"greedy": 1}, "greedy"),
        ({"slots": True}, "slots"),
        ({"weights": {"clicks": "1"}}, "weights.clicks"),
    ],
)
def test_columns_are_checked_like_documents(change: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_request(replace(_request(), **change), CONTRACT)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "column", "field"),
    [
        ("score", np.zeros(7), "candidates.score"),
        ("score", np.zeros((8, 1)), "candidates.score"),
        ("score", np.array(["1"] * 8), "candidates.score"),
        ("score", np.array([0.0] * 7 + [np.inf]), "candidates[7].score"),
        ("price", np.array([1e39] + [0.0] * 7), "candidates[0].price"),
        ("category", np.zeros(8), "candidates.category"),
        ("category", np.array([0] * 6 + [5, 5]), "candidates[6].category"),
        ("seller", np.zeros(8, np.uint64), "candidates.seller"),
    ],
)
def test_columns_of_a_wrong_kind_are_refused(
    name: str, column: np.ndarray[tuple[int, ...], np.dtype[np.generic]], field: str
) -> None:
    request = _request()
    spoiled = replace(request, candidates={**request.candidates, name: column})
    with pytest.raises(RequestError) as caught:
        check_request(spoiled, CONTRACT)
    assert caught.value.field == field
