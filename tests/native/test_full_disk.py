"""A full disk costs records and lines of the log, counted and told, and no call."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.exposures.reading import read_folder
from tests.exposures.small_disk import fill, small_disk
from tests.native.metrics_client import await_page
from tests.native.test_gerank_server import PROGRAM, _ask, _payload
from tests.server.raw_calls import RERANK
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as mounted:
        yield mounted


@contextmanager
def logging_into(
    log: Path, model: StandIn, *options: object
) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel, str]]:
    """A server whose log is this file, a channel to it, and the address of its metrics."""
    words = [PROGRAM, "--model", model.path, "--address", "127.0.0.1:0", "--log-format", "json"]
    words += ["--metrics-address", "127.0.0.1:0", *options]
    with (
        log.open("a") as stderr,
        subprocess.Popen(
            list(map(str, words)), stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address, metrics = (process.stdout.readline().split()[-1] for _ in range(2))
            with grpc.insecure_channel(address) as channel:
                yield process, channel, metrics
        finally:
            process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_records_that_a_full_disk_refuses_are_counted_and_told_once(
    model: StandIn, disk: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    options = ("--exposures", disk, "--exposure-queue-bytes", 8192)
    with logging_into(log, model, *options) as (process, channel, metrics):
        filling = fill(disk, left=4096)
        for _ in range(200):
            _ask(channel)
        page = await_page(metrics, lambda page: page("gerank_exposures_refused") == 1)
        lost = page("gerank_exposures_total", outcome="lost")
        assert 0 < lost < 200
        filling.unlink()
        page = await_page(
            metrics,
            lambda page: (
                sum(page("gerank_exposures_total", outcome=each) for each in ("written", "lost"))
                == 200
            ),
        )
        _ask(channel)
        await_page(metrics, lambda page: page("gerank_exposures_refused") == 0)
        _end(process)
    refused, resumed = _events(log)
    assert (refused["level"], refused["event"]) == ("error", "exposures_refused")
    assert refused["reason"].endswith(": No space left on device")
    assert (resumed["level"], resumed["event"]) == ("warning", "exposures_resumed")
    assert resumed["lost"] == lost and len(read_folder(disk)) == 201 - lost


def test_lines_that_a_full_disk_refuses_are_counted_and_told_when_it_takes_them_again(
    model: StandIn, disk: Path
) -> None:
    log = disk / "log"
    failed = 0
    with logging_into(log, model) as (process, channel, metrics):

        def fail(count: int) -> None:
            nonlocal failed
            model.fail(True)
            rerank, payload = channel.unary_unary(RERANK), _payload()
            for call in [rerank.future(payload, timeout=60) for _ in range(count)]:
                assert call.exception(timeout=60).code() is grpc.StatusCode.INTERNAL
            model.fail(False)
            failed += count

        filling = fill(disk, left=4096)
        fail(60)
        dropped = await_page(
            metrics, lambda page: page("gerank_log_lines_total", outcome="dropped") > 0
        )("gerank_log_lines_total", outcome="dropped")
        assert dropped < 60, "some fitted"
        assert _ask(channel) == model.model_version
        filling.unlink()
        fail(1)
        await_page(metrics, lambda page: page("gerank_log_lines_total", outcome="written") > 0)
        _end(process)
    lines = log.read_text().splitlines()
    torn = [line for line in lines if not line.endswith("}")]
    events = [json.loads(line) for line in lines if line.endswith("}")]
    assert len(torn) == 1, "the line in the middle of which the disk was full"
    (lost,) = (event["lines"] for event in events if event["event"] == "log_dropped")
    assert [event["event"] for event in events].count("internal_error") + lost == failed
