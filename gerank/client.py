"""Calls a gerank server: `RerankClient("host:50051").rerank(requests)`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gerank.data.contract import RequestContract
from gerank.data.request import Request, RequestError
from gerank.data.request_json import parse_request
from gerank.data.slate import slate_document
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank.wire.slate import slate_from_message

_SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name


class ServerError(RuntimeError):
    """The server refused a call, or could not be asked.

    Attributes:
        code: The gRPC status.
        fields: The fields that the server found malformed, as paths.
    """

    def __init__(self, message: str, code: grpc.StatusCode, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


class RerankClient:
    """A connection to one server. Thread-safe. A context manager that closes it.

    Connects at the first call, and again after the connection was lost.

    Args:
        address: `host:port`.
        timeout_s: How long one call may take.
        queries_per_call: Longer lists of requests are sent as several calls.
    """

    def __init__(self, address: str, timeout_s: float = 10.0, queries_per_call: int = 64) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._queries_per_call = queries_per_call
        self._channel = grpc.insecure_channel(
            address, options=(("grpc.max_receive_message_length", -1),)
        )
        self._rerank = self._channel.unary_unary(
            f"/{_SERVICE}/Rerank",
            request_serializer=pb.RerankRequest.SerializeToString,
            response_deserializer=pb.RerankResponse.FromString,
        )
        self._describe = self._channel.unary_unary(
            f"/{_SERVICE}/Describe",
            request_serializer=pb.DescribeRequest.SerializeToString,
            response_deserializer=pb.DescribeResponse.FromString,
        )

    def rerank(self, requests: Sequence[Request | Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Re-ranks pages.

        Args:
            requests: Columns (`Request`) or JSON documents (see `gerank.data.request_json`). For
                documents the server is first asked what its artifact wants, and they are checked
                here; columns are checked by the server.

        Returns:
            One answer per request, in order: `{"id", "slate", "model_version"}`, see
            `gerank.data.slate.slate_document`.

        Raises:
            RequestError: A document is malformed.
            ServerError: The server cannot be reached, is not serving, or refused a request.
        """
        columns = self._columns(requests)
        answers: list[dict[str, Any]] = []
        for start in range(0, len(columns), self._queries_per_call):
            answers += self._call(columns[start : start + self._queries_per_call])
        return answers

    def contract(self) -> RequestContract:
        """What the served artifact asks of a request.

        Raises:
            ServerError: The server cannot be reached or is not serving.
        """
        with self._server_errors():
            description = self._describe(pb.DescribeRequest(), timeout=self._timeout_s)
        return RequestContract.from_json(json.loads(description.contract_json))

    def close(self) -> None:
        """Closes the connection; calls in progress end with an error."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _columns(self, requests: Sequence[Request | Mapping[str, Any]]) -> list[Request]:
        contract = None
        columns = []
        for index, request in enumerate(requests):
            if isinstance(request, Request):
                columns.append(request)
                continue
            contract = contract or self.contract()
            try:
                columns.append(parse_request(request, contract))
            except RequestError as error:
                raise error.within(f"requests[{index}]") from error
        return columns

    def _call(self, requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
        message = pb.RerankRequest(queries=map(query_from_request, requests))
        with self._server_errors():
            response = self._rerank(message, timeout=self._timeout_s)
        return map(slate_document, requests, map(slate_from_message, response.slates))

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise _server_error(self._address, error) from error


def _server_error(address: str, error: Any) -> ServerError:
    code, details = error.code(), error.details()
    fields = []
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if packed.Unpack(bad_request):
            fields += [violation.field for violation in bad_request.field_violations]
    return ServerError(f"server {address}: {code.name}: {details}", code, tuple(fields))
