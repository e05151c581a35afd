"""gerank.v1.RerankService: bytes in, bytes out; the engine does the work in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gerank._engine import Engine, Ranker
from gerank.data.request import RequestError
from gerank.proto import rerank_pb2 as pb
from gerank_server.errors import BusyError, NotFoundError, NotServingError, with_status
from gerank_server.exposures import Exposures
from gerank_server.traces import Traces

SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name


class RerankServicer:
    """Passes calls to an engine. Thread-safe: any number of calls at once.

    Args:
        engine: What answers.
        most_open: Rerank calls that may be open at once; one more is refused unread.
        retry_after_s: When its caller should come again.
        exposures: Where answered calls are written down.
        traces: What makes their spans.
    """

    def __init__(
        self,
        engine: Engine,
        most_open: int,
        retry_after_s: float,
        exposures: Exposures,
        traces: Traces,
    ) -> None:
        self._engine = engine
        self._exposures, self._traces = exposures, traces
        self._most_open = most_open
        self._retry_after_s = retry_after_s
        self._draining = False
        self._lock = threading.Lock()
        self._open = 0
        self._arrivals = itertools.count(1)
        self.arrived = 0

    @property
    def open_calls(self) -> int:
        """Rerank calls that have arrived and were not yet answered."""
        return self._open

    def drain(self) -> None:
        """Refuses Describe from now on; Rerank is the engine's to refuse."""
        self._draining = True

    def handlers(self) -> grpc.GenericRpcHandler:
        """The service for a grpc.Server. Bytes come here, so that garbage has our status."""
        methods = {
            "Rerank": self._rerank,
            "Describe": self._describe,
            "Statistics": self._statistics,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(with_status(method))
                for name, method in methods.items()
            },
        )

    def _rerank(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        with self._traces.call_span(context) as span, self._counted() as open_calls:
            if open_calls > self._most_open:
                raise BusyError(self._retry_after_s)
            call = self._engine.serve(payload, context.time_remaining())

            def drop() -> None:  # called when the call ends: answered, expired, or its caller gone
                left = context.time_remaining()
                if left is None or left > 0:  # the engine counts what expired by itself
                    call.cancel()

            call.submit()
            if not context.add_callback(drop):
                drop()
            answer = call.wait()
            span.answered(call.model, call.model_version, answer)
            self._exposures.record(call, payload, answer, context)
            return answer

    def _describe(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            message = pb.DescribeRequest.FromString(payload)
        except DecodeError as error:
            rule = "must be a gerank.v1.DescribeRequest"
            raise RequestError("request", f"{len(payload)} other bytes", rule) from error
        ranker = self._find(message.model, message.version)
        return pb.DescribeResponse(
            model_version=ranker.model_version, contract_json=ranker.contract_json
        ).SerializeToString()

    def _statistics(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        counts, exposures = self._engine.stats(), self._exposures.statistics()
        for name in ("written", "lost"):
            counts[f"exposures_{name}"] = exposures.get(name, 0)
        return _statistics_of_counts(counts).SerializeToString()

    def _find(self, model: str, version: str) -> Ranker:
        if self._draining:
            raise NotServingError("the server is draining")
        ranker = self._engine.find(model, version)
        if ranker is not None:
            return ranker
        if not self._engine.models():
            raise NotServingError("the model is still being loaded")
        raise NotFoundError(f"no model '{model}' of version '{version}' is served here")

    @contextmanager
    def _counted(self) -> Iterator[int]:
        """Lends the number of open calls, this one included."""
        with self._lock:
            self._open += 1
            self.arrived = next(self._arrivals)
            open_calls = self._open
        try:
            yield open_calls
        finally:
            with self._lock:
                self._open -= 1


def _statistics_of_counts(counts: Mapping[str, Any]) -> pb.StatisticsResponse:
    """The message that tells counters by the names of its fields."""
    fields: dict[str, Any] = {
        name: pb.Histogram(**value) if isinstance(value, dict) else value
        for name, value in counts.items()
    }
    return pb.StatisticsResponse(**fields)
