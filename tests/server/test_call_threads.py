"""The threads that calls of the front in Python run on."""

from __future__ import annotations

import threading

import pytest

from gerank_server.call_threads import CallThreads


def test_threads_are_lent_again_and_are_not_more_than_calls() -> None:
    threads = CallThreads(most=3)
    used = {threads.submit(threading.get_ident).result(timeout=5) for _ in range(20)}
    assert len(used) <= 2
    gate = threading.Event()
    held = [threads.submit(gate.wait, 10) for _ in range(3)]
    assert threads.full
    gate.set()
    assert all(future.result(timeout=5) for future in held)
    assert not threads.full
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(timeout=5)
