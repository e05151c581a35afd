"""The threads of the front in Python: as many as calls are open, up to a limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

_IDLE_S = 10.0
"""A thread without work ends after so many seconds."""
_SPARE = 8
"""Threads beyond the limit, which refuse calls: that takes no time, and no call rests on them."""

_Work = tuple[Future[Any], Callable[[], Any]]


class CallThreads(Executor):
    """Runs every call on a thread of its own. Thread-safe.

    grpcio waits for a call's message, and for a stream's next one, on the thread of the call. With
    a fixed number of threads, as many idle clients would keep everybody else out. The threads are
    daemons: a stream that nobody ends does not keep the process from its end.

    Attributes:
        most: Calls that may be open at once. It is for the front to refuse others: see `full`.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        self._threads = 0

    @property
    def full(self) -> bool:
        """Whether as many calls are open as may be."""
        return self._open >= self.most

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """Runs `function` on a thread that no other call holds."""
        future: Future[Any] = Future()
        with self._lock:
            self._open += 1
            self._work.put((future, lambda: function(*args, **keywords)))
            one_more = self._threads < min(self._open, self.most + _SPARE)
            self._threads += one_more
        if one_more:
            self._start_thread()
        return future

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="gerank-call", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            with self._lock:
                self._threads -= 1
                none_left = self._threads == 0
            if none_left:
                raise
            # Otherwise a thread that has ended its call does the work.

    def _run(self) -> None:
        while True:
            try:
                future, work = self._work.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._open < self._threads:
                        self._threads -= 1
                        return
                continue
            _run_one(future, work, self._ended)

    def _ended(self) -> None:
        with self._lock:
            self._open -= 1


def _run_one(future: Future[Any], work: Callable[[], Any], ended: Callable[[], None]) -> None:
    """Runs in a frame of its own: a thread that waits must hold nothing of the call before."""
    try:
        result = work()
    except BaseException as error:
        ended()
        future.set_exception(error)
    else:
        ended()
        future.set_result(result)
