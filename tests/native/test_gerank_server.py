"""The program gerank-server: no Python in it, signals obeyed, no call lost when it ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gerank.client import RerankClient
from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server.native import library_path
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.exposures.reading import read_folder
from tests.server.stand_in import StandIn
from tests.server.tls.certificates import Authority

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
METHOD = "/gerank.v1.RerankService/Rerank"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@contextmanager
def serving(model: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel]]:
    """The process, and a channel to it."""
    with running("--model", model, "--address", "127.0.0.1:0", *options) as served:
        yield served


@contextmanager
def running(*options: object) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel]]:
    """The program with these options and no others, and a channel to where it says it listens."""
    words = [PROGRAM, *options]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            with grpc.insecure_channel(address) as channel:
                yield process, channel
        finally:
            process.kill()


def _payload() -> bytes:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    return pb.RerankRequest(queries=[query]).SerializeToString()


def _ask(channel: grpc.Channel) -> str:
    response = pb.RerankResponse.FromString(channel.unary_unary(METHOD)(_payload(), timeout=30))
    return str(response.slates[0].model_version)


def _replace(path: Path, content: bytes) -> None:
    """As a deployment does: a server that maps the old file must not see it change."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.rename(path)


def _may_go_first() -> bool:
    lower = "import os; os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 5)"
    return subprocess.run([sys.executable, "-c", lower], capture_output=True).returncode == 0


def test_the_front_goes_before_the_workers_where_it_may(model: StandIn) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with serving(model.path, "--threads", 2) as (process, channel):
        _ask(channel)
        threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
        names = {tid: Path(f"/proc/{tid}/comm").read_text().strip() for tid in threads}
        nice = {tid: os.getpriority(os.PRIO_PROCESS, tid) for tid in threads}
        policy = {tid: os.sched_getscheduler(tid) for tid in threads}
    fronts = [tid for tid, name in names.items() if name == "gerank-front"]
    may = _may_go_first()
    assert len(fronts) == 2
    assert [nice[tid] for tid in fronts] == [usual - 5 if may else usual] * 2
    assert [policy[tid] for tid in fronts] == [os.SCHED_BATCH if may else os.SCHED_OTHER] * 2
    workers = [tid for tid, name in names.items() if name == "gerank-server"]
    assert len(workers) >= 2  # and the main thread
    assert {nice[tid] for tid in workers} == {usual}
    assert {policy[tid] for tid in workers} == {os.SCHED_OTHER}


def test_it_knows_nothing_of_python() -> None:
    for file in (PROGRAM, library_path()):
        libraries = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout
        assert "libnghttp2" in libraries and "libgerank_runtime" in libraries
        assert "libpython" not in libraries and "libtorch_python" not in libraries
        assert "libgrpc" not in libraries and "libprotobuf" not in libraries
        assert "libtorch" not in libraries and "libc10" not in libraries


def test_it_swaps_on_sighup_and_refuses_a_damaged_file(model: StandIn, tmp_path: Path) -> None:
    served, other = tmp_path / "served.gerank", StandIn(tmp_path, "other")
    served.write_bytes(model.path.read_bytes())
    with serving(served) as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        assert _ask(channel) == "stand-in-1"
        _replace(served, other.path.read_bytes())
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline().startswith("now serving other-1 on ")
        assert _ask(channel) == "other-1"
        _replace(served, model.path.read_bytes()[:5000])
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline().startswith(f"error: {served}: ")
        assert _ask(channel) == "other-1"


def test_it_speaks_tls_wants_a_token_and_reads_both_again_on_sighup(
    model: StandIn, tmp_path: Path
) -> None:
    authority, tokens = Authority(tmp_path, "house"), tmp_path / "tokens"
    identity = authority.issue()
    tokens.write_text("sesame\n")
    options = ("--tls-certificate", identity.certificate, "--tls-key", identity.key)
    more = ("--tls-client-ca", authority.certificate, "--token-file", tokens)
    client = authority.issue()
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(),
        client.key.read_bytes(),
        client.certificate.read_bytes(),
    )
    options += ("--log-level", "info")
    words = [PROGRAM, "--model", model.path, "--address", "0.0.0.0:0", *options, *more]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None and run.stderr is not None
            port = run.stdout.readline().split(":")[-1].strip()
            with RerankClient(
                f"localhost:{port}", credentials=credentials, token="sesame"
            ) as caller:
                assert caller.rerank([valid_document()])
                run.send_signal(signal.SIGHUP)
                while (line := run.stderr.readline()) != "info: TLS files read again\n":
                    assert line
                assert run.stderr.readline() == "info: tokens read again\n"
                assert run.stdout.readline().startswith("now serving stand-in-1 on ")
                assert caller.rerank([valid_document()])
        finally:
            run.kill()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_no_call_is_lost_when_it_ends(model: StandIn, end: signal.Signals) -> None:
    """Under load every call that reaches the server gets its slate; later ones find nobody."""
    with serving(model.path) as (process, channel), ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(_call_until_refused, channel) for _ in range(8)]
        for caller in callers:
            assert not caller.done()
        process.send_signal(end)
        for code, words in (caller.result(timeout=60) for caller in callers):
            assert code is grpc.StatusCode.UNAVAILABLE
            assert "failed to connect" in words, "the server took the call and did not serve it"
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None and process.stderr.read() == ""


def test_a_second_signal_ends_it_at_once(model: StandIn) -> None:
    with serving(model.path, "--grace-s", 60) as (process, channel):
        model.reset()
        model.hold()
        call = channel.unary_unary(METHOD).future(_payload(), timeout=30)
        model.await_forwards(1)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None and process.stdout.readline() == "draining\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM
        assert call.exception(timeout=10).code() is grpc.StatusCode.UNAVAILABLE
    model.release()


def test_before_it_stops_it_serves_on_as_one_that_will(model: StandIn) -> None:
    with serving(model.path, "--pre-stop-delay-s", 2) as (process, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert _ask(channel) == "stand-in-1"
        assert process.wait(timeout=30) == 0


def test_it_takes_the_descriptors_that_the_system_grants(model: StandIn) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serving(model.path) as (process, _):
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _call_until_refused(channel: grpc.Channel) -> tuple[grpc.StatusCode, str]:
    """Code and text of the first call that got no slate."""
    rerank, payload = channel.unary_unary(METHOD), _payload()
    while True:
        try:
            assert pb.RerankResponse.FromString(rerank(payload, timeout=30)).slates
        except grpc.RpcError as error:
            return error.code(), error.details()


def test_it_writes_answered_calls_down(model: StandIn, tmp_path: Path) -> None:
    with serving(model.path, "--exposures", tmp_path, "--exposure-file-s", 60) as (
        process,
        channel,
    ):
        metadata = (("x-request-id", "visit-1"),)
        channel.unary_unary(METHOD)(_payload(), timeout=20, metadata=metadata)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    (record,) = read_folder(tmp_path)
    assert record.request_id == "visit-1"
    assert [path.name for path in tmp_path.glob("*.json")] == [
        f"contract-{model.model_version}.json"
    ]
