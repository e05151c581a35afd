"""The port of the metrics: what it answers, and that nobody who comes there harms the server."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gerank_server.native import library_path
from tests.native.metrics_client import Page, await_page, get, scrape
from tests.native.test_gerank_server import _ask, serving
from tests.native.test_metrics import observed
from tests.server.raw_calls import health, watch
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


def test_only_two_pages_are_there_to_be_read(model: StandIn) -> None:
    with observed(model.path, "--pre-stop-delay-s", 5) as (process, channel, address):
        assert get(address, "/metrics", "HEAD")[:2] == (200, "")
        assert get(address, "/healthz")[:2] == (200, "serving\n")
        assert get(address, "/")[0] == get(address, "/metrics/..")[0] == 404
        for method in ("POST", "PUT", "DELETE"):
            status, _, headers = get(address, "/metrics", method)
            assert (status, headers["allow"]) == (405, "GET, HEAD")
        changes = watch(channel)
        assert next(changes).status == 1
        process.send_signal(signal.SIGTERM)
        assert next(changes).status == 2
        assert get(address, "/healthz")[:2] == (503, "not serving\n")
        assert scrape(address)("gerank_serving") == 0


def test_openmetrics_is_spoken_where_it_is_asked_for(model: StandIn) -> None:
    with observed(model.path) as (_, _, address):
        plain = scrape(address)
        accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        _, text, headers = get(address, "/metrics", headers=accept)
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("\n# EOF\n") and "# EOF" not in plain.text
    families = {re.sub("_total$", "", family) for family in plain.types}
    assert set(Page(text.replace("# EOF\n", "")).types) == families


def test_there_are_none_unless_they_are_asked_for(model: StandIn) -> None:
    with serving(model.path) as (process, channel):
        health(channel)
        rows = Path(f"/proc/{process.pid}/net/tcp").read_text()
        inodes = {str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
    listening = [row.split() for row in rows.splitlines()[1:]]
    own = [row for row in listening if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
    assert len(own) == 1


def test_a_port_that_is_taken_is_said(model: StandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = [PROGRAM, "--model", model.path, "--address", "127.0.0.1:0"]
        words += ["--metrics-address", address]
        run = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.startswith(
        f"error: metrics_address: cannot listen on {address}: the port is in use"
    )


GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00" + bytes(200),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(30),
    b"GET\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"x-header: y\r\n" * 10_000 + b"\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + bytes(100_000),
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    bytes(range(256)) * 64,
)


def _throw(port: int, garbage: bytes) -> None:
    """Sends what the server takes of it, and waits for its answer or its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            return  # it has closed the connection


def test_garbage_and_floods_at_the_metrics_port_keep_nobody_out(model: StandIn) -> None:
    with observed(model.path) as (process, channel, address), ExitStack() as stack:
        port = int(address.rpartition(":")[2])
        for garbage in GARBAGE:
            _throw(port, garbage)
        # Many that say nothing, many that ask for pages which they do not read.
        for i in range(400):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            if i % 2:
                with suppress(OSError):  # it went to make room for others
                    idle.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        page = await_page(address, lambda page: page("process_open_fds") < 200)
        assert _ask(channel) == model.model_version
        assert page("gerank_connections") == 0 or page("gerank_connections") == 1
        assert process.poll() is None
