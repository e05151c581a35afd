"""`gerank serve` in a process of its own: the same slates over the wire, and a clean end."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gerank.cli.serve import FrontChoice, _chosen, _traces
from gerank_server import Front, OptionError, listen
from gerank_server.native import is_built
from tests.cli.command import done, gerank, run, start
from tests.cli.conftest import Journey


@pytest.fixture(params=["native", "grpcio"])
def front(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and not is_built():
        pytest.skip("the native front is not built: nghttp2 or libuv is missing")
    return str(request.param)


@contextmanager
def serving(model: Path, front: str = "auto") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    with start("serve", "--model", model, "--port", 0, "--front", front) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving "), process.stderr and process.stderr.read()
            yield process, line.split()[-1]
        finally:
            process.kill()


def test_the_server_answers_as_the_artifact_and_drains_on_sigterm(
    journey: Journey, requests_file: Path, tmp_path: Path, front: str
) -> None:
    local, remote = tmp_path / "local.jsonl", tmp_path / "remote.jsonl"
    done("rerank", "--model", journey.model, "--input", requests_file, "--output", local)
    with serving(journey.model, front) as (process, address):
        done("rerank", "--server", address, "--input", requests_file, "--output", remote)
        refused_by_server(address, requests_file, tmp_path)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "draining" in out
        assert "Traceback" not in err
    for left, right in zip(
        *(path.read_text().splitlines() for path in (local, remote)), strict=True
    ):
        ours, theirs = json.loads(left), json.loads(right)
        for mine, other in zip(ours["slate"], theirs["slate"], strict=True):
            assert mine.pop("log_prob") == pytest.approx(other.pop("log_prob"), abs=1e-5)
        assert ours == theirs


def refused_by_server(address: str, requests_file: Path, tmp_path: Path) -> None:
    """A bad request costs its file its answer and the server nothing."""
    page = json.loads(requests_file.read_text().splitlines()[0])
    source, target = tmp_path / "bad.jsonl", tmp_path / "none.jsonl"
    source.write_text(f"{json.dumps(page)}\n{json.dumps(page | {'slots': 99})}\n")
    result = gerank("rerank", "--server", address, "--input", source, "--output", target)
    assert result.code == 1
    assert f"{source}:2: " in result.err
    assert "slots" in result.err
    assert "99" in result.err
    assert not target.exists()
    source.write_text(f"{json.dumps(page)}\n")
    done("rerank", "--server", address, "--input", source, "--output", target)


def test_sigint_ends_it_too(journey: Journey, front: str) -> None:
    with serving(journey.model, front) as (process, _):
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "draining" in out


def test_sighup_swaps_the_file_in_and_refuses_a_damaged_one(
    journey: Journey, requests_file: Path, tmp_path: Path, front: str
) -> None:
    served, answers = tmp_path / "served.gerank", tmp_path / "answers.jsonl"
    shutil.copy(journey.model, served)
    with serving(served, front) as (process, address):
        assert process.stdout is not None and process.stderr is not None
        sound = served.read_bytes()
        replace_file(served, sound[: len(sound) // 2])
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline().startswith(f"refused: {served}: ")
        done("rerank", "--server", address, "--input", requests_file, "--output", answers)
        replace_file(served, sound)
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("now serving ")
        done("rerank", "--server", address, "--input", requests_file, "--output", answers)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0


def replace_file(path: Path, content: bytes) -> None:
    """As a deployment does: a server that maps the old file must not see it change."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.rename(path)


def test_where_the_native_front_is_missing_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gerank_server.fronts.is_built", lambda: False)
    assert _chosen(FrontChoice.AUTO) is Front.GRPCIO
    assert "no native front" in capsys.readouterr().err
    with pytest.raises(OptionError, match="'native' is not in this installation"):
        listen("127.0.0.1:0", front=_chosen(FrontChoice.NATIVE))


def test_what_traces_need_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gerank_server.otel", raising=False)
    exporter = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    for name in ("opentelemetry", exporter):  # the second one, where another test has loaded it
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OptionError, match=r"^otel_endpoint: opentelemetry.* is not installed: pip"):
        _traces("http://127.0.0.1:4318", None, Front.GRPCIO)


@pytest.mark.skipif(not is_built(), reason="the native front is not built")
def test_the_native_front_refuses_traces_before_it_looks_for_their_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gerank_server.otel", None)
    with pytest.raises(OptionError, match=r"--otel-endpoint\): only the front 'grpcio'"):
        _traces("http://127.0.0.1:4318", None, Front.NATIVE)


def test_a_port_in_use_is_named(journey: Journey, front: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--model", journey.model, "--port", port, "--front", front)
    assert result.code == 1
    assert f"127.0.0.1:{port}" in result.err
    assert "in use" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("address", ["127.0.0.1:{free}", "no.such.host.invalid:1", "nonsense"])
def test_a_server_that_is_not_there_is_named(
    requests_file: Path, tmp_path: Path, address: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
    address, target = address.format(free=free), tmp_path / "slates.jsonl"
    target.write_text("old")
    result = gerank("rerank", "--server", address, "--input", requests_file, "--output", target)
    assert result.code == 1
    assert f"server {address}: " in result.err
    assert "Traceback" not in result.err
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_batch = '64'", "max_batch: must be an integer in [1, 1000000], got '64'"),
        ("log_format = 'xml'", "log_format: must be text or json, got 'xml'"),
        ("models = {'a b' = 'f'}", "models: must be 1 to 128 printable ASCII characters"),
        ("models = []", "models: must be a table of names and files, got []"),
    ],
)
def test_a_wrong_option_of_server_toml_is_told_with_its_file(
    tmp_path: Path, text: str, told: str
) -> None:
    config = tmp_path / "server.toml"
    config.write_text(text)
    result = gerank("serve", "--config", config)
    assert result.code == 1
    assert f"{config}: {told}" in result.err
