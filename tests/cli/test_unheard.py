"""Standard output and error that nobody reads: servers serve on, other commands end quietly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gerank.client import RerankClient, ServerError
from gerank_server.native import is_built, library_path
from tests.cli.command import environment, run
from tests.data.bad_requests import valid_document
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"


def _closed_by_its_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _unread() -> int:
    """A pipe that is full, and whose reader lives on in this process and never reads."""
    _, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return writer


DEAF: dict[str, Callable[[], int]] = {
    "closed pipe": _closed_by_its_reader,
    "full disk": _full,
    "unread pipe": _unread,
}


def _words(kind: str, model: Path, port: int) -> list[str]:
    if kind == "gerank-server":
        return [str(PROGRAM), "--model", str(model), "--address", f"127.0.0.1:{port}"]
    serve = [sys.executable, "-m", "gerank", "serve", "--model", str(model)]
    return [*serve, "--port", str(port), "--front", kind]


@contextlib.contextmanager
def _unheard(kind: str, model: Path, how: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server whose stdout and stderr both lead nowhere, once it serves; and its address."""
    if kind != "grpcio" and not is_built():
        pytest.skip("the native front is not built: nghttp2 or libuv is missing")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = _words(kind, model, port)
    if how == "never opened":
        words, stream = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *words], subprocess.DEVNULL
    else:
        stream = DEAF[how]()
    with subprocess.Popen(words, stdout=stream, stderr=stream, env=environment()) as process:
        if stream != subprocess.DEVNULL:
            os.close(stream)
        try:
            yield process, f"127.0.0.1:{port}"
        finally:
            process.kill()


def _await_version(process: subprocess.Popen[bytes], address: str, version: str) -> None:
    end = time.monotonic() + 60
    with RerankClient(address, timeout_s=10) as client:
        while True:
            assert process.poll() is None, f"it ended with {process.returncode}"
            with contextlib.suppress(ServerError):
                if client.rerank([valid_document()])[0]["model_version"] == version:
                    return
            assert time.monotonic() < end, f"{version} does not answer"
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("gerank-server", "closed pipe"),
        ("gerank-server", "full disk"),
        ("gerank-server", "never opened"),
        ("gerank-server", "unread pipe"),
        ("native", "closed pipe"),
        ("native", "never opened"),
        ("native", "unread pipe"),
        ("grpcio", "full disk"),
        ("grpcio", "unread pipe"),
    ],
)
def test_a_server_that_nobody_hears_serves_swaps_and_drains(
    kind: str, how: str, tmp_path: Path
) -> None:
    old, new = StandIn(tmp_path, "old"), StandIn(tmp_path, "new")
    served = tmp_path / "served.gerank"
    served.hardlink_to(old.path)
    with _unheard(kind, served, how) as (process, address):
        _await_version(process, address, "old-1")
        (tmp_path / "damaged").write_bytes(b"no artifact")
        (tmp_path / "damaged").rename(served)
        process.send_signal(signal.SIGHUP)  # refused, which stderr would tell
        time.sleep(0.2)
        _await_version(process, address, "old-1")
        old.fail(True)
        with RerankClient(address, timeout_s=10) as client:
            for _ in range(3):  # each is logged
                with pytest.raises(ServerError, match="INTERNAL"):
                    client.rerank([valid_document()])
        old.fail(False)
        new.path.rename(served)
        process.send_signal(signal.SIGHUP)
        _await_version(process, address, "new-1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def _run(
    *words: str, stdout: int, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gerank", *words]
    try:
        return subprocess.run(
            command, stdout=stdout, stderr=stderr, env=environment(), text=True, timeout=120
        )
    finally:
        os.close(stdout)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(StandIn(tmp_path_factory.mktemp("unheard")).path)


@pytest.mark.parametrize("words", [("info", "--json"), ("verify",)], ids=" ".join)
def test_a_command_whose_reader_has_gone_ends_quietly(model: str, words: tuple[str, ...]) -> None:
    """As a program that SIGPIPE ends: `gerank info model.gerank | head -1`."""
    result = _run(words[0], model, *words[1:], stdout=_closed_by_its_reader())
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, "")


def test_a_result_that_does_not_fit_on_the_disk_is_an_error(model: str) -> None:
    result = _run("info", model, "--json", stdout=_full())
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in result.stderr


def test_slates_on_standard_output_are_alone_there(model: str, tmp_path: Path) -> None:
    pages = tmp_path / "pages.jsonl"
    pages.write_text(f"{json.dumps(valid_document())}\n" * 3)
    words = ["--model", model, "--input", str(pages), "--output", "/dev/stdout"]
    result = run("rerank", *words)
    assert [json.loads(line)["id"] for line in result.out.splitlines()] == ["page"] * 3
    assert result.err == "3 slates: /dev/stdout\n"


def test_a_complaint_that_nobody_hears_keeps_its_exit_code() -> None:
    result = _run("info", "no.gerank", stdout=_full(), stderr=_full())
    assert result.returncode == 1
