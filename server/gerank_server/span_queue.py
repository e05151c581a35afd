"""Ended spans on their way to an exporter: no call ever waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 2048
_MOST_AT_ONCE = 512
_DELAY_S = 1.0
_CLOSE_S = 2.0


class SpanQueue(SpanProcessor):
    """Hands ended spans to an exporter on a thread of its own. Thread-safe.

    The batching processor of the SDK does not tell how many spans it dropped, and waits up to half
    a minute for an exporter when it is shut down.

    Args:
        exporter: It is called on that thread alone, and may take its time.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._changed = threading.Condition()
        self._waiting: deque[ReadableSpan] = deque()
        self._ended = self._exported = self._lost = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="gerank-spans", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is done when a span begins."""

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span if there is room; else it is lost, and counted."""
        with self._changed:
            self._ended += 1
            if self._closed or len(self._waiting) == _MOST_WAITING:
                self._lost += 1
                return
            self._waiting.append(span)
            if len(self._waiting) in (1, _MOST_AT_ONCE):
                self._changed.notify()

    def statistics(self) -> dict[str, int]:
        """Counts of spans: `exported`, and `lost`, since the queue was full or the exporter failed.

        Once closed, every span that has ended is one or the other.
        """
        with self._changed:
            lost = self._ended - self._exported if self._closed else self._lost
            return {"exported": self._exported, "lost": lost}

    def shutdown(self) -> None:
        """Exports what waits, for two seconds at most; what then still waits is lost."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_S)
        with self._changed:
            self._waiting.clear()
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Does nothing: spans wait for a second at most."""
        return True

    def _run(self) -> None:
        while batch := self._next_batch():
            succeeded = self._export(batch)
            with self._changed:
                if succeeded:
                    self._exported += len(batch)
                else:
                    self._lost += len(batch)

    def _next_batch(self) -> list[ReadableSpan]:
        """What has ended, once a second or as soon as it is many; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(
                lambda: len(self._waiting) >= _MOST_AT_ONCE or self._closed, _DELAY_S
            )
            count = min(len(self._waiting), _MOST_AT_ONCE)
            return [self._waiting.popleft() for _ in range(count)]

    def _export(self, batch: list[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # whatever an exporter raises, the thread goes on
            _LOG.exception("%d spans were not exported", len(batch))
            return False
