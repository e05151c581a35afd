"""Spans of calls in the front in Python: what they tell, and that they cost no call."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import grpc
import pytest

pytest.importorskip("opentelemetry.sdk", reason="gerank[otel] is not installed")
pytest.importorskip("opentelemetry.exporter.otlp", reason="gerank[otel] is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gerank.client import RerankClient, ServerError
from gerank.data.request import RequestError
from gerank_server import Front, OptionError, serve
from gerank_server.otel import OtelTraces
from tests.cli.command import run, start
from tests.data.bad_requests import valid_document
from tests.server.stand_in import StandIn

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def traced(model: StandIn, exporter: SpanExporter, share: float = 1.0) -> Iterator[Any]:
    """A client of a server whose calls are traced, and the traces."""
    with (
        OtelTraces(exporter, share) as traces,
        serve(model.path, "127.0.0.1:0", None, Front.GRPCIO, traces) as server,
        RerankClient(f"127.0.0.1:{server.port}", timeout_s=20) as client,
    ):
        yield client, traces


def traceparent(sampled: bool) -> list[tuple[str, str]]:
    return [("traceparent", f"00-{TRACE}-{PARENT}-0{int(sampled)}")]


def spans_of(exporter: InMemorySpanExporter) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in exporter.get_finished_spans()]


def test_a_span_tells_what_answered_and_where_the_time_went(model: StandIn) -> None:
    exporter = InMemorySpanExporter()
    with traced(model, exporter) as (client, traces):
        client.rerank([valid_document()] * 3, metadata=[("x-request-id", "visit-17")])
    (span,) = exporter.get_finished_spans()
    assert span.name == "gerank.v1.RerankService/Rerank"
    assert span.kind is SpanKind.SERVER and span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    (told,) = spans_of(exporter)
    times = {name: told.pop(f"gerank.{name}") for name in ("queue_us", "batch_us", "model_us")}
    assert told == {
        "rpc.system": "grpc",
        "rpc.service": "gerank.v1.RerankService",
        "rpc.method": "Rerank",
        "rpc.grpc.status_code": 0,
        "gerank.request_id": "visit-17",
        "gerank.model": "",
        "gerank.model_version": model.model_version,
        "gerank.queries": 3,
    }
    assert times["model_us"] > 0
    assert span.end_time is not None and span.start_time is not None
    assert sum(times.values()) <= (span.end_time - span.start_time) / 1000
    assert span.resource.attributes["service.name"] == "gerank"
    assert traces.statistics() == {"exported": 1, "lost": 0}


def test_the_environment_names_the_service(model: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "feed")
    exporter = InMemorySpanExporter()
    with traced(model, exporter) as (client, _):
        client.rerank([valid_document()])
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "feed"


def test_a_callers_trace_goes_on_and_its_decision_holds(model: StandIn) -> None:
    exporter = InMemorySpanExporter()
    with traced(model, exporter, share=0.0) as (client, _):
        client.rerank([valid_document()])
        client.rerank([valid_document()], metadata=traceparent(sampled=True))
        client.rerank([valid_document()], metadata=[("traceparent", "nonsense")])
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    exporter = InMemorySpanExporter()
    with traced(model, exporter, share=1.0) as (client, _):
        client.rerank([valid_document()], metadata=traceparent(sampled=False))
    assert exporter.get_finished_spans() == ()


def test_calls_that_fail_have_the_code_and_not_the_text(model: StandIn) -> None:
    exporter = InMemorySpanExporter()
    with traced(model, exporter) as (client, _):
        with pytest.raises(RequestError):
            client.rerank([valid_document() | {"slots": 99}], metadata=traceparent(sampled=True))
        model.fail(True)
        with pytest.raises(ServerError):
            client.rerank([valid_document()])
        model.fail(False)
    codes = [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL]
    spans = exporter.get_finished_spans()
    assert [span["rpc.grpc.status_code"] for span in spans_of(exporter)] == [
        code.value[0] for code in codes
    ]
    assert [span.status.status_code for span in spans] == [StatusCode.UNSET, StatusCode.ERROR]
    for span in spans:
        assert not span.events and not span.status.description
        assert "gerank.queries" not in (span.attributes or {})


class Held(SpanExporter):
    """An exporter that hangs until it is shut down."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.released.wait(60)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.released.set()


