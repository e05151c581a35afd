"""Whether one artifact can answer one request: decided by the engine, for every front alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gerank._engine import StatusError
from gerank.data.contract import RequestContract
from gerank.data.native_query import native_query
from gerank.data.request import Request, RequestError
from gerank.data.request_json import read_request
from gerank.unknown_features import UnknownFeatures


def check_request(request: Request, contract: RequestContract) -> None:
    """Checks every field of a request.

    Raises:
        RequestError: The first thing that is wrong; it names field and value.
    """
    with request_errors():
        contract.native.check(native_query(request, contract))


def parse_request(
    document: Mapping[str, Any],
    contract: RequestContract,
    unknown: UnknownFeatures = UnknownFeatures.REFUSE,
) -> Request:
    """Reads and checks one JSON request; see `gerank.data.request_json`.

    Args:
        document: As `json.loads` returns it.
        contract: What the artifact asks of a request.
        unknown: What becomes of features that the artifact does not know.

    Raises:
        RequestError: The document is malformed; the message names field and value.
    """
    request = read_request(document, contract, unknown)
    check_request(request, contract)
    return request


@contextmanager
def request_errors() -> Iterator[None]:
    """Turns what the engine says of a malformed query into a `RequestError` with its words."""
    try:
        yield
    except StatusError as error:
        if error.code != "INVALID_ARGUMENT":
            raise
        raise RequestError.shown(error.field, error.value, error.rule) from error
