"""The log of gerank-server: every event is a line that can be parsed, and no reader holds it up."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank_server.native import library_path
from tests.native.metrics_client import await_page, scrape
from tests.native.test_gerank_server import _ask, _payload, serving
from tests.server.raw_calls import RERANK, health
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority, Identity

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
JSON = ("--log-format", "json")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture
def model(built: StandIn) -> StandIn:
    built.release()
    built.fail(False)
    return built


def _end(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Ends a server, and gives all lines that it wrote to standard error."""
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    assert process.wait(timeout=30) == 0
    return [json.loads(line) for line in lines]


def _fail(channel: grpc.Channel, count: int) -> None:
    payload = _payload()
    calls = [channel.unary_unary(RERANK).future(payload, timeout=60) for _ in range(count)]
    for call in calls:
        assert call.exception(timeout=60).code() is grpc.StatusCode.INTERNAL


def test_the_life_of_a_server_is_one_line_per_event(model: StandIn, tmp_path: Path) -> None:
    served, other = tmp_path / "served.gerank", StandIn(tmp_path, "other")
    served.write_bytes(model.path.read_bytes())
    began = time.time()
    options = (*JSON, "--log-level", "info", "--max-batch", 7, "--metrics-address", "127.0.0.1:0")
    with serving(served, *options) as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        metrics = process.stdout.readline().split()[-1]
        _ask(channel)
        other.path.rename(served)
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("now serving other-1 on ")
        damaged = tmp_path / "damaged"
        damaged.write_bytes(served.read_bytes()[:5000])
        damaged.rename(served)
        process.send_signal(signal.SIGHUP)
        await_page(
            metrics,
            lambda page: page("gerank_model_loads_total", model="default", result="refused") == 1,
        )
        events = _end(process)
    assert [(event["level"], event["event"]) for event in events] == [
        ("info", "start"),
        ("info", "metrics_listening"),
        ("info", "model_loaded"),
        ("info", "listening"),
        ("info", "model_swapped"),
        ("error", "model_refused"),
        ("info", "draining"),
        ("info", "stopped"),
    ]
    named = {event["event"]: event for event in events}
    for option in ("max_batch = 7", f"model = '{served}'", "grace_s = 10"):
        assert option in named["start"]["options"]
    assert named["metrics_listening"]["address"] == metrics
    assert named["model_swapped"]["old_version"] == "stand-in-1"
    assert str(served) in named["model_refused"]["message"]
    times = [datetime.fromisoformat(event["time"]) for event in events]
    assert times == sorted(times) and all(each.tzinfo == UTC for each in times)
    assert began - 1 <= times[0].timestamp() <= times[-1].timestamp() <= time.time() + 1


def test_a_quiet_server_that_has_no_trouble_says_nothing(model: StandIn) -> None:
    with serving(model.path, *JSON) as (process, channel):
        _ask(channel)
        assert _end(process) == []


def test_why_a_connection_ended_is_told_at_debug(model: StandIn) -> None:
    with serving(model.path, *JSON, "--log-level", "debug") as (process, channel):
        health(channel)
        assert process.stderr is not None
        while (event := json.loads(process.stderr.readline()))["event"] != "listening":
            pass
        address = event["address"]
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wrong:
            own = wrong.getsockname()
            wrong.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(100))
            while wrong.recv(65536):
                pass
        event = json.loads(process.stderr.readline())
    assert (event["level"], event["event"]) == ("debug", "connection_ended")
    assert event["peer"] == f"{own[0]}:{own[1]}"
    assert event["reason"] == "it does not speak HTTP/2"


def test_a_connection_that_was_reset_is_told_with_its_peer(model: StandIn) -> None:
    with serving(model.path, *JSON, "--log-level", "debug") as (process, channel):
        assert process.stderr is not None
        while (event := json.loads(process.stderr.readline()))["event"] != "listening":
            pass
        port = int(event["address"].rpartition(":")[2])
        health(channel)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as resetting:
            own = resetting.getsockname()
            assert resetting.recv(9), "the server has taken the connection"
            resetting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        event = json.loads(process.stderr.readline())
    assert event["event"] == "connection_ended" and event["reason"] == "Connection reset by peer"
    assert event["peer"] == f"{own[0]}:{own[1]}"


