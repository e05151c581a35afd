"""Calls a gerank server: `RerankClient("host:50051").rerank(requests)`."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from gerank.call_pages import CallPage, encode_pages, split_calls
from gerank.data.contract import RequestContract
from gerank.data.request import Request, RequestError
from gerank.data.request_values import text
from gerank.data.slate import slate_document
from gerank.proto import rerank_pb2 as pb
from gerank.served_contracts import Asked, ServedContracts
from gerank.server_connection import Metadata, ServerConnection
from gerank.server_error import ServerError as ServerError
from gerank.server_error import blamed_request
from gerank.unknown_features import UnknownFeatures, checked
from gerank.wire.slate import slate_from_message

_MOST_ASKED = 5  # times, where the version that answers changes each time
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
        MetadataError: An entry of `metadata` cannot be sent; the message names it. It is a
            ValueError, which every method with metadata may raise.
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
        metadata: Metadata = (),
        token: str | Path | None = None,
        unknown_features: str = UnknownFeatures.REFUSE,
    ) -> None:
        self._unknown = checked(unknown_features)
        self._address = address
        self._metadata = tuple(metadata)
        self._queries_per_call = _count("queries_per_call", queries_per_call, 100_000)
        self._bytes_per_call = _count("bytes_per_call", bytes_per_call, 2**31 - 1)
        self._connection = ServerConnection(address, timeout_s, credentials, metadata, token)
        self._rerank = self._connection.method(f"/{_SERVICE}/Rerank", pb.RerankResponse)
        self._contracts = ServedContracts(
            self._connection.method(f"/{_SERVICE}/Describe", pb.DescribeResponse)
        )

    def rerank(
        self,
        requests: Sequence[Request | Mapping[str, Any]],
        *,
        model: str = "",
        version: str = "",
        metadata: Metadata = (),
    ) -> list[dict[str, Any]]:
        """Re-ranks pages.

        Documents are encoded by the contract of an artifact, for which the server is asked once per
        version that answers. The first call takes that of the current version, each later one that
        of the version which answered last. Where another version answers, as in a split or after a
        swap, and its contract makes other numbers of the documents, they are encoded again and
        asked again with the same metadata, so that a split chooses the same arm; the server's
        exposure log then holds both answers, and the last is the one returned. To that end a call
        without `x-split-key` and `x-request-id` gets an `x-split-key` that is drawn.

        Args:
            requests: Columns (`Request`) or JSON documents (see `gerank.data.request_json`).
                Numbers and rules are checked by the server.
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
                other reason; a further version answered each time (ABORTED); or this process
                is not the one that made the client.
        """
        asked = _asked(model, version)
        pages, contract = self._pages(requests, asked, metadata)
        answers: list[dict[str, Any]] = []
        for some in split_calls(pages, self._queries_per_call, self._bytes_per_call):
            first = len(answers)
            if all(isinstance(page.given, Request) for page in some):
                answers += self._answers(some, self._call(some, first, asked, metadata))
            else:
                answers += self._settled(some, first, contract, asked, metadata)
        return answers

    def contract(
        self,
        *,
        model: str = "",
        version: str = "",
        metadata: Metadata = (),
    ) -> RequestContract:
        """What a served artifact asks of a request.

        Args:
            model: The name under which it is served; empty = the server's first.
            version: Its `model_version`; empty = the one that is current, also in a split: see
                `contracts`.
            metadata: Sent with this call, besides the client's.

        Raises:
            ServerError: The server cannot be reached, is not serving, or serves no such artifact.
        """
        return self._contracts.now(_asked(model, version), metadata)

    def contracts(self, *, model: str = "", metadata: Metadata = ()) -> dict[str, RequestContract]:
        """What the versions of a model ask of a request that names no version.

        Args:
            model: The name under which they are served; empty = the server's first.
            metadata: Sent with these calls, besides the client's.

        Returns:
            By `model_version`, the contract of the current version, and of each version of a split
            where it is another one.

        Raises:
            ServerError: As for `contract`.
        """
        return self._contracts.all_now(_asked(model, ""), metadata)

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

    def _pages(
        self,
        requests: Sequence[Request | Mapping[str, Any]],
        asked: Asked,
        metadata: Metadata,
    ) -> tuple[list[CallPage], RequestContract | None]:
        """The requests with their messages, and the contract by which documents were encoded."""
        if all(isinstance(request, Request) for request in requests):
            return encode_pages(requests, None, self._unknown), None
        if kept := self._contracts.last(asked):
            try:
                return encode_pages(requests, kept, self._unknown), kept
            except RequestError:  # it may be right for the version that answers by now
                pass
        contract = self._contracts.now(asked, metadata)
        return encode_pages(requests, contract, self._unknown), contract

    def _settled(
        self,
        some: list[CallPage],
        first: int,
        contract: RequestContract | None,
        asked: Asked,
        metadata: Metadata,
    ) -> list[dict[str, Any]]:
        """The answers of a version by whose contract the documents were encoded."""
        metadata = self._with_split_key(metadata)
        last = self._contracts.last(asked)
        if last != contract:  # a call before this one was answered by another version
            contract = last
            some = self._again(some, first, contract)
        for _ in range(_MOST_ASKED):
            before, refused, response = some, None, None
            try:
                response = self._call(some, first, asked, metadata)
                version = response.slates[0].model_version
                answering = self._contracts.of_answer(asked, version, metadata)
            except RequestError as error:
                refused, answering = error, self._contracts.now(asked, metadata)
            is_known = answering is not None
            answering = answering or self._contracts.now(asked, metadata)
            if answering != contract:
                contract = answering
                some = self._again(some, first, contract)
            if is_known and [page.query for page in some] == [page.query for page in before]:
                if refused is not None:
                    raise refused
                assert response is not None
                return self._answers(some, response)
        raise ServerError(
            f"server {self._address}: {_MOST_ASKED} times another version answered than the one "
            "by whose contract the documents were encoded",
            grpc.StatusCode.ABORTED,
        )

    def _again(
        self, some: Sequence[CallPage], first: int, contract: RequestContract | None
    ) -> list[CallPage]:
        """The pages, their documents encoded by this contract."""
        return encode_pages([page.given for page in some], contract, self._unknown, first)

    def _with_split_key(self, metadata: Metadata) -> Metadata:
        """Metadata by which a split chooses the same arm each time that a call is repeated."""
        names = {name for name, _ in (*self._metadata, *metadata)}
        if names & {"x-split-key", "x-request-id"}:
            return metadata
        return (*metadata, ("x-split-key", uuid.uuid4().hex))

    def _call(
        self, some: Sequence[CallPage], first: int, asked: Asked, metadata: Metadata
    ) -> pb.RerankResponse:
        message = pb.RerankRequest(queries=[page.query for page in some], **asked._asdict())
        try:
            response = self._rerank(message, metadata)
        except ServerError as error:
            if blamed := blamed_request(error, first):
                raise blamed from error
            raise
        if len(response.slates) != len(some):
            counts = f"{len(response.slates)} slates for {len(some)} requests"
            raise ServerError(f"server {self._address}: {counts}", grpc.StatusCode.INTERNAL)
        return response

    def _answers(
        self, some: Sequence[CallPage], response: pb.RerankResponse
    ) -> list[dict[str, Any]]:
        return [
            slate_document(page.request, slate_from_message(slate))
            for page, slate in zip(some, response.slates, strict=True)
        ]


def _asked(model: str, version: str) -> Asked:
    return Asked(text("model", model), text("version", version))


def _count(name: str, value: int, highest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= highest:
        raise ValueError(f"{name}: must be an integer in [1, {highest}], got {value!r}")
    return number
