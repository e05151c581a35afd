"""The same answer from the server and from this process, whatever the request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gerank.client import RerankClient
from gerank.data.request import Request
from gerank.data.request_check import parse_request
from gerank.data.slate import slate_document
from gerank.export.artifact import load_artifact
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT, Document, documents
from tests.data.scripted_ranking import rank_requests
from tests.server.stand_in import StandIn

Here = Callable[[Document], Document]

SHARED_SERVER = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _document(index: int, **changes: object) -> Document:
    document = valid_document() | {"id": index} | changes
    for position, candidate in enumerate(document["candidates"]):
        candidate["score"] = float((position * 5 + index * 3) % 8)
    return document


@pytest.fixture(scope="module")
def here(expected: StandIn) -> Here:
    """What the model answers when it is asked in this process, without any front."""
    artifact = load_artifact(expected.path)

    def answer(document: Document) -> Document:
        request = parse_request(document, CONTRACT)
        [slate] = rank_requests(artifact, [request])
        return _without_unmet(slate_document(request, slate))

    return answer


def _call(channel: grpc.Channel, *queries: pb.Query) -> pb.RerankResponse:
    rerank = channel.unary_unary(
        "/gerank.v1.RerankService/Rerank",
        request_serializer=pb.RerankRequest.SerializeToString,
        response_deserializer=pb.RerankResponse.FromString,
    )
    response: pb.RerankResponse = rerank(pb.RerankRequest(queries=queries), timeout=20)
    return response


@SHARED_SERVER
@given(st.lists(documents().map(lambda d: d | {"seed": 5}), max_size=5))
def test_the_server_answers_as_this_process_does(
    client: RerankClient, here: Here, batch: list[Document]
) -> None:
    told, expected = client.rerank(batch), [here(document) for document in batch]
    assert [_without_unmet(answer) for answer in told] == expected


def _without_unmet(answer: Document) -> Document:
    """The model breaks rules as it pleases: tests/server/test_unmet.py says what is told of it."""
    return {key: value for key, value in answer.items() if key != "unmet"}


def test_documents_and_columns_get_the_same_answer(client: RerankClient, here: Here) -> None:
    document = valid_document()
    columns = parse_request(document, CONTRACT)
    told = client.rerank([document, columns])
    assert [_without_unmet(answer) for answer in told] == [here(document)] * 2


def test_the_answer_has_the_documented_form(client: RerankClient) -> None:
    [answer] = client.rerank([_document(7, mode="greedy", pins={"0": "item6"})])
    assert list(answer) == ["id", "slate", "unmet", "model_version"]
    assert answer["id"] == 7 and answer["model_version"] == "stand-in-1"
    first, second, third = answer["slate"][:3]
    assert first == {"slot": 0, "id": "item6", "candidate": 6, "log_prob": 0.0, "relaxed": []}
    assert second["relaxed"] == ["spacing"] and third["relaxed"] == ["spacing", "quotas"]
    assert third["log_prob"] == pytest.approx(-0.3)


def test_ids_come_back_in_the_type_they_were_given_in(client: RerankClient) -> None:
    document = _document(3, pins={"0": 104})
    for index, candidate in enumerate(document["candidates"]):
        candidate["id"] = 100 + index
    [answer] = client.rerank([document])
    assert answer["slate"][0]["id"] == 104


def test_a_slate_with_holes_keeps_its_slots(client: RerankClient) -> None:
    document = _document(0, pins={"4": "item1"})
    document["candidates"] = document["candidates"][:3]  # item0 and item1 share a dedup key
    [answer] = client.rerank([document])
    assert [(entry["slot"], entry["id"]) for entry in answer["slate"]] == [
        (0, "item2"),
        (4, "item1"),
    ]


def test_many_queries_are_one_forward_in_their_order(
    client: RerankClient, model: StandIn, here: Here
) -> None:
    batch = [_document(index, slots=1 + index % 6, pins={}) for index in range(40)]
    answers = client.rerank(batch)
    assert model.forwards == 1
    assert [answer["id"] for answer in answers] == list(range(40))
    assert [_without_unmet(answer) for answer in answers] == [here(document) for document in batch]


def test_a_long_list_is_sent_in_several_calls(address: str, model: StandIn, here: Here) -> None:
    batch = [_document(index) for index in range(10)]
    with RerankClient(address, queries_per_call=4) as client:
        told = client.rerank(batch)
    assert [_without_unmet(answer) for answer in told] == [here(document) for document in batch]
    assert model.forwards == 3


def test_an_empty_list_needs_no_server() -> None:
    with RerankClient("127.0.0.1:1") as client:
        assert client.rerank([]) == []


def test_concurrent_callers_get_their_own_answers(address: str, here: Here) -> None:
    def ask(index: int) -> list[Document]:
        with RerankClient(address, timeout_s=20) as client:
            return client.rerank([_document(index)])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    told = [_without_unmet(answer) for [answer] in answers]
    assert told == [here(_document(index)) for index in range(24)]


def test_a_drawn_seed_is_told_and_repeats_the_slate(client: RerankClient) -> None:
    document = _document(1)
    del document["seed"]
    [first], [second] = client.rerank([document]), client.rerank([document])
    assert first["seed"] != second["seed"]
    assert client.rerank([document | {"seed": first["seed"]}]) == [first]


def test_a_hand_written_query_needs_only_packed_numbers(channel: grpc.Channel) -> None:
    query = pb.Query(
        candidate_count=2,
        user_features=[
            pb.FeatureBlock(names=["age"], floats=[30]),
            pb.FeatureBlock(names=["country"], ints=[2]),
        ],
        candidate_features=[
            pb.FeatureBlock(names=["price", "score"], floats=[1, 0.25, 1, 0.75]),
            pb.FeatureBlock(names=["seller"], ints=[-1, 2**63 - 1]),
            pb.FeatureBlock(names=["category", "fresh", "cold"], ints=[4, 1, 0, 3, 0, 1]),
        ],
    )
    response = _call(channel, query)
    [slate] = response.slates
    assert list(slate.candidates) == [1, 0] and list(slate.slots) == [0, 1]
    assert list(slate.candidate_ids) == ["1", "0"]
    assert slate.model_version == "stand-in-1" and slate.seed == 0
    assert response.timing.model_us > 0
    assert response.timing.queue_us >= 0 and response.timing.batch_us >= 0


def test_every_int64_can_be_a_dedup_key(channel: grpc.Channel) -> None:
    document = _document(0, pins={}, mode="greedy", slots=6)
    request: Request = parse_request(document, CONTRACT)
    query = query_from_request(request)
    keys = [-1, -1, -(2**63), -(2**63), 2**63 - 1, 2**63 - 1, 7, 7]
    query.dedup_keys.CopyFrom(pb.DedupKeys(ints=keys, present=[True] * 6 + [False] * 2))
    [slate] = _call(channel, query).slates
    assert len(slate.candidates) == 5  # of three pairs one each, and two without a key
    assert {6, 7} < set(slate.candidates)


def test_a_compressed_request_gets_the_same_answer(channel: grpc.Channel) -> None:
    query = query_from_request(parse_request(_document(0, seed=5), CONTRACT))
    rerank = channel.unary_unary("/gerank.v1.RerankService/Rerank")
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    plain, compressed = (
        pb.RerankResponse.FromString(rerank(payload, timeout=20, compression=how)).slates
        for how in (grpc.Compression.NoCompression, grpc.Compression.Gzip)
    )
    assert list(plain) == list(compressed) != []
