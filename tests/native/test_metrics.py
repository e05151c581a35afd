"""The metrics of gerank-server: each number is what was done, and reading them harms nobody."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server.native import library_path
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.native.metrics_client import await_page, scrape
from tests.native.test_gerank_server import serving
from tests.server.raw_calls import RERANK, health
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
PROMTOOL = shutil.which("promtool")
SERVICE = "gerank.v1.RerankService"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture
def model(built: StandIn) -> StandIn:
    built.release()
    built.fail(False)
    return built


@contextmanager
def observed(
    model: Path, *options: object
) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel, str]]:
    """The process, a channel to it, and the address of its metrics."""
    with serving(model, "--metrics-address", "127.0.0.1:0", *options) as (process, channel):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("metrics on "), line
        yield process, channel, line.split()[-1]


def _request(queries: int = 1, candidates: int = 8, **fields: object) -> bytes:
    document = valid_document() | fields
    document["candidates"] = document["candidates"][:candidates]
    query = query_from_request(parse_request(document, CONTRACT))
    return pb.RerankRequest(queries=[query] * queries).SerializeToString()


def _call(channel: grpc.Channel, payload: bytes, method: str = RERANK, timeout: float = 20) -> str:
    """The name of the status that a call ends with."""
    try:
        channel.unary_unary(method)(payload, timeout=timeout)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_every_outcome_is_counted_where_it_belongs(model: StandIn) -> None:
    with observed(model.path) as (_, channel, address):
        assert [_call(channel, _request(queries)) for queries in (1, 2, 4)] == ["OK"] * 3
        assert [_call(channel, b"\xff garbage") for _ in range(2)] == ["INVALID_ARGUMENT"] * 2
        elsewhere = pb.RerankRequest.FromString(_request())
        elsewhere.model = "elsewhere"
        assert _call(channel, elsewhere.SerializeToString()) == "NOT_FOUND"
        model.fail(True)
        assert _call(channel, _request(3)) == "INTERNAL"
        model.fail(False)
        assert _call(channel, b"", f"/{SERVICE}/Nothing") == "UNIMPLEMENTED"
        assert health(channel) == 1
        model.hold()
        running = channel.unary_unary(RERANK).future(_request(), timeout=30)
        await_page(address, lambda page: page("gerank_running_batches") == 1)
        assert _call(channel, _request(2), timeout=0.2) == "DEADLINE_EXCEEDED"
        left = channel.unary_unary(RERANK).future(_request(5), timeout=30)
        waiting = await_page(address, lambda page: page("gerank_queued_queries") == 5)
        assert waiting("gerank_streams") == 2
        left.cancel()
        await_page(address, lambda page: page("gerank_queued_queries") == 0)
        model.release()
        running.result(timeout=20)
        page = await_page(address, lambda page: page("gerank_streams") == 0)

    def calls(method: str) -> dict[str, float]:
        found = {
            dict(labels)["code"]: value
            for (name, labels), value in page.samples.items()
            if name == "gerank_calls_total" and dict(labels)["method"] == method and value > 0
        }
        # The caller or the server hears first of a deadline that has passed.
        late = found.pop("DEADLINE_EXCEEDED", 0) + found.pop("CANCELLED", 0)
        return found | ({"late or left": late} if late else {})

    assert calls(f"{SERVICE}/Rerank") == {
        "OK": 4,
        "INVALID_ARGUMENT": 2,
        "NOT_FOUND": 1,
        "INTERNAL": 1,
        "late or left": 2,
    }
    assert calls("unknown") == {"UNIMPLEMENTED": 1}
    assert calls("grpc.health.v1.Health/Check") == {"OK": 1}
    outcomes = {"answered": 8, "malformed": 3, "failed": 3, "refused": 0}
    for outcome, count in outcomes.items():
        assert page("gerank_queries_total", outcome=outcome) == count, outcome
    expired = page("gerank_queries_total", outcome="expired")
    assert expired in (0, 2)
    assert page("gerank_queries_total", outcome="cancelled") == 5 + 2 - expired
    of_the_model = {"model": "default", "version": model.model_version}
    assert page("gerank_model_queries_total", outcome="answered", **of_the_model) == 8
    assert page("gerank_model_queries_total", outcome="failed", **of_the_model) == 3
    assert page("gerank_accepted_queries_total") == 8 + 3 + 2 + 5
    assert page("gerank_batch_queries_sum") == 8 + 3
    assert page("gerank_queue_seconds_count") == 8 + 3
    assert page("gerank_connections") == page("gerank_connections_opened_total") == 1
    assert page("gerank_streams_opened_total") == 3 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1
    assert page("gerank_buffer_bytes") == 0
    assert page("gerank_buffer_limit_bytes") == 256 << 20
    assert page("gerank_queue_limit_queries") == 1024


def test_refused_queries_and_a_full_buffer_are_seen(model: StandIn) -> None:
    options = ("--max-queue", 4, "--max-queries", 4)
    with observed(model.path, *options) as (_, channel, address):
        model.hold()
        calls = [channel.unary_unary(RERANK).future(_request(1), timeout=30)]
        await_page(address, lambda page: page("gerank_running_batches") == 1)
        calls.append(channel.unary_unary(RERANK).future(_request(3), timeout=30))
        page = await_page(address, lambda page: page("gerank_queued_queries") == 3)
        held = sum(len(_request(queries)) for queries in (1, 3))
        assert page("gerank_buffer_bytes") == held
        assert _call(channel, _request(2)) == "RESOURCE_EXHAUSTED"
        model.release()
        for call in calls:
            call.result(timeout=20)
        page = scrape(address)
        assert page("gerank_queries_total", outcome="refused") == 2
        code = {"method": f"{SERVICE}/Rerank", "code": "RESOURCE_EXHAUSTED"}
        assert page("gerank_calls_total", **code) == 1


def test_padding_and_rules_are_counted(model: StandIn) -> None:
    with observed(model.path) as (_, channel, address):
        two_sizes = pb.RerankRequest.FromString(_request())
        plain = {"pins": {}, "slots": 3, "spacing": [], "quotas": []}
        two_sizes.queries.extend(
            pb.RerankRequest.FromString(_request(candidates=4, **plain)).queries
        )
        reply = channel.unary_unary(RERANK)(two_sizes.SerializeToString(), timeout=20)
        slates = pb.RerankResponse.FromString(reply).slates
        page = scrape(address)
    assert page("gerank_batch_candidates_total") == 8 + 4
    assert page("gerank_batch_rows_total") == 2 * 8
    relaxed = sum(len(slate.relaxed) for slate in slates)
    assert relaxed > 0
    assert page("gerank_relaxed_slots_total") == relaxed
    assert page("gerank_unmet_rules_total") == sum(len(slate.unmet) for slate in slates)


def test_a_swap_and_a_refused_model_are_told(model: StandIn, tmp_path: Path) -> None:
    served, other = tmp_path / "served.gerank", StandIn(tmp_path, "other")
    served.write_bytes(model.path.read_bytes())
    with observed(served) as (process, channel, address):
        page = scrape(address)
        first = {"model": "default", "current": "true", "default": "true"}
        first |= {"implementation": "torchscript", "precision": "float32", "device": "cpu"}
        assert page("gerank_model_info", version="stand-in-1", **first) == 1
        assert page("gerank_last_load_success") == 1
        assert 0 < page("gerank_last_load_duration_seconds") < 60
        other.path.rename(served)
        process.send_signal(signal.SIGHUP)
        page = await_page(
            address,
            lambda page: page("gerank_model_loads_total", model="default", result="loaded") == 2,
        )
        page = await_page(
            address, lambda page: page("gerank_model_info", version="other-1", **first) == 1
        )
        assert page("gerank_model_info", version="stand-in-1", **first) == 0
        loaded = page("gerank_last_load_timestamp_seconds")
        assert abs(loaded - time.time()) < 60
        damaged = tmp_path / "damaged"
        damaged.write_bytes(served.read_bytes()[:5000])
        damaged.rename(served)
        process.send_signal(signal.SIGHUP)
        page = await_page(
            address,
            lambda page: page("gerank_model_loads_total", model="default", result="refused") == 1,
        )
        assert page("gerank_last_load_success") == 0
        assert page("gerank_last_load_timestamp_seconds") > loaded
        assert page("gerank_model_info", version="other-1", **first) == 1
        assert _call(channel, _request()) == "OK"


def test_the_process_tells_of_itself(model: StandIn) -> None:
    began = time.time()
    with observed(model.path) as (process, channel, address):
        health(channel)
        page = scrape(address)
        descriptors = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert abs(page("process_open_fds") - descriptors) <= 1  # the scraper's own
        with ExitStack() as stack:
            port = int(address.rpartition(":")[2])
            for _ in range(10):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            await_page(address, lambda page: page("process_open_fds") >= descriptors + 9)
        status = Path(f"/proc/{process.pid}/status").read_text()
        [resident_kb] = re.findall(r"VmRSS:\s+(\d+) kB", status)
        assert page("process_resident_memory_bytes") == pytest.approx(
            int(resident_kb) * 1024, rel=0.1
        )
        assert page("process_max_fds") >= 256
        assert began - 1 <= page("process_start_time_seconds") <= time.time() + 1
        assert page("process_cpu_seconds_total") > 0


def test_buckets_only_grow_and_end_with_all(model: StandIn) -> None:
    with observed(model.path) as (_, channel, address):
        for queries in (1, 2, 30):
            assert _call(channel, _request(queries)) == "OK"
        page = scrape(address)
    for family, kind in page.types.items():
        if kind != "histogram":
            continue
        buckets = [
            (float(dict(labels)["le"]), value)
            for (name, labels), value in page.samples.items()
            if name == f"{family}_bucket"
        ]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), family
        counts = [count for _, count in buckets]
        assert counts == sorted(counts) and counts[-1] == page(f"{family}_count") > 0, family
    assert page("gerank_batch_queries_bucket", le="1.0") == 1
    assert page("gerank_batch_queries_bucket", le="2.0") == 2
    assert page("gerank_batch_queries_bucket", le="16.0") == 2
    assert page("gerank_batch_queries_bucket", le="32.0") == 3


def test_reading_them_under_load_fails_no_call(model: StandIn) -> None:
    payload, over = _request(), threading.Event()

    def ask(channel: grpc.Channel) -> int:
        count = 0
        while not over.is_set():
            assert _call(channel, payload) == "OK"
            count += 1
        return count

    with observed(model.path) as (_, channel, address), ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(ask, channel) for _ in range(4)]
        answered = [scrape(address)("gerank_queries_total", outcome="answered") for _ in range(200)]
        over.set()
        asked = sum(caller.result(timeout=60) for caller in callers)
        last = await_page(address, lambda page: page("gerank_streams") == 0)
    assert answered == sorted(answered) and answered[-1] > answered[0]
    assert last("gerank_queries_total", outcome="answered") == asked


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: apt-get install prometheus")
def test_promtool_has_nothing_to_say_against_the_metrics(model: StandIn) -> None:
    with observed(model.path) as (_, channel, address):
        assert _call(channel, _request(2)) == "OK"
        page = scrape(address)
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=page.text, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
