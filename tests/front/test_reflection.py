"""Server reflection, v1 and v1alpha, as grpcurl and others ask it."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import proto_reflection_descriptor_database, reflection_pb2

from gerank_server.servicer import SERVICE
from tests.front.server_process import ServerProcess

VERSIONS = ["v1", "v1alpha"]
NOT_FOUND = 5


def _ask(
    server: ServerProcess, version: str, *requests: reflection_pb2.ServerReflectionRequest
) -> list[reflection_pb2.ServerReflectionResponse]:
    """The messages of both versions are the same; only the names of their packages differ."""
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    with server.own_channel() as channel:
        ask = channel.stream_stream(
            path,
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        return list(ask(iter(requests), timeout=10))


def _request(**asked: object) -> reflection_pb2.ServerReflectionRequest:
    return reflection_pb2.ServerReflectionRequest(**asked)


@pytest.mark.parametrize("version", VERSIONS)
def test_services_are_listed(server: ServerProcess, version: str) -> None:
    """list_services: the names of all services, among them those of health and of reflection."""
    [answer] = _ask(server, version, _request(host="somewhere", list_services="*"))
    names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names
    assert f"grpc.reflection.{version}.ServerReflection" in names
    assert answer.valid_host == "somewhere"
    assert answer.original_request.list_services == "*"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "symbol",
    [
        SERVICE,
        f"{SERVICE}.Rerank",
        "gerank.v1.Query",
        "gerank.v1.Mode",
        "grpc.health.v1.Health",
        "inference.GRPCInferenceService.ModelInfer",
    ],
)
def test_the_file_of_a_symbol_is_told(server: ServerProcess, version: str, symbol: str) -> None:
    """file_containing_symbol: the file that declares it (a service, method, message or enum), with
    what that imports."""
    [answer] = _ask(server, version, _request(file_containing_symbol=symbol))
    content = answer.file_descriptor_response.file_descriptor_proto
    files = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in content]
    assert symbol in _declared(files[0])
    assert {name for file in files for name in file.dependency} <= {file.name for file in files}


def _declared(file: descriptor_pb2.FileDescriptorProto) -> set[str]:
    declared = {
        f"{file.package}.{entry.name}"
        for entries in (file.service, file.message_type, file.enum_type)
        for entry in entries
    }
    for service in file.service:
        declared |= {f"{file.package}.{service.name}.{method.name}" for method in service.method}
    return declared


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_is_told_by_its_name(server: ServerProcess, version: str) -> None:
    """file_by_filename: by the name that its descriptor has."""
    [first] = _ask(server, version, _request(file_containing_symbol=SERVICE))
    content = first.file_descriptor_response.file_descriptor_proto[0]
    name = descriptor_pb2.FileDescriptorProto.FromString(content).name
    [again] = _ask(server, version, _request(file_by_filename=name))
    assert content in again.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "asked",
    [
        {"file_containing_symbol": "un.heard.Of"},
        {"file_containing_symbol": ""},
        {"file_by_filename": "unheard.proto"},
        {"all_extension_numbers_of_type": "un.heard.Of"},
        {
            "file_containing_extension": reflection_pb2.ExtensionRequest(
                containing_type="un.heard.Of", extension_number=1
            )
        },
    ],
    ids=["symbol", "no symbol", "file", "extensions", "extension"],
)
def test_what_is_unknown_is_not_found(
    server: ServerProcess, version: str, asked: dict[str, object]
) -> None:
    """error_response: NOT_FOUND within the stream, which goes on."""
    answers = _ask(server, version, _request(**asked), _request(list_services=""))
    assert answers[0].error_response.error_code == NOT_FOUND
    assert answers[0].error_response.error_message
    assert len(answers[1].list_services_response.service) >= 3


@pytest.mark.parametrize("version", VERSIONS)
def test_questions_of_one_stream_are_answered_in_order(server: ServerProcess, version: str) -> None:
    """The server answers each request of a stream by one response, in their order."""
    symbols = ["gerank.v1.Query", "un.heard.Of", "grpc.health.v1.Health"] * 20
    answers = _ask(server, version, *[_request(file_containing_symbol=name) for name in symbols])
    told = [answer.original_request.file_containing_symbol for answer in answers]
    assert told == symbols


def test_a_client_without_protos_can_describe_a_method(server: ServerProcess) -> None:
    """What grpcurl does: from a name to the fields of the request, by reflection alone."""
    with grpc.insecure_channel(server.address) as channel:
        database = proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in set(database.get_services())
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName(SERVICE).FindMethodByName("Rerank")
        assert "queries" in method.input_type.fields_by_name