def test_an_exporter_that_hangs_holds_no_call_up(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank_server.span_queue._MOST_WAITING", 5)
    monkeypatch.setattr("gerank_server.span_queue._DELAY_S", 0.0)
    monkeypatch.setattr("gerank_server.span_queue._CLOSE_S", 0.2)
    exporter = Held()
    with traced(model, exporter) as (client, traces):
        client.rerank([valid_document()])
        assert exporter.entered.wait(10)
        for _ in range(9):
            client.rerank([valid_document()])
        assert traces.statistics() == {"exported": 0, "lost": 4}
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert traces.statistics() == {"exported": 0, "lost": 10}


class Broken(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise RuntimeError("no route")


def test_an_exporter_that_raises_costs_its_spans_alone(model: StandIn) -> None:
    with traced(model, Broken()) as (client, traces):
        for _ in range(3):
            assert client.rerank([valid_document()])
    assert traces.statistics() == {"exported": 0, "lost": 3}


def test_a_collector_that_is_away_costs_its_spans_alone(model: StandIn) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with (
        OtelTraces.over_http(f"http://127.0.0.1:{port}", 1.0) as traces,
        serve(model.path, "127.0.0.1:0", None, Front.GRPCIO, traces) as server,
        RerankClient(f"127.0.0.1:{server.port}", timeout_s=20) as client,
    ):
        assert client.rerank([valid_document()])
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert traces.statistics() == {"exported": 0, "lost": 1}


class Collector(BaseHTTPRequestHandler):
    """Keeps the spans that are posted to /v1/traces."""

    spans: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


def test_gerank_serve_sends_spans_to_a_collector_and_tells_how_many(model: StandIn) -> None:
    Collector.spans.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{collector.server_port}/"
        words = ("--front", "grpcio", "--port", 0, "--otel-endpoint", url, "--otel-share", 1)
        with start("serve", "--model", model.path, *words) as process:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            with RerankClient(address, timeout_s=20) as client:
                client.rerank([valid_document()], metadata=traceparent(sampled=True))
                client.rerank([valid_document()])
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
        collector.shutdown()
    assert process.returncode == 0
    assert "traces: 2 spans exported, 0 lost" in out
    first, second = Collector.spans
    assert first.trace_id.hex() == TRACE and first.parent_span_id.hex() == PARENT
    assert second.trace_id.hex() != TRACE and not second.parent_span_id


def test_the_native_front_refuses_traces_by_name(model: StandIn) -> None:
    with (
        OtelTraces(InMemorySpanExporter(), 1.0) as traces,
        pytest.raises(OptionError, match=r"^traces \(--otel-endpoint\): only the front 'grpcio'"),
    ):
        serve(model.path, "127.0.0.1:0", None, Front.NATIVE, traces)
    said = run("serve", "--model", model.path, "--front", "native", "--otel-endpoint", "http://c:1")
    assert said.code == 1 and "traces (--otel-endpoint): only the front 'grpcio'" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--otel-endpoint", "collector:4318"), "otel_endpoint: must be a URL of http or https"),
        (("--otel-share", 0.5), "otel_share: is of no use without otel_endpoint, got 0.5"),
    ],
)
def test_options_that_say_nothing_are_refused_by_name(
    model: StandIn, words: tuple[object, ...], told: str
) -> None:
    said = run("serve", "--model", model.path, "--front", "grpcio", "--port", 0, *words)
    assert said.code == 1
    assert told in said.err and "Traceback" not in said.err
