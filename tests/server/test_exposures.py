"""Answered calls are written down, byte by byte, and the disk never stands in their way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.client import RerankClient
from gerank.option_table import number_range, option_table
from gerank.proto import exposure_pb2
from gerank.proto import rerank_pb2 as pb
from gerank_server import Front, OptionError, RerankServer, ServerOptions, listen, serve
from gerank_server.native import is_built
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.exposures.reading import read_folder
from tests.exposures.small_disk import fill, small_disk
from tests.server.counters import statistics_of
from tests.server.http2_client import ClientWithoutWindow
from tests.server.raw_calls import RERANK
from tests.server.stand_in import StandIn
from tests.server.test_bad_input import _valid


@contextmanager
def recording(
    front: Front, model: StandIn, folder: Path, **options: Any
) -> Iterator[tuple[RerankServer, grpc.Channel]]:
    """A server that keeps an exposure log, and a channel to it; stopped at the end."""
    chosen = ServerOptions(exposures=folder, **options)
    with (
        serve(model.path, "127.0.0.1:0", chosen, front) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield server, channel


def ask(channel: grpc.Channel, request: bytes, **metadata: str) -> tuple[bytes, dict[str, str]]:
    """The answer, and the metadata around it; `x_request_id` is sent as x-request-id."""
    sent = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    answer, call = channel.unary_unary(RERANK).with_call(request, timeout=20, metadata=sent)
    behind = (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ()))
    return answer, {key: str(value) for key, value in behind}


def requests(count: int) -> list[bytes]:
    """Valid requests that differ."""
    messages = []
    for place in range(count):
        query = _valid()
        query.id = f"page-{place}"
        messages.append(pb.RerankRequest(queries=[query, query]).SerializeToString())
    return messages


def test_a_record_holds_the_bytes_of_the_call(front: Front, model: StandIn, tmp_path: Path) -> None:
    first, second = requests(2)
    with recording(front, model, tmp_path) as (_, channel):
        answered, told = ask(channel, first, x_request_id="visit-1", x_arm="b")
        drawn_answer, drawn = ask(channel, second)
    assert told.get("x-request-id", "visit-1") == "visit-1"
    one, other = read_folder(tmp_path)
    assert (one.request_id, one.arm, one.model_version) == ("visit-1", "b", model.model_version)
    assert one.request == pb.RerankRequest.FromString(first)
    assert one.response == pb.RerankResponse.FromString(answered)
    assert one.SerializeToString().endswith(answered)
    assert (other.request_id, other.arm) == (drawn["x-request-id"], "")
    assert len(other.request_id) == 16
    assert other.response == pb.RerankResponse.FromString(drawn_answer)
    assert 0 <= other.time_us - one.time_us < 60_000_000


def test_the_contract_lies_beside_the_records(front: Front, model: StandIn, tmp_path: Path) -> None:
    with recording(front, model, tmp_path):
        pass
    (path,) = tmp_path.glob("contract-*.json")
    assert path.name == f"contract-{model.model_version}.json"
    assert json.loads(path.read_text()) == CONTRACT.to_json()


def test_calls_that_fail_have_no_record(front: Front, model: StandIn, tmp_path: Path) -> None:
    with recording(front, model, tmp_path) as (_, channel):
        for garbage in (b"\xff\xff garbage", pb.RerankRequest().SerializeToString()):
            with pytest.raises(grpc.RpcError):
                ask(channel, garbage)
        model.fail(True)
        with pytest.raises(grpc.RpcError):
            ask(channel, requests(1)[0])
        model.fail(False)
    assert read_folder(tmp_path) == []


def test_calls_at_once_are_each_written_once(front: Front, model: StandIn, tmp_path: Path) -> None:
    with (
        recording(front, model, tmp_path, exposure_file_bytes=4096) as (_, channel),
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda request: ask(channel, request)[0], requests(200)))
    records = read_folder(tmp_path)
    found = {record.request.queries[0].id: record.response for record in records}
    assert len(records) == len(found) == 200
    for place, answer in enumerate(answers):
        assert found[f"page-{place}"] == pb.RerankResponse.FromString(answer)
    assert len(list(tmp_path.glob("*.pb"))) > 10


def test_every_server_keeps_the_same_share(front: Front, model: StandIn, tmp_path: Path) -> None:
    kept: list[set[str]] = []
    for folder, share in (("a", 0.5), ("b", 0.5), ("c", 0.2)):
        with recording(front, model, tmp_path / folder, exposure_share=share) as (_, channel):
            for place in range(60):
                ask(channel, requests(1)[0], x_request_id=f"visit-{place}")
        kept.append({record.request_id for record in read_folder(tmp_path / folder)})
    assert kept[0] == kept[1] > kept[2]
    assert 10 < len(kept[0]) < 50


def test_statistics_and_the_server_tell_what_was_written(
    front: Front, model: StandIn, tmp_path: Path
) -> None:
    with recording(front, model, tmp_path) as (server, channel):
        ask(channel, requests(1)[0])
        while not statistics_of(channel).exposures_written:
            pass
    assert server.exposures()["written"] == 1
    assert server.exposures()["bytes"] == sum(f.stat().st_size for f in tmp_path.glob("*.pb"))
    assert server.exposures()["last_error"] == ""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as mounted:
        yield mounted


def test_a_full_disk_costs_records_and_nothing_else(
    front: Front,
    model: StandIn,
    disk: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The server answers on, counts what was lost, and tells the trouble and its end once each."""
    with recording(front, model, disk, exposure_queue_bytes=8192) as (server, channel):
        filling = fill(disk, left=4096)
        for request in requests(400):
            ask(channel, request)
        counts = server.exposures()
        assert counts["lost"] > 0 and counts["last_error"].endswith(": No space left on device")
        assert counts["refused"] is True
        assert statistics_of(channel).exposures_lost == counts["lost"]
        filling.unlink()
        while server.exposures()["written"] + server.exposures()["lost"] < 400:
            pass
        ask(channel, requests(1)[0], x_request_id="the-last-one")
    counts = server.exposures()
    records = read_folder(disk)
    assert counts["written"] == len(records) and counts["written"] + counts["lost"] == 401
    assert counts["refused"] is False
    assert records[-1].request_id == "the-last-one"
    said = caplog.text + capfd.readouterr().err
    assert said.count("No space left on device: records of calls wait") == 1
    again = f"records of calls are written again; {counts['lost']} were lost since the start"
    assert said.count("records of calls are written again") == said.count(again) == 1


