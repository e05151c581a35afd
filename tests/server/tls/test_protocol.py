"""What is spoken below HTTP/2: versions, protocols, ciphers, sessions, and the good-bye."""

from __future__ import annotations

import socket
import ssl
import subprocess

import pytest

from gerank_server import Front
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority, Identity
from tests.server.tls.clients import (
    DATA_ON_NO_STREAM,
    PREFACE,
    SETTINGS_FRAME,
    handshake_byte_by_byte,
    tls_context,
)
from tests.server.tls.serving import Heard, native_only, options_of, serving


@native_only
def test_older_tls_is_refused(model: StandIn, identity: Identity, heard: Heard) -> None:
    context = tls_context("h2")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        serving(model, Front.NATIVE, options_of(identity)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(plain)
    heard.await_words("refused: unsupported protocol")


@native_only
@pytest.mark.parametrize(
    ("protocols", "words"),
    [
        (("http/1.1",), "the client offers the protocols 'http/1.1', and only h2 is spoken here"),
        ((), "the client offers no protocol (ALPN), and only h2 is spoken here"),
    ],
)
def test_another_protocol_is_refused_by_name(
    model: StandIn, identity: Identity, heard: Heard, protocols: tuple[str, ...], words: str
) -> None:
    with (
        serving(model, Front.NATIVE, options_of(identity)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="no application protocol"),
    ):
        tls_context(*protocols).wrap_socket(plain)
    heard.await_words(words)


@native_only
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_says_good_bye(model: StandIn, identity: Identity, version: ssl.TLSVersion) -> None:
    context = tls_context("h2")
    context.minimum_version = context.maximum_version = version
    with (
        serving(model, Front.NATIVE, options_of(identity)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        context.wrap_socket(plain, suppress_ragged_eofs=False) as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(PREFACE)
        assert connection.recv(4096)[3] == SETTINGS_FRAME
        connection.sendall(DATA_ON_NO_STREAM)
        while connection.recv(4096):  # raises where the other side just hangs up
            pass


@native_only
def test_only_ciphers_that_http2_allows_are_taken(model: StandIn, identity: Identity) -> None:
    context = tls_context("h2")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA")
    with (
        serving(model, Front.NATIVE, options_of(identity)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    ):
        context.wrap_socket(plain)


@native_only
def test_renegotiation_is_refused(model: StandIn, identity: Identity) -> None:
    with serving(model, Front.NATIVE, options_of(identity)) as server:
        words = ["openssl", "s_client", "-tls1_2", "-alpn", "h2"]
        words += ["-connect", f"127.0.0.1:{server.port}"]
        run = subprocess.run(words, input=b"R\n", capture_output=True, timeout=30)
    assert b"RENEGOTIATING" in run.stdout + run.stderr
    assert b"no renegotiation" in run.stderr


@native_only
def test_sessions_are_resumed(model: StandIn, authority: Authority, identity: Identity) -> None:
    options = options_of(identity, tls_client_ca=authority.certificate)
    client = authority.issue()
    context = tls_context("h2")
    context.load_cert_chain(client.certificate, client.key)
    session = None
    with serving(model, Front.NATIVE, options) as server:
        for is_resumed in (False, True):
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
                context.wrap_socket(plain, session=session) as connection,
            ):
                connection.sendall(PREFACE)
                assert connection.recv(4096)[3] == SETTINGS_FRAME
                assert connection.session_reused == is_resumed
                session = connection.session


@native_only
def test_bytes_that_come_singly_are_understood(
    model: StandIn, authority: Authority, identity: Identity
) -> None:
    with serving(model, Front.NATIVE, options_of(identity)) as server:
        answer = handshake_byte_by_byte(server.port, authority.certificate)
    assert answer[3] == SETTINGS_FRAME
