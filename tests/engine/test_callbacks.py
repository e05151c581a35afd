"""Callbacks, waiting and Ctrl-C, from Python, with a real artifact."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gerank.engine import Call, Engine, EngineOptions, StatusError
from gerank.export.artifact import Artifact
from tests.cli.command import environment
from tests.data.bad_requests import valid_document
from tests.engine.test_python import plain, stand_in
from tests.export.conftest import written  # noqa: F401  fixture

WAIT_S = 30.0

INTERRUPTED = """
import json, os, signal, sys, threading, time
from gerank.engine import Engine, EngineOptions
from gerank import _engine
from gerank.ranker import Ranker
engine = Engine(EngineOptions(max_delay_us=60_000_000))
loaded = engine.load("feed", sys.argv[1])
document = json.loads(sys.argv[2])

def sleep(*arrays):  # like a model that is slow, but for warm-up batches, whose ages are 0
    if arrays[0].any():
        time.sleep(60)
    nothing = arrays[6]
    return nothing, nothing, nothing

sleeper = Ranker(_engine.Ranker.over_function(loaded.native.contract_json, "slow", sleep))
waits = {
    "rank": lambda: engine.rank([document]),
    "wait": lambda: engine.submit([document]).wait(),
    "drain": lambda: (engine.publish("feed", sleeper), engine.submit([document]), engine.drain()),
    "stop": lambda: (engine.publish("feed", sleeper), engine.submit([document]), engine.stop(60)),
}
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.monotonic()
try:
    waits[sys.argv[3]]()
except KeyboardInterrupt:
    print(time.monotonic() - began, engine.stats()["cancelled"], flush=True)
os._exit(0)
"""


@pytest.fixture
def engine(written: tuple[Path, Artifact]) -> Any:  # noqa: F811
    with Engine(EngineOptions(max_batch=4)) as running:
        running.load("feed", written[0])
        yield running


def in_a_callback(engine: Engine, action: Callable[[], object]) -> BaseException | None:
    """What the action raises in the callback of a call."""
    ended = threading.Event()
    outcome: list[BaseException | None] = [None]

    def callback() -> None:
        try:
            action()
        except BaseException as error:
            outcome[0] = error
        ended.set()

    call = engine.submit([plain()], callback=callback)
    assert ended.wait(WAIT_S), "the callback hangs"
    call.wait()
    return outcome[0]


@pytest.mark.parametrize("method", ["rank", "publish", "load", "drain", "stop", "wait"])
def test_a_wait_in_a_callback_is_refused_by_name_at_once(
    engine: Engine,
    written: tuple[Path, Artifact],  # noqa: F811
    method: str,
) -> None:
    ranker = engine.find()
    assert ranker is not None
    actions: dict[str, Callable[[], object]] = {
        "rank": lambda: engine.rank([plain()]),
        "publish": lambda: engine.publish("feed", ranker),
        "load": lambda: engine.load("feed", written[0]),
        "drain": engine.drain,
        "stop": engine.stop,
        "wait": lambda: engine.submit([plain()]).wait(),
    }
    error = in_a_callback(engine, actions[method])
    assert isinstance(error, StatusError) and error.code == "FAILED_PRECONDITION"
    assert str(error).startswith(f"{method}() would wait for itself")
    assert len(engine.rank([plain()]).slates) == 1


def test_a_callback_may_wait_for_its_own_call_and_submit_others(engine: Engine) -> None:
    calls: list[Call] = []
    submitted = threading.Event()

    def action() -> None:
        assert submitted.wait(WAIT_S)
        assert calls[0].wait().slates
        calls.append(engine.submit([plain()]))

    ended = threading.Event()
    calls.append(engine.submit([plain()], callback=lambda: (action(), ended.set())))
    submitted.set()
    assert ended.wait(WAIT_S)
    assert calls[1].wait().slates


def test_calls_and_their_engine_may_be_forgotten_in_a_callback(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    kept: dict[int, Any] = {}
    ended = threading.Event()

    def forget() -> None:
        kept.clear()
        gc.collect()
        ended.set()

    engine = Engine(EngineOptions(max_batch=8))
    engine.load("feed", written[0])
    for index in range(20):  # of one batch the first ends first, and the others are still at it
        kept[index] = engine.submit([plain()], callback=forget if index == 0 else None)
    del engine
    assert ended.wait(WAIT_S)


def test_a_forgotten_call_keeps_what_a_worker_needs() -> None:
    gate = threading.Event()
    with Engine() as engine:
        engine.publish("feed", stand_in("v1", gate))
        call = engine.submit([plain()])
        while engine.stats()["running"] == 0:
            time.sleep(0.001)
        del call
        gc.collect()
        gate.set()
        engine.drain()
        assert engine.stats()["answered"] == 1


@pytest.mark.parametrize("method", ["rank", "wait", "drain", "stop"])
def test_ctrl_c_ends_a_wait_at_once(
    written: tuple[Path, Artifact],  # noqa: F811
    method: str,
) -> None:
    code = [sys.executable, "-c", INTERRUPTED, written[0], json.dumps(valid_document()), method]
    run = subprocess.run(code, env=environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run
    waited, cancelled = run.stdout.split()
    assert float(waited) < 5  # of the 60 that the call would wait for others
    assert int(cancelled) == (method == "rank")


def test_a_signal_handler_that_does_not_raise_ends_no_wait() -> None:
    gate, seen = threading.Event(), []
    before = signal.signal(signal.SIGUSR1, lambda *_: (seen.append(1), gate.set()))
    try:
        with Engine() as engine:
            engine.publish("feed", stand_in("v1", gate))
            timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
            running = engine.submit([plain()])
            timer.start()
            assert engine.rank([plain()]).slates == running.wait().slates
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen


def test_what_is_no_artifact_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(StatusError, match="ranker: must be a loaded artifact, got null"):
        engine.native.publish("feed", None)
