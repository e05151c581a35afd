"""What is told of each call as it begins and ends; by default nothing is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import grpc


class CallSpan(Protocol):
    """One call of RerankService/Rerank, from its first byte read to its answer."""

    def answered(self, model: str, model_version: str, answer: bytes) -> None:
        """Says what answered the call, and with which RerankResponse."""


class Traces(Protocol):
    """Makes the spans of calls. Thread-safe; no method waits or raises on account of them."""

    def call_span(self, context: grpc.ServicerContext) -> AbstractContextManager[CallSpan]:
        """The span of a call that is open as long as the block; an error of the block is its."""


class NoTraces:
    """Makes no spans."""

    def call_span(self, context: grpc.ServicerContext) -> AbstractContextManager[CallSpan]:
        """A span that nobody hears of."""
        return nullcontext(_NOTHING)


class _Nothing:
    def answered(self, model: str, model_version: str, answer: bytes) -> None:
        pass


_NOTHING = _Nothing()
