"""`RerankClient`: what it refuses, how it splits, how it connects."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.client import RerankClient, ServerError
from gerank_server import RerankServer, ServerOptions, serve
from tests.cli.command import environment
from tests.data.bad_requests import valid_document
from tests.server.stand_in import StandIn

SERVICE = "gerank.v1.RerankService"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return StandIn(tmp_path_factory.mktemp("client")).path


@pytest.fixture(scope="module")
def running(model: Path) -> Iterator[RerankServer]:
    with serve(model, "127.0.0.1:0", ServerOptions(max_message_bytes=20_000)) as server:
        yield server


_WITHOUT = """
import json, sys

class NotHere:
    def find_spec(self, name, path=None, target=None):
        heavy = {"torch", "numpy", "pyarrow", "duckdb", "gerank._engine"}
        if name in heavy:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, NotHere())
from gerank.client import RerankClient
with RerankClient(sys.argv[1]) as client:
    print(json.dumps(client.rerank(json.load(sys.stdin))))
"""


def test_it_needs_neither_torch_nor_numpy_nor_the_compiled_engine(running: RerankServer) -> None:
    address = f"127.0.0.1:{running.port}"
    document = valid_document()
    with RerankClient(address) as client:
        expected = client.rerank([document])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITHOUT, address],
        env=environment(),
        input=json.dumps([document]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("given", [-1, 0, 10**11, 2.5, "64", None], ids=repr)
@pytest.mark.parametrize("name", ["queries_per_call", "bytes_per_call"])
def test_a_size_of_calls_out_of_its_range_is_named(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: must be an integer in \[1, \d+\], got"):
        RerankClient("localhost:1", **{name: given})


@pytest.mark.parametrize("given", [-1.0, 0, math.nan, -math.inf, "10", None], ids=repr)
def test_a_timeout_that_is_none_is_named(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^timeout_s: must be a number of seconds above 0, got"):
        RerankClient("localhost:1", timeout_s=given)


@pytest.mark.parametrize("timeout_s", [math.inf, 1e300, 1e8, 30])
def test_a_timeout_may_be_for_ever(running: RerankServer, timeout_s: float) -> None:
    with RerankClient(f"127.0.0.1:{running.port}", timeout_s) as client:
        assert len(client.rerank([valid_document()])) == 1


@pytest.mark.parametrize("port", [0, 99999, "", "http"])
def test_an_address_that_is_none_is_named(port: object) -> None:
    with pytest.raises(ValueError, match=f"^address 'localhost:{port}': the port must be an int"):
        RerankClient(f"localhost:{port}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_stands_before_a_loopback_address(
    running: RerankServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{_free_port()}")
    with RerankClient(f"{host}:{running.port}") as client:
        assert len(client.rerank([valid_document()])) == 1


def test_calls_are_split_by_bytes_as_well_as_by_queries(running: RerankServer) -> None:
    pages = [valid_document() | {"id": f"page-{number}"} for number in range(150)]
    with RerankClient(f"127.0.0.1:{running.port}", bytes_per_call=20_000) as client:
        answers = client.rerank(pages)
        alone = RerankClient(f"127.0.0.1:{running.port}", bytes_per_call=1)
        with alone:
            assert alone.rerank(pages[:3]) == answers[:3]
    assert [answer["id"] for answer in answers] == [page["id"] for page in pages]
    with (
        RerankClient(f"127.0.0.1:{running.port}", queries_per_call=150) as client,
        pytest.raises(ServerError, match="RESOURCE_EXHAUSTED"),
    ):
        client.rerank(pages)


def test_calls_succeed_within_a_second_of_the_servers_return(model: Path) -> None:
    address = f"127.0.0.1:{_free_port()}"
    with RerankClient(address, timeout_s=10) as client:
        with serve(model, address):
            client.rerank([valid_document()])
        _call_until(client, time.monotonic() + 3)
        with serve(model, address):
            back = time.monotonic()
            _call_until(client, back + 30, succeeded=True)
            assert time.monotonic() - back < 1


def _call_until(client: RerankClient, end: float, *, succeeded: bool = False) -> None:
    while time.monotonic() < end:
        with contextlib.suppress(ServerError):
            client.rerank([valid_document()])
            assert succeeded, "the server was to be away"
            return
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_it_connects_to_a_socket_in_a_folder_and_to_ipv6(model: Path, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/gerank.sock"
    with serve(model, address), RerankClient(address) as client:
        assert len(client.rerank([valid_document()])) == 1
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with serve(model, "[::1]:0") as server, RerankClient(f"[::1]:{server.port}") as client:
        assert len(client.rerank([valid_document()])) == 1


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[bytes, bytes]:
    """Key and certificate of localhost, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    files = ["-keyout", str(key), "-out", str(made)]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=60)
    return key.read_bytes(), made.read_bytes()


def test_credentials_and_metadata_reach_a_server_with_tls(
    running: RerankServer, certificate: tuple[bytes, bytes]
) -> None:
    """The server with TLS passes calls on to a real one, and notes who called."""
    seen: list[dict[str, Any]] = []
    with (
        grpc.insecure_channel(f"127.0.0.1:{running.port}") as behind,
        ThreadPoolExecutor(2) as threads,
    ):

        def passes_on(method: str) -> grpc.RpcMethodHandler:
            def call(payload: bytes, context: grpc.ServicerContext) -> bytes:
                seen.append(dict(context.invocation_metadata()))
                answer: bytes = behind.unary_unary(f"/{SERVICE}/{method}")(payload, timeout=30)
                return answer

            return grpc.unary_unary_rpc_method_handler(call)

        handlers = {method: passes_on(method) for method in ("Rerank", "Describe")}
        tls = grpc.server(
            threads, handlers=[grpc.method_handlers_generic_handler(SERVICE, handlers)]
        )
        port = tls.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([certificate]))
        tls.start()
        address, trusted = f"localhost:{port}", grpc.ssl_channel_credentials(certificate[1])
        metadata = (("authorization", "Bearer t0ken"), ("trace-bin", b"\x01\xff"))
        with RerankClient(address, credentials=trusted, metadata=metadata) as client:
            assert len(client.rerank([valid_document()])) == 1
        with RerankClient(address) as plain, pytest.raises(ServerError, match="UNAVAILABLE"):
            plain.rerank([valid_document()])
        tls.stop(0).wait()
    assert len(seen) == 2  # Describe and Rerank
    for call in seen:
        assert (call["authorization"], call["trace-bin"]) == ("Bearer t0ken", b"\x01\xff")
