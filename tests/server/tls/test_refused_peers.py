"""Who is not let in over TLS, and in which words it is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from gerank_server import Front
from tests.server.raw_calls import rerank
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority, Identity
from tests.server.tls.clients import PREFACE, client_hello
from tests.server.tls.serving import (
    Heard,
    channel_to,
    native_only,
    options_of,
    refused_status,
    serving,
)

HANDSHAKE_S = 20  # of the server's patience

Parties = tuple[Identity, Path, Identity | None, Path | None]
"""The server, whom the client believes, the client, whom the server believes."""


@pytest.mark.parametrize(
    ("parties", "words"),
    [
        (
            lambda house, other: (house.issue(), other.certificate, None, None),
            "the client left in the middle of the handshake",
        ),
        (lambda house, _: (house.issue(days=-1), house.certificate, None, None), "expired"),
        (
            lambda house, _: (house.issue("DNS:elsewhere.example"), house.certificate, None, None),
            "the client left right after the handshake: it may not accept the certificate",
        ),
        (
            lambda house, _: (house.issue(), house.certificate, None, house.certificate),
            "peer did not return a certificate",
        ),
        (
            lambda house, other: (
                house.issue(), house.certificate, other.issue(), house.certificate,
            ),
            "certificate verify failed: ",
        ),
        (
            lambda house, _: (
                house.issue(), house.certificate, house.issue(days=-1), house.certificate,
            ),
            "certificate verify failed: certificate has expired",
        ),
    ],
    ids=["wrong authority", "expired", "wrong name", "no client certificate", "strange client",
         "expired client"],
)  # fmt: skip
def test_who_is_not_believed_gets_unavailable(
    front: Front,
    model: StandIn,
    authority: Authority,
    strangers: Authority,
    heard: Heard,
    parties: Callable[[Authority, Authority], Parties],
    words: str,
) -> None:
    identity, believed, client, client_ca = parties(authority, strangers)
    with (
        serving(model, front, options_of(identity, tls_client_ca=client_ca)) as server,
        channel_to(server, believed, client) as channel,
    ):
        assert refused_status(channel) is grpc.StatusCode.UNAVAILABLE
        if front is Front.NATIVE:
            heard.await_words("warning: connection of ")
            heard.await_words(words)
    assert "PRIVATE KEY" not in heard.read()


def test_plaintext_is_not_answered_where_tls_is_spoken(
    front: Front, model: StandIn, identity: Identity, heard: Heard
) -> None:
    with serving(model, front, options_of(identity)) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert refused_status(channel) is grpc.StatusCode.UNAVAILABLE
        if front is Front.NATIVE:
            heard.await_words("refused: the client does not speak TLS")
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
                plain.sendall(PREFACE)
                assert plain.recv(4096) == b""


def test_tls_is_not_answered_where_plaintext_is_spoken(
    front: Front, model: StandIn, authority: Authority, heard: Heard
) -> None:
    with serving(model, front) as server, channel_to(server, authority.certificate) as channel:
        assert refused_status(channel) is grpc.StatusCode.UNAVAILABLE
        if front is Front.NATIVE:
            heard.await_words("refused: the client speaks TLS, and this server does not")


@native_only
def test_half_a_handshake_holds_no_descriptor_for_long(
    model: StandIn, authority: Authority, identity: Identity, heard: Heard
) -> None:
    hello = client_hello()
    with serving(model, Front.NATIVE, options_of(identity)) as server:
        begin = time.monotonic()
        halves = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for size, half in enumerate(halves):
            half.sendall(hello[: size * len(hello) // len(halves)])
        with channel_to(server, authority.certificate) as channel:
            assert rerank(channel).result(), "others are served meanwhile"
        for half in halves:
            half.settimeout(HANDSHAKE_S + 5)
            with half:
                assert half.recv(4096) == b""
        assert HANDSHAKE_S - 1 < time.monotonic() - begin < HANDSHAKE_S + 5
    heard.await_words("refused: the client was silent in the middle of the handshake")
