"""A model with a feature more and one less goes live while callers ask as they always did."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.client import RerankClient, ServerError
from gerank.data.request import Request, RequestError
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind
from gerank.engine import Engine, EngineOptions
from gerank.proto import rerank_pb2 as pb
from gerank.unknown_features import UnknownFeatures
from gerank_server import Front, RerankServer, ServerOptions, serve
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.stand_in import StandIn

_schema = CONTRACT.schema
NEW_CONTRACT = replace(
    CONTRACT,
    schema=replace(
        _schema,
        user=(*_schema.user[1:], Feature("hour", FeatureKind.DENSE, default=12.0)),
        candidate=(
            Feature("urgency", FeatureKind.DENSE, default=0.5),
            *(feature for feature in _schema.candidate if feature.name != "price"),
            Feature("brand", FeatureKind.ID, vocabulary=9, hashed=True, default="unknown"),
        ),
    ),
)
"""Without the user's age and the price; urgency, hour and brand are new, and optional."""
CALLERS = 3


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("new"), "new", NEW_CONTRACT)


def plain() -> dict[str, Any]:
    return valid_document() | {"pins": {}, "spacing": [], "quotas": [], "mode": "greedy"}


class Callers:
    """Threads that ask with the same columns again and again, until the block ends.

    Attributes:
        versions: The version that each answer names, in order.
        failures: What went wrong.
    """

    def __init__(self, server: RerankServer, request: Request) -> None:
        self.versions: list[str] = []
        self.failures: list[Exception] = []
        self._address, self._request = f"127.0.0.1:{server.port}", request
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def await_version(self, version: str, more: int = 20) -> None:
        """Until so many more answers, or failures, have come, the last of that version."""
        seen = len(self.versions) + len(self.failures)
        while len(self.versions) + len(self.failures) < seen + more:
            self._over.wait(0.01)

    def _ask(self) -> None:
        with RerankClient(self._address, timeout_s=30) as client:
            while not self._over.is_set():
                try:
                    self.versions.append(client.rerank([self._request])[0]["model_version"])
                except (ServerError, RequestError) as error:
                    self.failures.append(error)


def statistics(server: RerankServer) -> pb.StatisticsResponse:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/gerank.v1.RerankService/Statistics")
        return pb.StatisticsResponse.FromString(call(b"", timeout=10))


def test_no_call_fails_while_a_model_of_other_features_is_swapped_in_and_back(
    front: Front, old: StandIn, new: StandIn
) -> None:
    options = ServerOptions(unknown_features=UnknownFeatures.IGNORE)
    request = parse_request(plain(), CONTRACT)
    with serve(old.path, "127.0.0.1:0", options, front) as server:
        with Callers(server, request) as callers:
            callers.await_version("old-1")
            for path, version in ((new.path, "new-1"), (old.path, "old-1"), (new.path, "new-1")):
                server.load(path)
                callers.await_version(version)
        assert callers.failures == []
        assert set(callers.versions) == {"old-1", "new-1"}
        assert callers.versions[-1] == "new-1"
        told = statistics(server)
        assert told.malformed == 0
        assert told.ignored_features == 2 * callers.versions.count("new-1")  # age and price


def test_unless_the_server_is_told_to_such_features_are_refused_by_name(
    front: Front, old: StandIn, new: StandIn
) -> None:
    request = parse_request(plain(), CONTRACT)
    with serve(old.path, "127.0.0.1:0", front=front) as server:
        with Callers(server, request) as callers:
            callers.await_version("old-1")
            server.load(new.path)
            callers.await_version("new-1")
        assert callers.versions
        assert callers.failures
        assert "user.age" in str(callers.failures[-1])
        assert statistics(server).ignored_features == 0


def test_an_optional_feature_that_is_given_is_read_and_has_its_default_where_it_is_not(
    front: Front, new: StandIn
) -> None:
    page = plain()
    page["user"].pop("age")
    for candidate in page["candidates"]:
        candidate.pop("price")
    count = len(page["candidates"])
    rising = [c | {"urgency": float(place)} for place, c in enumerate(page["candidates"])]
    with (
        serve(new.path, "127.0.0.1:0", front=front) as server,
        RerankClient(f"127.0.0.1:{server.port}") as client,
    ):
        without, given = client.rerank([page, page | {"candidates": rising}])
    ids = [candidate["id"] for candidate in page["candidates"]]
    slots = len(given["slate"])
    assert given["slate"][0]["id"] == ids[count - 1]
    assert len(without["slate"]) == slots
    assert without["slate"][0]["id"] == ids[0]  # all defaults are equal: the first one comes first


@pytest.mark.parametrize("unknown", list(UnknownFeatures))
def test_documents_are_read_the_same_way_in_process_and_by_the_client(
    front: Front, new: StandIn, unknown: UnknownFeatures
) -> None:
    page = plain()
    options = ServerOptions(unknown_features=unknown)
    with (
        Engine(EngineOptions(unknown_features=unknown)) as engine,
        serve(new.path, "127.0.0.1:0", options, front) as server,
        RerankClient(f"127.0.0.1:{server.port}", unknown_features=unknown) as client,
    ):
        engine.load("feed", new.path)
        if unknown is UnknownFeatures.REFUSE:
            for ask in (client.rerank, engine.rank):
                with pytest.raises(RequestError, match=r"\.price: unknown feature"):
                    ask([page])
            return
        (slate,) = engine.rank([page]).slates
        (answer,) = client.rerank([page])
        assert [entry["slot"] for entry in answer["slate"]] == list(slate.slots)
        columns = parse_request(plain(), CONTRACT)
        assert engine.rank([columns]).slates == [slate]
        assert engine.stats()["ignored_features"] == 2


def test_the_word_is_one_of_two() -> None:
    for make in (EngineOptions, ServerOptions):
        with pytest.raises(ValueError, match="unknown_features: must be ignore or refuse, got 'x'"):
            make(unknown_features="x")
    with pytest.raises(ValueError, match="unknown_features: must be ignore or refuse, got None"):
        RerankClient("localhost:1", unknown_features=None)  # type: ignore[arg-type]


def test_a_default_must_fit_its_feature(tmp_path: Path) -> None:
    from gerank.data.schema import SchemaError

    with pytest.raises(SchemaError, match="feature 'brand': 9 is outside"):
        Feature("brand", FeatureKind.ID, vocabulary=9, default=9)
    with pytest.raises(SchemaError, match="feature 'hour': nan is not a finite float32"):
        Feature("hour", FeatureKind.DENSE, default=float("nan"))
