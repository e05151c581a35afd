"""tritonclient, as NVIDIA publishes it, calls gerank-server: what docs/serving.md shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.front.call_bytes import RERANK, page
from tests.front.inference_messages import message
from tests.front.inference_tensors import Tensors, slates_of, tensors_of
from tests.front.server_process import ServerProcess
from tests.server.counters import await_ended, statistics_of
from tests.server.stand_in import StandIn

triton: Any = pytest.importorskip("tritonclient.grpc")
utils: Any = pytest.importorskip("tritonclient.utils")


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Any]:
    with triton.InferenceServerClient(server.address) as connected:
        yield connected


def _tensors() -> Tensors:
    return tensors_of([parse_request(valid_document(), CONTRACT)])


def _inputs(tensors: Tensors) -> list[Any]:
    inputs = []
    for name, tensor in tensors.items():
        told = triton.InferInput(name, tensor.shape, utils.np_to_triton_dtype(tensor.dtype))
        inputs.append(told.set_data_from_numpy(tensor))
    return inputs


def test_it_sees_the_server_and_its_models(client: Any, model: StandIn) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("default") and not client.is_model_ready("other")
    assert client.get_server_metadata().name == "gerank-server"
    [told] = client.get_model_repository_index().models
    assert (told.name, told.version, told.state) == ("default", model.model_version, "READY")
    metadata, config = client.get_model_metadata("default"), client.get_model_config("default")
    assert [told.name for told in metadata.inputs] == [told.name for told in config.config.input]
    with pytest.raises(utils.InferenceServerException) as caught:
        client.load_model("default")
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_its_slates_are_those_of_rerank(client: Any, server: ServerProcess) -> None:
    answer = client.infer("default", _inputs(_tensors()), request_id="visit-17")
    assert answer.get_response().id == "visit-17"
    with server.own_channel() as channel:
        rerank = channel.unary_unary(RERANK, response_deserializer=pb.RerankResponse.FromString)
        [expected] = rerank(page(), timeout=10).slates
    expected.ClearField("id")
    expected.ClearField("model_version")
    assert slates_of(_texts_of(answer)) == [expected]


def _texts_of(answer: Any) -> Any:
    """Its elements of BYTES are bytes."""

    def read(name: str) -> Any:
        array = answer.as_numpy(name)
        decoded = np.vectorize(bytes.decode, otypes=[object])
        return decoded(array) if array.dtype == object and array.size else array

    return read


def test_it_names_what_is_wrong(client: Any) -> None:
    tensors = _tensors() | {"candidates.price": np.ones((1, 7), np.float32)}
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer("default", _inputs(tensors))
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "inputs.candidates.price.shape" in caught.value.message()


def test_it_cancels(client: Any, server: ServerProcess, model: StandIn) -> None:
    model.reset()
    model.hold()
    with server.own_channel() as channel:
        busy = channel.unary_unary(RERANK).future(page(), timeout=20)
        model.await_forwards(1)
        before = statistics_of(channel)
        told: list[Any] = []
        call = client.async_infer(
            "default", _inputs(_tensors()), callback=lambda result, error: told.append(error)
        )
        end = time.monotonic() + 10
        while statistics_of(channel).queued < 1:
            assert time.monotonic() < end
            time.sleep(0.01)
        call.cancel()
        await_ended(channel, before.expired + before.cancelled + 1)
        model.release()
        assert busy.result()
    assert told[0].status() == "StatusCode.CANCELLED"


def test_names_and_numbers_are_those_that_are_published() -> None:
    """Every message, field and method of our proto is one of tritonclient's."""
    published = triton.service_pb2.DESCRIPTOR
    ours = message("ModelInferRequest").DESCRIPTOR.file
    for name, service in ours.services_by_name.items():
        theirs = published.services_by_name[name].methods_by_name
        for method in service.methods:
            assert method.input_type.full_name == theirs[method.name].input_type.full_name
            assert method.output_type.full_name == theirs[method.name].output_type.full_name
    files = [published, triton.model_config_pb2.DESCRIPTOR]
    known = {name: of for file in files for name, of in file.message_types_by_name.items()}
    for name, described in ours.message_types_by_name.items():
        _check(described, known[name])
    numbers = files[1].enum_types_by_name["DataType"].values_by_name
    for value in ours.enum_types_by_name["DataType"].values:
        assert numbers[value.name].number == value.number


def _check(ours: Descriptor, theirs: Descriptor) -> None:
    for field in ours.fields:
        other = theirs.fields_by_name[field.name]
        assert (field.number, field.type) == (other.number, other.type), field.full_name
        assert field.is_repeated == other.is_repeated, field.full_name
    for nested in ours.nested_types:
        _check(nested, theirs.nested_types_by_name[nested.name])
