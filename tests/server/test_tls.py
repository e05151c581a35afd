"""TLS: who is let in, who is not and in which words, and certificates that change under load."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import Front, OptionError, RerankServer, ServerOptions, listen, serve
from gerank_server.native import is_built
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.certificates import PASSPHRASE, Authority, Identity, locked
from tests.server.raw_calls import RERANK, health, rerank
from tests.server.stand_in import StandIn
from tests.server.tls_clients import (
    DATA_ON_NO_STREAM,
    PREFACE,
    SETTINGS_FRAME,
    client_hello,
    handshake_byte_by_byte,
    shown_certificate,
    tls_context,
)

HANDSHAKE_S = 20
native_only = pytest.mark.skipif(not is_built(), reason="the native front is not built")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "house")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers"), "stranger")


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Identity:
    return authority.issue()


def options_of(identity: Identity, **more: Any) -> ServerOptions:
    return ServerOptions(tls_certificate=identity.certificate, tls_key=identity.key, **more)


@contextmanager
def serving(
    model: StandIn, front: Front, options: ServerOptions | None = None
) -> Iterator[RerankServer]:
    running = serve(model.path, "127.0.0.1:0", options, front)
    try:
        yield running
    finally:
        running.stop(grace_s=5)


@contextmanager
def channel_to(
    server: RerankServer, authority: Path, client: Identity | None = None
) -> Iterator[grpc.Channel]:
    """A connection of its own, by the name that certificates are made for."""
    own = {} if client is None else _shown(client)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), **own)
    alone = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.secure_channel(f"localhost:{server.port}", credentials, alone) as channel:
        yield channel


def _shown(client: Identity) -> dict[str, bytes]:
    return {
        "private_key": client.key.read_bytes(),
        "certificate_chain": client.certificate.read_bytes(),
    }


class Heard:
    """What was written to stderr since the beginning of the test."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.text = ""

    def await_words(self, words: str) -> None:
        end = time.monotonic() + 10
        while words not in self.read():
            assert time.monotonic() < end, f"{words!r} was not said: {self.text}"
            time.sleep(0.05)

    def read(self) -> str:
        self.text += self._capture.readouterr().err
        return self.text


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Heard:
    return Heard(capfd)


def refused_status(channel: grpc.Channel) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        rerank(channel, timeout_s=20).result()
    code: grpc.StatusCode = caught.value.code()
    return code


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
            heard.await_words("gerank: connection of ")
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


def test_a_certificate_changes_under_load_and_no_call_is_lost(
    front: Front, model: StandIn, authority: Authority, tmp_path: Path
) -> None:
    first, second = authority.issue(), authority.issue()
    used = Identity(tmp_path / "server.pem", tmp_path / "server.key")
    used.replace_by(first)
    stop, failures, calls = threading.Event(), [], []
    with serving(model, front, options_of(used)) as server:

        def call_on_one_connection() -> None:
            with channel_to(server, authority.certificate) as channel:
                while not stop.is_set():
                    call(channel)

        def call_on_new_connections() -> None:
            while not stop.is_set():
                with channel_to(server, authority.certificate) as channel:
                    call(channel)

        def call(channel: grpc.Channel) -> None:
            try:
                calls.append(rerank(channel).result())
            except grpc.RpcError as error:
                failures.append(error)

        callers = [
            threading.Thread(target=target)
            for target in (call_on_one_connection, call_on_new_connections)
        ]
        for caller in callers:
            caller.start()
        assert shown_certificate(server.port) == _der(first)
        used.replace_by(second)
        end = time.monotonic() + 10
        while shown_certificate(server.port) != _der(second) and time.monotonic() < end:
            time.sleep(0.1)
        shown, before = shown_certificate(server.port), len(calls)
        while len(calls) < before + 20 and time.monotonic() < end:
            time.sleep(0.05)
        stop.set()
        for caller in callers:
            caller.join()
    assert shown == _der(second)
    assert not failures
    assert len(calls) >= before + 20


def _der(identity: Identity) -> bytes:
    return ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())


