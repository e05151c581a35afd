"""gerank.v1.RerankService: bytes in, bytes out; the engine does the work in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.protobuf.message import DecodeError, Message

from gerank._engine import Engine, Query, Ranker, StatusError
from gerank.data.request import RequestError
from gerank.proto import rerank_pb2 as pb
from gerank_server.errors import BusyError, NotFoundError, NotServingError, with_status
from gerank_server.messages import query_of_message, response_of_answer, statistics_of_counts

SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name


class RerankServicer:
    """Passes calls to an engine. Thread-safe: any number of calls at once.

    Args:
        engine: What answers.
        max_queries: Most queries in one call.
        most_open: Rerank calls that may be open at once; one more is refused unread.
        retry_after_s: When its caller should come again.
    """

    def __init__(
        self, engine: Engine, max_queries: int, most_open: int, retry_after_s: float
    ) -> None:
        self._engine = engine
        self._max_queries = max_queries
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
        """The service for a grpc.Server. Calls are parsed here, so that garbage has our status."""
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
        with self._counted() as open_calls:
            if open_calls > self._most_open:
                raise BusyError(self._retry_after_s)
            message = pb.RerankRequest()
            with self._refusals_counted(message):
                queries = self._queries(payload, message)
            call = self._engine.call(
                queries,
                model=message.model,
                version=message.version,
                timeout_s=context.time_remaining(),
            )

            def drop() -> None:  # called when the call ends: answered, expired, or its caller gone
                left = context.time_remaining()
                if left is None or left > 0:  # the engine counts what expired by itself
                    call.cancel()

            call.submit()
            if not context.add_callback(drop):
                drop()
            return response_of_answer(message, call.wait()).SerializeToString()

    def _queries(self, payload: bytes, message: pb.RerankRequest) -> list[Query]:
        """Parses into `message`; the engine checks what the queries say."""
        _parse(payload, message)
        count = len(message.queries)
        if not 1 <= count <= self._max_queries:
            raise RequestError("queries", count, f"must be 1 to {self._max_queries}")
        return [query_of_message(index, query) for index, query in enumerate(message.queries)]

    @contextmanager
    def _refusals_counted(self, message: pb.RerankRequest) -> Iterator[None]:
        """The engine counts what it refuses itself; what never comes to it is counted here."""
        try:
            yield
        except (RequestError, StatusError):
            self._engine.count_refusal("INVALID_ARGUMENT", len(message.queries))
            raise

    def _describe(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        message = pb.DescribeRequest()
        _parse(payload, message)
        ranker = self._find(message.model, message.version)
        return pb.DescribeResponse(
            model_version=ranker.model_version, contract_json=ranker.contract_json
        ).SerializeToString()

    def _statistics(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        return statistics_of_counts(self._engine.stats()).SerializeToString()

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


def _parse(payload: bytes, message: Message) -> None:
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        rule = f"must be a {message.DESCRIPTOR.full_name}"
        raise RequestError("request", f"{len(payload)} other bytes", rule) from error
