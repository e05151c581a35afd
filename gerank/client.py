"""Calls a gerank server: `RerankClient("host:50051").rerank(requests)`."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from gerank.data.contract import RequestContract
from gerank.data.request import Request, RequestError
from gerank.data.request_json import read_request
from gerank.data.request_values import text
from gerank.data.slate import slate_document
from gerank.proto import rerank_pb2 as pb
from gerank.server_connection import ServerConnection
from gerank.server_error import ServerError as ServerError
from gerank.server_error import blamed_request
from gerank.unknown_features import UnknownFeatures, checked
from gerank.wire.query import query_from_request
from gerank.wire.slate import slate_from_message

_FRAME_BYTES = 6  # at most, of the tag and the length before each query of a call
_SERVICE = pb.DESCRIPTOR.services_by_name["RerankService"].full_name


class RerankClient:
    """A connection to one server. Thread-safe. A context manager that closes it.

    Connects at the first call, and again after the connection was lost. Belongs to the process that
    made it: gRPC does not survive a fork.

    Args:
        address: `host:port`, `[IPv6]:port` or `unix:path`; see `gerank.address`.
        timeout_s: How many seconds one call may take, above 0; infinity = for ever.
        queries_per_call: Longer lists of requests are sent as several calls. 1 to 100000.
        bytes_per_call: So are larger ones; a request that is larger by itself travels alone.
            1 to 2147483647. Keep it below the server's `max_message_bytes`.
        credentials: For TLS, as `grpc.ssl_channel_credentials()` makes them; None = no TLS.
        metadata: Sent with every call: names in lower case and their values.
        token: A server with a `token_file` wants it; it is sent with every call as
            `authorization: Bearer`. A path means a file whose first line that is neither empty nor
            a # comment is the token; it is read for each call, so that it may be replaced.
        unknown_features: What becomes of features of a document that the server's artifact does not
            know: `refuse`, or `ignore` where the server does so too.

    Raises:
        MalformedAddressError: `address` is none.
        ValueError: A number is outside of its range, `unknown_features` is neither word, or a token
            would travel without TLS beyond this machine.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float = 10.0,
        queries_per_call: int = 64,
        *,
        bytes_per_call: int = 4 * 2**20,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        token: str | Path | None = None,
        unknown_features: str = UnknownFeatures.REFUSE,
    ) -> None:
        self._unknown = checked(unknown_features)
        self._address = address
        self._queries_per_call = _count("queries_per_call", queries_per_call, 100_000)
        self._bytes_per_call = _count("bytes_per_call", bytes_per_call, 2**31 - 1)
        self._connection = ServerConnection(address, timeout_s, credentials, metadata, token)
        self._rerank = self._connection.method(f"/{_SERVICE}/Rerank", pb.RerankResponse)
        self._describe = self._connection.method(f"/{_SERVICE}/Describe", pb.DescribeResponse)

    def rerank(
        self,
        requests: Sequence[Request | Mapping[str, Any]],
        *,
        model: str = "",
        version: str = "",
        metadata: Sequence[tuple[str, str | bytes]] = (),
    ) -> list[dict[str, Any]]:
        """Re-ranks pages.

        Args:
            requests: Columns (`Request`) or JSON documents (see `gerank.data.request_json`). For
                documents the server is first asked what its artifact wants. Numbers and rules are
                checked by the server.
            model: The name under which the artifact is served; empty = the server's first.
            version: The `model_version` that shall answer; empty = the one that is current, or that
                a split chooses.
            metadata: Sent with these calls, besides the client's: `x-request-id` names them in the
                server's exposure log.

        Returns:
            One answer per request, in order: `{"id", "slate", "model_version"}`, see
            `gerank.data.slate.slate_document`.

        Raises:
            RequestError: A request is malformed; the field begins with `requests[i].`
            ServerError: The server cannot be reached, is not serving, or refused the call for any
                other reason; or this process is not the one that made the client.
        """
        asked = _asked(model, version)
        answers: list[dict[str, Any]] = []
        for some in self._calls(self._columns(requests, asked, metadata)):
            try:
                answers += self._call(some, asked, metadata)
            except ServerError as error:
                if blamed := blamed_request(error, len(answers)):
                    raise blamed from error
                raise
        return answers

    def contract(
        self,
        *,
        model: str = "",
        version: str = "",
        metadata: Sequence[tuple[str, str | bytes]] = (),
    ) -> RequestContract:
        """What a served artifact asks of a request.

        Args:
            model: The name under which it is served; empty = the server's first.
            version: Its `model_version`; empty = the one that is current, also in a split.
            metadata: Sent with this call, besides the client's.

        Raises:
            ServerError: The server cannot be reached, is not serving, or serves no such artifact.
        """
        request = pb.DescribeRequest(**_asked(model, version))
        description = self._describe(request, metadata)
        return RequestContract.from_json(json.loads(description.contract_json))

    def close(self) -> None:
        """Closes the connection; calls in progress end with an error.

        In a process that a fork made it leaves the connection to the parent.
        """
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _columns(
        self,
        requests: Sequence[Request | Mapping[str, Any]],
        asked: Mapping[str, str],
        metadata: Sequence[tuple[str, str | bytes]],
    ) -> list[Request]:
        contract = None
        columns = []
        for index, request in enumerate(requests):
            if isinstance(request, Request):
                columns.append(request)
                continue
            contract = contract or self.contract(**asked, metadata=metadata)
            try:
                columns.append(read_request(request, contract, self._unknown))
            except RequestError as error:
                raise error.within(f"requests[{index}]") from error
        return columns

    def _calls(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, pb.Query]]]:
        """The requests with their messages, as many at a time as one call may carry."""
        some: list[tuple[Request, pb.Query]] = []
        size = 0
        for index, request in enumerate(requests):
            try:
                query = query_from_request(request)
            except RequestError as error:
                raise error.within(f"requests[{index}]") from error
            query_size = query.ByteSize() + _FRAME_BYTES
            full = len(some) == self._queries_per_call or size + query_size > self._bytes_per_call
            if some and full:
                yield some
                some, size = [], 0
            some.append((request, query))
            size += query_size
        if some:
            yield some

    def _call(
        self,
        some: Sequence[tuple[Request, pb.Query]],
        asked: Mapping[str, str],
        metadata: Sequence[tuple[str, str | bytes]],
    ) -> list[dict[str, Any]]:
        message = pb.RerankRequest(queries=[query for _, query in some], **asked)
        response = self._rerank(message, metadata)
        if len(response.slates) != len(some):
            counts = f"{len(response.slates)} slates for {len(some)} requests"
            raise ServerError(f"server {self._address}: {counts}", grpc.StatusCode.INTERNAL)
        return [
            slate_document(request, slate_from_message(slate))
            for (request, _), slate in zip(some, response.slates, strict=True)
        ]


def _asked(model: str, version: str) -> dict[str, str]:
    """The fields by which a message names the artifact."""
    return {"model": text("model", model), "version": text("version", version)}


def _count(name: str, value: int, highest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= highest:
        raise ValueError(f"{name}: must be an integer in [1, {highest}], got {value!r}")
    return number
