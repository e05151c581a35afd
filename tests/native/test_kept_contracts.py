"""`RerankClient` asks for a contract once per version, and encodes documents by the right one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.admin import Arm
from gerank.client import RerankClient
from gerank.data.contract import RequestContract
from gerank.data.request import RequestError
from gerank.data.schema import Feature, FeatureKind
from gerank.proto import rerank_pb2 as pb
from tests.data.request_cases import CONTRACT
from tests.exposures.reading import read_folder
from tests.native.admin_server import AdminServer, administered, plain
from tests.native.test_gerank_server import PROGRAM
from tests.native.test_split import arm_of
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
SERVICE = "gerank.v1.RerankService"
COUNTRIES = {"old-1": ("cz", "de", "pl", "at"), "new-1": ("pl", "sk", "cz", "de")}
ARMS = (Arm("control", "old-1", 50), Arm("new", "new-1", 50))


def _knowing(countries: tuple[str, ...]) -> RequestContract:
    age, country = CONTRACT.schema.user
    country = replace(country, vocabulary=len(countries), values=countries)
    return replace(CONTRACT, schema=replace(CONTRACT.schema, user=(age, country)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kept")
    return {
        name: StandIn(folder, name, _knowing(COUNTRIES[f"{name}-1"])).path
        for name in ("old", "new")
    }


@pytest.fixture
def server(files: dict[str, Path], tmp_path: Path) -> Iterator[AdminServer]:
    with administered(
        *({"feed": files["old"]}, "--exposures", tmp_path / "exposures"),
        at=f"unix:{tmp_path}/gerank.sock",
    ) as running:
        running.client.load("feed", files["new"], keep_current=True)
        yield running


@contextmanager
def relayed(channel: grpc.Channel) -> Iterator[tuple[RerankClient, list[tuple[str, Any]]]]:
    """A client whose calls pass by: their methods and metadata are noted."""
    seen: list[tuple[str, Any]] = []

    def passes_on(method: str) -> grpc.RpcMethodHandler:
        def call(payload: bytes, context: grpc.ServicerContext) -> bytes:
            given = dict(context.invocation_metadata())
            seen.append((method, given))
            sent = [(name, given[name]) for name in given if name.startswith("x-")]
            behind = channel.unary_unary(f"/{SERVICE}/{method}")
            try:
                answer: bytes = behind(payload, timeout=30, metadata=sent)
            except grpc.RpcError as error:
                for name, value in error.trailing_metadata():
                    if name == "grpc-status-details-bin":
                        context.set_trailing_metadata(((name, value),))
                context.abort(error.code(), error.details())
            return answer

        return grpc.unary_unary_rpc_method_handler(call)

    handlers = {method: passes_on(method) for method in ("Rerank", "Describe")}
    with ThreadPoolExecutor(4) as threads:
        relay = grpc.server(
            threads, handlers=[grpc.method_handlers_generic_handler(SERVICE, handlers)]
        )
        port = relay.add_insecure_port("127.0.0.1:0")
        relay.start()
        with RerankClient(f"127.0.0.1:{port}", timeout_s=20) as client:
            yield client, seen
        relay.stop(0).wait()


def _methods(seen: list[tuple[str, Any]]) -> list[str]:
    return [method for method, _ in seen]


def _from(country: str) -> dict[str, Any]:
    return plain() | {"user": {"age": 30, "country": country}}


def test_the_contract_is_asked_for_once_with_the_metadata_of_the_call(server: AdminServer) -> None:
    with relayed(server.channel) as (client, seen):
        for _ in range(5):
            client.rerank([_from("de")], metadata=(("x-request-id", "r-7"),))
    assert _methods(seen) == ["Describe"] + ["Rerank"] * 5
    assert {given["x-request-id"] for _, given in seen} == {"r-7"}


def test_under_a_split_the_answering_version_reads_the_numbers_of_its_own_contract(
    server: AdminServer, tmp_path: Path
) -> None:
    server.client.split("feed", ARMS)
    with relayed(server.channel) as (client, seen):
        for i in range(30):
            metadata = (("x-split-key", f"user-{i}"), ("x-request-id", f"request-{i}"))
            answer = client.rerank([_from("de")], metadata=metadata)[0]
            assert answer["model_version"] == arm_of("feed", f"user-{i}", ARMS).version
        assert _methods(seen).count("Describe") == 2
    server.process.terminate()
    assert server.process.wait(timeout=30) == 0
    last = {each.request_id: each for each in read_folder(tmp_path / "exposures")}
    assert {each.arm for each in last.values()} == {"control", "new"}
    for i in range(30):
        record = last[f"request-{i}"]
        assert record.arm == arm_of("feed", f"user-{i}", ARMS).arm
        (ids,) = [b for b in record.request.queries[0].user_features if "country" in b.names]
        country = int.from_bytes(ids.int64_le, "little")
        assert COUNTRIES[record.model_version][country] == "de"


def test_describe_names_the_versions_of_a_split_that_ask_for_something_else(
    server: AdminServer, files: dict[str, Path]
) -> None:
    describe = server.channel.unary_unary(f"/{SERVICE}/Describe")

    def told(model: str = "", version: str = "") -> tuple[str, list[str]]:
        request = pb.DescribeRequest(model=model, version=version)
        answer = pb.DescribeResponse.FromString(describe(request.SerializeToString(), timeout=20))
        return answer.model_version, list(answer.other_versions)

    assert told() == told("feed") == ("old-1", [])
    server.client.split("feed", (*ARMS, Arm("again", "new-1", 5)))
    assert told() == told("feed") == ("old-1", ["new-1"])
    assert told("feed", "old-1") == ("old-1", []), "a version that is named has one contract"
    server.client.make_current("feed", "new-1")
    assert told() == ("new-1", ["old-1"])
    server.client.load("search", files["old"])
    assert told("search") == ("old-1", []), "another model is not split"
    server.client.split("feed", (Arm("all", "new-1", 1),))
    assert told() == ("new-1", []), "an arm with the same contract is none to be told of"
    server.client.split("feed", (Arm("all", "old-1", 1),))
    assert told() == ("new-1", ["old-1"]), "the current version has no share, and is told first"
    server.client.split("feed", ())
    assert told() == ("new-1", [])


def test_the_client_gives_every_contract_of_a_split(server: AdminServer) -> None:
    contracts = {version: _knowing(countries) for version, countries in COUNTRIES.items()}
    with relayed(server.channel) as (client, seen):
        assert client.contracts() == {"old-1": contracts["old-1"]}
        server.client.split("feed", ARMS)
        assert client.contracts(model="feed") == contracts
        assert list(client.contracts(model="feed")) == ["old-1", "new-1"], "the current one first"
    assert _methods(seen) == ["Describe"] * 4, "a contract of a version that is known is kept"


def test_a_call_without_a_key_goes_to_one_arm_however_often_it_is_repeated(
    server: AdminServer,
) -> None:
    server.client.split("feed", ARMS)
    with relayed(server.channel) as (client, seen):
        for _ in range(20):
            client.rerank([_from("de")])
        keys = [given["x-split-key"] for method, given in seen if method == "Rerank"]
        assert len(set(keys)) == 20 < len(keys), "a repeat has the key of its call"


def test_contracts_by_which_a_document_is_the_same_cost_no_second_call(
    server: AdminServer, tmp_path: Path
) -> None:
    third = StandIn(tmp_path, "third", replace(_knowing(COUNTRIES["old-1"]), max_candidates=40))
    with relayed(server.channel) as (client, seen):
        client.rerank([_from("cz")])
        server.client.load("feed", third.path)
        assert client.rerank([_from("cz")])[0]["model_version"] == "third-1"
        client.rerank([_from("cz")])
    assert _methods(seen) == ["Describe", "Rerank", "Rerank", "Describe", "Rerank"]


def test_after_a_swap_documents_are_read_as_the_new_version_knows_them(server: AdminServer) -> None:
    with relayed(server.channel) as (client, seen):
        with pytest.raises(RequestError, match="country"):
            client.rerank([_from("sk")])
        server.client.make_current("feed", "new-1")
        assert client.rerank([_from("sk")])[0]["model_version"] == "new-1"
        assert client.rerank([_from("sk")] * 2)[1]["model_version"] == "new-1"
    assert _methods(seen) == ["Describe", "Describe", "Rerank", "Rerank"]


def test_a_refusal_of_the_server_asks_for_the_contract_anew(
    server: AdminServer, tmp_path: Path
) -> None:
    """The new version wants a feature more, which the documents have."""
    user = (*_knowing(COUNTRIES["old-1"]).schema.user, Feature("visits", FeatureKind.DENSE))
    more = replace(CONTRACT, schema=replace(CONTRACT.schema, user=user))
    with relayed(server.channel) as (client, seen):
        client.rerank([_from("cz")])
        path = StandIn(tmp_path, "more", more).path
        server.client.load("feed", path, allow_breaking_contract=True)
        with pytest.raises(RequestError, match=r"requests\[0\]\.user\.visits: the feature is miss"):
            client.rerank([_from("cz")])
        page = _from("cz")
        page["user"]["visits"] = 3
        assert client.rerank([page])[0]["model_version"] == "more-1"
    assert _methods(seen) == ["Describe", "Rerank", "Rerank", "Describe", "Rerank"]
