"""Whether one artifact can answer one request: decided by the engine, for every front alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gerank._engine import StatusError
from gerank.data.contract import RequestContract
from gerank.data.native_query import native_query
from gerank.data.request import Request, RequestError


def check_request(request: Request, contract: RequestContract) -> None:
    """Checks every field of a request.

    Raises:
        RequestError: The first thing that is wrong; it names field and value.
    """
    with request_errors():
        contract.native.check(native_query(request, contract))


def check_candidate_count(count: int, contract: RequestContract) -> None:
    """Checks M alone: for a front that must know it before it believes the rest.

    Raises:
        RequestError: M is outside the artifact's limits.
    """
    if not 1 <= count <= contract.max_candidates:
        rule = f"their number must be an integer in [1, {contract.max_candidates}]"
        raise RequestError("candidates", count, rule)


@contextmanager
def request_errors() -> Iterator[None]:
    """Turns what the engine says of a malformed query into a `RequestError` with its words."""
    try:
        yield
    except StatusError as error:
        if error.code != "INVALID_ARGUMENT":
            raise
        raise RequestError.shown(error.field, error.value, error.rule) from error
