"""Streams of the front in Python: they may rest as long as their clients like, so they are few."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from grpc_status import rpc_status

from gerank_server.errors import BusyError, status_of

Stream = Callable[[Any, grpc.ServicerContext], Iterator[Any]]


class StreamLimit:
    """How many streams may be open at once. Thread-safe.

    Args:
        most: Streams.
        retry_after_s: When the client of one more should come again.
    """

    def __init__(self, most: int, retry_after_s: float) -> None:
        self._left = threading.Semaphore(most)
        self._retry_after_s = retry_after_s

    def held_by(self, stream: Stream) -> Stream:
        """The same handler, which holds one of the streams until it ends, or is refused."""

        @functools.wraps(stream)
        def held(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            if not self._left.acquire(blocking=False):
                refusal = status_of(BusyError(self._retry_after_s))
                context.abort_with_status(rpc_status.to_status(refusal))
            try:
                yield from stream(request, context)
            finally:
                self._left.release()

        return held