def test_what_is_told_of_refused_peers_and_of_files_is_of_the_log_too(
    model: StandIn, tmp_path: Path
) -> None:
    tokens, used = tmp_path / "tokens", Identity(tmp_path / "pem", tmp_path / "key")
    authority = Authority(tmp_path, "house")
    used.replace_by(authority.issue(days=-1))
    tokens.write_text("sesame\n")
    tls = ("--tls-certificate", used.certificate, "--tls-key", used.key, "--token-file", tokens)
    with serving(model.path, *JSON, "--log-level", "info", *tls) as (process, channel):
        with pytest.raises(grpc.RpcError):
            _ask(channel)  # without TLS
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None and process.stdout.readline().startswith("now serving")
        tokens.write_text("")
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("now serving")
        events = _end(process)
    told = {(each["event"], each["level"], each.get("what")): each for each in events}
    assert used.certificate.name in told["certificate_expired", "warning", None]["message"]
    refused = told["connection_refused", "warning", None]
    assert refused["reason"] == "the client does not speak TLS"
    assert refused["peer"].startswith("127.0.0.1:")
    for key in (
        ("credentials_read", "info", "TLS files"),
        ("credentials_read", "info", "tokens"),
        ("credentials_refused", "error", "tokens"),
    ):
        assert key in told


def test_an_address_that_is_none_is_told_in_the_form_that_was_asked_for() -> None:
    words = [PROGRAM, "--model", "x", "--address", "127.0.0.1:x", *JSON]
    run = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    [line] = run.stderr.splitlines()
    assert run.returncode == 1 and json.loads(line)["event"] == "start_failed"


def test_a_start_that_fails_is_told_in_the_form_that_was_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / 'no "model"\n.gerank'
    words = [PROGRAM, "--model", missing, "--address", "127.0.0.1:0", *JSON]
    run = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    [line] = run.stderr.splitlines()
    assert run.returncode == 1
    assert json.loads(line)["event"] == "model_refused"
    assert json.loads(line)["path"] == str(missing)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--log-format", "xml"), "log_format: must be text or json, got 'xml'"),
        (
            ("--log-level", "loud"),
            "log_level: must be debug, info, warning or error, got 'loud'",
        ),
        (("--metrics-address", "127.0.0.1:x"), "the port must be an integer"),
    ],
)
def test_words_that_are_none_are_refused(words: tuple[str, ...], message: str) -> None:
    words = (str(PROGRAM), "--model", "x", *words)
    run = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and message in run.stderr


def test_too_many_lines_of_one_event_are_told_as_their_number(model: StandIn) -> None:
    with serving(model.path, *JSON) as (process, channel):
        model.fail(True)
        _fail(channel, 700)
        model.fail(False)
        time.sleep(2.5)  # the second is over, and the next has been looked at
        events = _end(process)
    failures = [event for event in events if event["event"] == "internal_error"]
    suppressed = [event for event in events if event["event"] == "log_suppressed"]
    assert suppressed and {event["of"] for event in suppressed} == {"internal_error"}
    assert len(failures) < 700
    assert len(failures) + sum(event["lines"] for event in suppressed) == 700


def test_a_reader_that_stops_reading_holds_nothing_up_and_hears_what_it_missed(
    model: StandIn,
) -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    words = [PROGRAM, "--model", model.path, "--address", "127.0.0.1:0", *JSON]
    words += ["--log-level", "debug", "--metrics-address", "127.0.0.1:0"]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=write, text=True
    ) as process:
        try:
            os.close(write)
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            metrics = process.stdout.readline().split()[-1]
            with grpc.insecure_channel(address) as channel:
                model.fail(True)
                for _ in range(6):
                    _fail(channel, 100)
                    time.sleep(1.05)
                model.fail(False)
                assert _ask(channel) == model.model_version
                told = await_page(
                    metrics,
                    lambda page: page("gerank_log_lines_total", outcome="written") > 0,
                )
            assert told("gerank_log_lines_total", outcome="written") < 600
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
            with os.fdopen(read, encoding="utf-8") as pipe:
                for line in pipe.read().splitlines()[:-1]:  # the last may be cut at the end
                    json.loads(line)
        finally:
            process.kill()


def test_lines_that_were_lost_are_counted_and_told(model: StandIn) -> None:
    """A model that fails with much to say, and a reader that comes late."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    words = [PROGRAM, "--model", model.path, "--address", "127.0.0.1:0", *JSON]
    words += ["--metrics-address", "127.0.0.1:0"]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=write, text=True
    ) as process:
        try:
            os.close(write)
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            metrics = process.stdout.readline().split()[-1]
            failed = 0
            with grpc.insecure_channel(address) as channel:
                model.fail(True)
                end = time.monotonic() + 120
                while scrape(metrics)("gerank_log_lines_total", outcome="suppressed") == 0:
                    assert time.monotonic() < end
                    _fail(channel, 100)
                    failed += 100
                model.fail(False)
            process.send_signal(signal.SIGTERM)
            with os.fdopen(read, encoding="utf-8") as pipe:
                events = [json.loads(line) for line in pipe.read().splitlines()]
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
    told = [event["event"] for event in events]
    lost = sum(event["lines"] for event in events if event["event"].startswith("log_"))
    assert "log_suppressed" in told  # while nobody reads, an event's second does not end
    assert told.count("internal_error") + lost == failed