def test_the_client_names_its_calls(front: Front, model: StandIn, tmp_path: Path) -> None:
    with (
        recording(front, model, tmp_path) as (server, _),
        RerankClient(f"127.0.0.1:{server.port}", metadata=[("x-arm", "b")]) as client,
    ):
        client.rerank([valid_document()], metadata=[("x-request-id", "visit-7")])
    (record,) = read_folder(tmp_path)
    assert isinstance(record, exposure_pb2.Exposure)
    assert (record.request_id, record.arm) == ("visit-7", "b")


EXPOSURE_OPTIONS = [
    name
    for name, option in option_table().items()
    if name.startswith("exposure_") and isinstance(option.default, int)
]


@pytest.mark.parametrize("name", EXPOSURE_OPTIONS)
def test_options_out_of_their_range_are_refused(front: Front, name: str, tmp_path: Path) -> None:
    low, high = number_range(name)
    for value in (low - 1, high + 1, 2.5, True):
        with pytest.raises(OptionError) as caught:
            ServerOptions(exposures=tmp_path, **{name: value})  # type: ignore[arg-type]
        rule = f"{name}: must be an integer in [{low}, {high}], got {value!r}"
        assert str(caught.value) == rule
    if name != "exposure_max_bytes":
        for value in (low, high):  # the log itself takes what is within
            options = ServerOptions(exposures=tmp_path, **{name: value})  # type: ignore[arg-type]
            listen("127.0.0.1:0", options, front).stop()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "1"])
def test_a_share_out_of_its_range_is_refused(share: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^exposure_share: must be a number in \[0, 1\], got "):
        ServerOptions(exposures=tmp_path, exposure_share=share)


def test_options_of_no_log_are_refused() -> None:
    rule = "exposure_share: is of no use without a folder of exposures, got 0.5"
    with pytest.raises(OptionError, match=rule):
        ServerOptions(exposure_share=0.5)


def test_a_folder_that_cannot_be_written_is_refused(front: Front, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/below"):
        with pytest.raises(OptionError, match=r"^exposures: must be a folder that can be written"):
            listen("127.0.0.1:0", ServerOptions(exposures=tmp_path / folder), front)


def test_both_fronts_write_the_same_records(model: StandIn, tmp_path: Path) -> None:
    if not is_built():
        pytest.skip("the native front is not built")
    written = []
    for front in Front:
        with recording(front, model, tmp_path / front.value) as (_, channel):
            for place, request in enumerate(requests(20)):
                ask(channel, request, x_request_id=f"visit-{place}", x_arm="b")
        records = read_folder(tmp_path / front.value)
        for record in records:
            record.ClearField("time_us")
            record.response.ClearField("timing")
        written.append(records)
    assert written[0] == written[1] and len(written[0]) == 20
    files = [[f.name for f in (tmp_path / front.value).glob("contract-*")] for front in Front]
    assert files[0] == files[1]


def test_names_that_are_no_text_are_drawn_anew(model: StandIn, tmp_path: Path) -> None:
    if not is_built():
        pytest.skip("the native front is not built")
    with (
        recording(Front.NATIVE, model, tmp_path) as (server, channel),
        ClientWithoutWindow(server.port) as client,
    ):
        client.call(RERANK, requests(1)[0], ("x-request-id", "visit-\xff"))
        while not statistics_of(channel).exposures_written:
            pass
    (record,) = read_folder(tmp_path)
    assert len(record.request_id) == 16