def test_new_files_that_do_not_match_are_refused_and_the_old_ones_stay(
    front: Front,
    model: StandIn,
    authority: Authority,
    tmp_path: Path,
    heard: Heard,
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = Identity(tmp_path / "server.pem", tmp_path / "server.key")
    used.replace_by(authority.issue())
    said = f"refused, TLS files kept: tls_key: {used.key} must be the key of tls_certificate"
    with serving(model, front, options_of(used)) as server:
        shown = shown_certificate(server.port)
        used.certificate.write_bytes(authority.issue().certificate.read_bytes())
        if front is Front.NATIVE:
            heard.await_words(said)
        with channel_to(server, authority.certificate) as channel:
            assert rerank(channel).result()
        assert shown_certificate(server.port) == shown
        time.sleep(2.5)
        words = heard.read() if front is Front.NATIVE else caplog.text
        assert words.count(said) == 1, "once for each change"
        server.reload_credentials()
        words = heard.read() if front is Front.NATIVE else caplog.text
        assert words.count(said) == 2, "and whenever they are asked for"
        assert "PRIVATE KEY" not in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"tls_certificate": "server.pem"},
            "tls_key: must be given with tls_certificate, got none",
        ),
        ({"tls_key": "server.key"}, "tls_certificate: must be given with tls_key, got none"),
        ({"tls_client_ca": "ca"}, "tls_certificate: must be given with tls_client_ca, got none"),
        (
            {"tls_certificate": "server.pem", "tls_key": "server.key", "plaintext": True},
            "plaintext: must not be given with tls_certificate, got both",
        ),
        (
            {"tls_certificate": "absent", "tls_key": "server.key"},
            "tls_certificate: {absent} must be a file that can be read, got No such file",
        ),
        (
            {"tls_certificate": "server.key", "tls_key": "server.key"},
            "tls_certificate: {server.key} must hold certificates in PEM, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "folder"},
            "tls_key: {folder} must be a file that can be read, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "other.key"},
            "tls_key: {other.key} must be the key of tls_certificate, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "locked"},
            "tls_key: {locked} must hold a private key in PEM, without a passphrase, got ",
        ),
        (
            {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_ca": "empty"},
            "tls_client_ca: {empty} must hold certificates in PEM, got ",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_used_is_told_at_the_start(
    front: Front,
    authority: Authority,
    identity: Identity,
    tmp_path: Path,
    options: dict[str, Any],
    words: str,
) -> None:
    files = {
        "server.pem": identity.certificate,
        "server.key": identity.key,
        "other.key": authority.issue().key,
        "locked": locked(identity.key),
        "ca": authority.certificate,
        "absent": tmp_path / "absent",
        "folder": tmp_path,
        "empty": tmp_path / "empty",
    }
    files["empty"].write_text("")
    given = {name: files.get(value, value) for name, value in options.items()}
    with pytest.raises(OptionError) as caught:
        listen("127.0.0.1:0", ServerOptions(**given), front)
    for name, path in files.items():
        words = words.replace(f"{{{name}}}", str(path))
    assert str(caught.value).startswith(words)
    assert "PRIVATE KEY" not in str(caught.value)
    assert PASSPHRASE not in str(caught.value)


def test_plaintext_beyond_this_machine_must_be_asked_for(
    front: Front, authority: Authority, identity: Identity
) -> None:
    rule = "address: must be a loopback address or unix:path unless tls_certificate and tls_key"
    with pytest.raises(OptionError, match=rule):
        listen("0.0.0.0:0", front=front)
    for allowed in (ServerOptions(plaintext=True), options_of(identity)):
        listen("0.0.0.0:0", allowed, front).stop(0)
    for own in ("127.0.0.1:0", "127.8.9.10:0", "localhost:0", "[::1]:0"):
        listen(own, front=front).stop(0)


def test_health_is_served_over_tls(
    front: Front, model: StandIn, authority: Authority, identity: Identity
) -> None:
    with (
        serving(model, front, options_of(identity)) as server,
        channel_to(server, authority.certificate) as channel,
    ):
        assert health(channel) == 1
