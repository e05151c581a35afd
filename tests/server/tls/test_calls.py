"""TLS between those who believe each other: every sort of call comes through."""

from __future__ import annotations

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import Front
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.raw_calls import RERANK, health, rerank
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority, Identity
from tests.server.tls.serving import channel_to, options_of, serving


def test_calls_come_through(
    front: Front, model: StandIn, authority: Authority, identity: Identity
) -> None:
    with (
        serving(model, front, options_of(identity)) as server,
        channel_to(server, authority.certificate) as channel,
    ):
        assert rerank(channel).result()


def test_a_client_with_a_certificate_is_served(
    front: Front, model: StandIn, authority: Authority, identity: Identity
) -> None:
    options = options_of(identity, tls_client_ca=authority.certificate)
    with (
        serving(model, front, options) as server,
        channel_to(server, authority.certificate, authority.issue()) as channel,
    ):
        assert rerank(channel).result()


def test_large_messages_go_both_ways(
    front: Front, model: StandIn, authority: Authority, identity: Identity
) -> None:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    query.id = "x" * 12_000
    payload = pb.RerankRequest(queries=[query] * 64).SerializeToString()
    with (
        serving(model, front, options_of(identity)) as server,
        channel_to(server, authority.certificate) as channel,
    ):
        answer = channel.unary_unary(RERANK)(payload, timeout=30)
    assert len(payload) > 700_000 and len(answer) > 700_000
    assert len(pb.RerankResponse.FromString(answer).slates) == 64


def test_health_is_served_over_tls(
    front: Front, model: StandIn, authority: Authority, identity: Identity
) -> None:
    with (
        serving(model, front, options_of(identity)) as server,
        channel_to(server, authority.certificate) as channel,
    ):
        assert health(channel) == 1
