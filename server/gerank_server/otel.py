"""Calls as spans of OpenTelemetry, for those who installed gerank[otel]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gerank.proto import rerank_pb2 as pb
from gerank.version import __version__
from gerank_server.call_metadata import REQUEST_ID, first_text
from gerank_server.errors import code_of
from gerank_server.span_queue import SpanQueue

_SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name
_METHOD = "Rerank"
_PARENT = ("traceparent", "tracestate")
_FAULTS = frozenset(
    {
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    }
)
"""Codes that OpenTelemetry's conventions count as a server's errors; others are the caller's."""


class OtelTraces:
    """Makes a span of each sampled Rerank call, and hands it to an exporter. Thread-safe.

    Spans have the caller's `traceparent` as their parent. Where the caller says whether its trace
    is sampled, that holds; else the share decides, by the trace's id. As a context manager it is
    closed at the end of the block, which belongs around that of the server.

    Args:
        exporter: What spans are handed to, on a thread of its own.
        share: Share of the traces that begin here, 0 to 1.
    """

    def __init__(self, exporter: SpanExporter, share: float) -> None:
        self._queue = SpanQueue(exporter)
        own = Resource({"service.name": "gerank", "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=own.merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("gerank_server", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def over_http(cls, endpoint: str, share: float) -> Self:
        """Sends spans as OTLP over HTTP; `OTEL_EXPORTER_OTLP_*` say headers, timeout, TLS.

        Args:
            endpoint: Base URL of a collector, such as `http://127.0.0.1:4318`.
            share: As above.
        """
        return cls(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"), share)

    @contextmanager
    def call_span(self, context: grpc.ServicerContext) -> Iterator[OtelSpan]:
        """The span of a call; an exception of the block ends it with that exception's code."""
        metadata = context.invocation_metadata()
        parent = {name: text for name in _PARENT if (text := first_text(metadata, name))}
        span = self._tracer.start_span(
            f"{_SERVICE}/{_METHOD}",
            self._propagator.extract(parent),
            SpanKind.SERVER,
            {"rpc.system": "grpc", "rpc.service": _SERVICE, "rpc.method": _METHOD},
        )
        request_id = first_text(metadata, REQUEST_ID)
        if request_id:
            span.set_attribute("gerank.request_id", request_id)
        try:
            yield OtelSpan(span)
        except Exception as error:
            _set_code(span, code_of(error))
            raise
        else:
            _set_code(span, grpc.StatusCode.OK)
        finally:
            span.end()

    def statistics(self) -> dict[str, int]:
        """Counts of spans: `exported` and `lost`."""
        return self._queue.statistics()

    def close(self) -> None:
        """Exports what waits, for two seconds at most."""
        self._provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OtelSpan:
    """The span of one call."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, model: str, model_version: str, answer: bytes) -> None:
        """Says what answered, and where the time went; reads the answer only if it is sampled."""
        if not self._span.is_recording():
            return
        response = pb.RerankResponse.FromString(answer)
        timing = response.timing
        self._span.set_attributes(
            {
                "gerank.model": model,
                "gerank.model_version": model_version,
                "gerank.queries": len(response.slates),
                "gerank.queue_us": timing.queue_us,
                "gerank.batch_us": timing.batch_us,
                "gerank.model_us": timing.model_us,
            }
        )


def _set_code(span: Span, code: grpc.StatusCode) -> None:
    """The status, without its text: that may hold what the request says."""
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if code in _FAULTS:
        span.set_status(StatusCode.ERROR)
