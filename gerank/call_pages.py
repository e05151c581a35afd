"""Requests on their way into calls: in columns, as messages, and so many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gerank.data.contract import RequestContract
from gerank.data.request import Request, RequestError
from gerank.data.request_json import read_request
from gerank.proto import rerank_pb2 as pb
from gerank.unknown_features import UnknownFeatures
from gerank.wire.query import query_from_request

_FRAME_BYTES = 6  # at most, of the tag and the length before each query of a call


class CallPage(NamedTuple):
    """A request as it was given, in columns, and as a message."""

    given: Request | Mapping[str, Any]
    request: Request
    query: pb.Query


def encode_pages(
    requests: Iterable[Request | Mapping[str, Any]],
    contract: RequestContract | None,
    unknown: UnknownFeatures,
    first: int = 0,
) -> list[CallPage]:
    """Makes the messages of requests.

    Args:
        requests: Columns or JSON documents.
        contract: What documents are encoded by; None where there is none.
        unknown: What becomes of features of a document that the contract does not know.
        first: The index of the first request in errors.

    Raises:
        RequestError: A request is malformed; the field begins with `requests[i].`
    """
    pages = []
    for index, given in enumerate(requests, start=first):
        try:
            if isinstance(given, Request):
                request = given
            else:
                assert contract is not None
                request = read_request(given, contract, unknown)
            pages.append(CallPage(given, request, query_from_request(request)))
        except RequestError as error:
            raise error.within(f"requests[{index}]") from error
    return pages


def split_calls(
    pages: Sequence[CallPage], queries_per_call: int, bytes_per_call: int
) -> Iterator[list[CallPage]]:
    """Yields as many pages at a time as one call may carry; a larger one travels alone."""
    some: list[CallPage] = []
    size = 0
    for page in pages:
        query_size = page.query.ByteSize() + _FRAME_BYTES
        full = len(some) == queries_per_call or size + query_size > bytes_per_call
        if some and full:
            yield some
            some, size = [], 0
        some.append(page)
        size += query_size
    if some:
        yield some
