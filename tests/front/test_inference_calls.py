"""What inference.GRPCInferenceService tells, refuses, and does with calls that end early."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gerank.version import __version__
from tests.data.request_cases import CONTRACT, MAX_CANDIDATES
from tests.front.inference_messages import SERVICE, ask, call, message
from tests.front.inference_tensors import output, request_of, two_pages
from tests.front.malformed_tensors import MALFORMED, input_of
from tests.front.server_process import ServerProcess
from tests.server.counters import await_ended, statistics_of
from tests.server.stand_in import StandIn

INFER = f"/{SERVICE}/ModelInfer"


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with server.own_channel() as opened:
        yield opened


# ---- what it tells


def test_the_server_and_its_model_are_ready(channel: grpc.Channel, model: StandIn) -> None:
    assert call(channel, "ServerLive").live
    assert call(channel, "ServerReady").ready
    assert call(channel, "ModelReady", name="default").ready
    assert call(channel, "ModelReady", name="default", version=model.model_version).ready
    assert not call(channel, "ModelReady", name="other").ready
    assert not call(channel, "ModelReady", name="default", version="other").ready
    metadata = call(channel, "ServerMetadata")
    assert (metadata.name, metadata.version) == ("gerank-server", __version__)
    [told] = call(channel, "RepositoryIndex").models
    assert (told.name, told.version, told.state) == ("default", model.model_version, "READY")


def test_health_knows_the_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_metadata_tells_the_tensors_of_the_contract(channel: grpc.Channel, model: StandIn) -> None:
    metadata = call(channel, "ModelMetadata")
    assert (metadata.name, list(metadata.versions)) == ("default", [model.model_version])
    inputs = {told.name: (told.datatype, list(told.shape)) for told in metadata.inputs}
    assert len(inputs) == len(metadata.inputs)
    assert inputs["user.age"] == ("FP32", [-1, 1])
    assert inputs["candidates.score"] == ("FP32", [-1, -1])
    assert inputs["candidates.seller"] == ("INT64", [-1, -1])
    assert inputs["spacing.seller"] == ("INT32", [-1, 2])
    assert inputs["quotas.fresh"] == ("INT32", [-1, 2])
    assert inputs["weights.diversity"] == ("FP64", [-1, 1])
    assert inputs["above.category"] == ("INT64", [-1, -1])
    assert set(two_pages()) <= set(inputs)
    outputs = {told.name: (told.datatype, list(told.shape)) for told in metadata.outputs}
    assert outputs["order"] == ("INT32", [-1, -1])
    assert outputs["log_prob"] == ("FP32", [-1, -1])


def test_the_configuration_tells_which_tensors_may_be_left_out(channel: grpc.Channel) -> None:
    config = call(channel, "ModelConfig", name="default").config
    metadata = call(channel, "ModelMetadata", name="default")
    assert config.max_batch_size == 256
    types = message("ModelInput").DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    names = {"TYPE_STRING": "BYTES"}
    for told, tensor in [
        *zip(config.input, metadata.inputs, strict=True),
        *zip(config.output, metadata.outputs, strict=True),
    ]:
        typed = types[told.data_type].name
        assert names.get(typed, typed.removeprefix("TYPE_")) == tensor.datatype
        assert (told.name, list(told.dims)) == (tensor.name, list(tensor.shape)[1:])
    needed = {told.name for told in config.input if not told.optional}
    sides = {"user": CONTRACT.schema.user, "candidates": CONTRACT.schema.candidate}
    assert needed == {f"{side}.{f.name}" for side, features in sides.items() for f in features}
    tensors = {name: tensor for name, tensor in two_pages().items() if name in needed}
    assert ask(channel, "ModelInfer")(request_of(tensors), timeout=10).outputs


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig"])
def test_a_model_that_is_not_served_is_not_found(channel: grpc.Channel, method: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, name="other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "other" in caught.value.details()


@pytest.mark.parametrize("method", ["RepositoryModelLoad", "RepositoryModelUnload"])
def test_models_are_not_controlled_here(channel: grpc.Channel, method: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{SERVICE}/{method}")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "loaded and unloaded by whoever runs the server" in caught.value.details()


# ---- answers


def test_the_answer_repeats_the_request_and_holds_what_is_asked(
    channel: grpc.Channel, model: StandIn
) -> None:
    outputs = [{"name": "log_prob"}, {"name": "order"}]
    request = request_of(two_pages(), id="visit-17", outputs=outputs)
    answer = ask(channel, "ModelInfer")(request, timeout=10)
    assert (answer.id, answer.model_name) == ("visit-17", "default")
    assert answer.model_version == model.model_version
    assert [told.name for told in answer.outputs] == ["log_prob", "order"]
    assert len(answer.raw_output_contents) == 2
    assert output(answer, "order").shape == output(answer, "log_prob").shape == (2, 5)
    assert set(answer.parameters) == {"queue_us", "batch_us", "model_us"}
    assert answer.parameters["model_us"].int64_param > 0


def test_slots_that_no_candidate_fills_hold_minus_one(channel: grpc.Channel) -> None:
    tensors = two_pages() | {"candidate_count": np.array([8, 3], np.int32)}
    tensors["pins"] = np.full((2, 5), -1, np.int32)
    del tensors["dedup_keys"], tensors["dedup_present"]
    answer = ask(channel, "ModelInfer")(request_of(tensors), timeout=10)
    order = output(answer, "order")
    assert order.shape == (2, 5) and (order[0] >= 0).all()
    assert sorted(order[1, :3]) == [0, 1, 2] and (order[1, 3:] == -1).all()
    assert (output(answer, "log_prob")[1, 3:] == 0).all()
    assert (output(answer, "candidate_ids")[1, 3:] == "").all()


# ---- refusals


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests_are_refused_by_tensor_and_value(
    channel: grpc.Channel, what: str
) -> None:
    spoil, field, value = MALFORMED[what]
    request = request_of(two_pages())
    infer = ask(channel, "ModelInfer")
    assert infer(request, timeout=10).outputs  # it is sound before
    spoil(request)
    before = statistics_of(channel)
    with pytest.raises(grpc.RpcError) as caught:
        infer(request, timeout=10)
    details = caught.value.details()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details.partition(":")[0].endswith(field), details
    assert details.endswith(value), details
    status = rpc_status.from_call(caught.value)
    bad = error_details_pb2.BadRequest()
    assert status is not None and status.details[0].Unpack(bad)
    assert bad.field_violations[0].field.endswith(field)
    after = statistics_of(channel)
    assert after.malformed > before.malformed and after.accepted == before.accepted


def test_typed_contents_of_another_type_are_refused(channel: grpc.Channel) -> None:
    request = request_of(two_pages(), raw=False)
    contents = input_of(request, "user.age").contents
    contents.ClearField("fp32_contents")
    contents.fp64_contents.extend([1, 2])
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, "ModelInfer")(request, timeout=10)
    assert caught.value.details() == (
        "inputs.user.age: must have 2 elements in fp32_contents, as its shape [2] says, "
        "got '0 elements'"
    )


def test_a_batch_beyond_the_limit_is_refused(channel: grpc.Channel) -> None:
    """No page of 2^40 is made, and 257 are one too many."""
    for pages in (257, 2**40):
        request = message("ModelInferRequest")()
        request.inputs.add(name="user.age", datatype="FP32", shape=[pages])
        with pytest.raises(grpc.RpcError) as caught:
            ask(channel, "ModelInfer")(request, timeout=10)
        assert caught.value.details() == f"inputs[0].shape[0]: must be 1 to 256, got {pages}"


def test_many_empty_tensors_are_counted_and_not_kept(
    server: ServerProcess, channel: grpc.Channel
) -> None:
    """Two bytes of a message are a tensor, an output or a raw element."""
    server.forget_peak()
    before = server.peak_mib
    for tag in (b"\x2a", b"\x32", b"\x3a"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(INFER)((tag + b"\0") * (7 << 20), timeout=30)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.peak_mib < before + 50


def test_a_page_beyond_the_artifact_is_refused(channel: grpc.Channel) -> None:
    most = MAX_CANDIDATES + 1
    tensors = {name: tensor for name, tensor in two_pages().items() if name.startswith("user.")}
    for feature in CONTRACT.schema.candidate:
        tensors[f"candidates.{feature.name}"] = np.zeros((2, most), np.int64)
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, "ModelInfer")(request_of(tensors), timeout=10)
    assert caught.value.details().startswith("queries[0].candidates: their number must be")


def test_a_model_that_nobody_serves_is_not_found(channel: grpc.Channel) -> None:
    for fields in ({"model_name": "feed"}, {"model_version": "v7"}):
        with pytest.raises(grpc.RpcError) as caught:
            ask(channel, "ModelInfer")(request_of(two_pages(), **fields), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert next(iter(fields.values())) in caught.value.details()


@pytest.mark.parametrize(("name", "version"), [("nope", ""), ("nope", "v7"), ("default", "v7")])
def test_each_method_says_in_the_same_words_what_is_not_served(
    channel: grpc.Channel, name: str, version: str
) -> None:
    said = set()
    with pytest.raises(grpc.RpcError) as caught:
        infer = request_of(two_pages(), model_name=name, model_version=version)
        ask(channel, "ModelInfer")(infer, timeout=10)
    said.add((caught.value.code(), caught.value.details()))
    for method in ("ModelMetadata", "ModelConfig"):
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, method, name=name, version=version)
        said.add((caught.value.code(), caught.value.details()))
    assert len(said) == 1 and grpc.StatusCode.NOT_FOUND in next(iter(said))


# ---- calls that end early


def test_deadlines_and_cancellations_reach_the_queue(channel: grpc.Channel, model: StandIn) -> None:
    infer, request = ask(channel, "ModelInfer"), request_of(two_pages())
    model.reset()
    model.hold()
    busy = infer.future(request, timeout=20)
    model.await_forwards(1)
    before = statistics_of(channel)
    with pytest.raises(grpc.RpcError) as caught:
        infer(request, timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await_ended(channel, before.expired + before.cancelled + 2)
    calls = [infer.future(request, timeout=20) for _ in range(5)]
    end = time.monotonic() + 10
    while statistics_of(channel).queued < 10:
        assert time.monotonic() < end
        time.sleep(0.01)
    for waiting in calls:
        waiting.cancel()
    await_ended(channel, before.expired + before.cancelled + 12)
    model.release()
    assert busy.result().outputs
