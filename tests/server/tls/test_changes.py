"""Certificates that change while calls are served."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import grpc
import pytest

from gerank_server import Front
from tests.server.raw_calls import rerank
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority, Identity
from tests.server.tls.clients import shown_certificate
from tests.server.tls.serving import Heard, channel_to, options_of, serving


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
        end = time.monotonic() + 10
        while front is Front.NATIVE and heard.read().count(said) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        words = heard.read() if front is Front.NATIVE else caplog.text
        assert words.count(said) == 2, "and whenever they are asked for"
        assert "PRIVATE KEY" not in words
