"""Which failure becomes which gRPC status: one table, as server/native/status_table.cpp has it."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gerank._engine import StatusError
from gerank.data.request import RequestError

_LOG = logging.getLogger(__name__)


class NotServingError(Exception):
    """The server cannot answer now; another one may."""


class NotFoundError(Exception):
    """No artifact of that name or version is served."""


class UnauthenticatedError(Exception):
    """A call brings no token of this server's; the text tells neither."""


class BusyError(Exception):
    """As many calls are open as the front can hold.

    Attributes:
        retry_after_s: When the caller may come again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the server holds as many calls as it can: retry in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by what it was made of."""
        return type(self), (self.retry_after_s,), self.__dict__


CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotServingError, grpc.StatusCode.UNAVAILABLE),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (BusyError, grpc.StatusCode.RESOURCE_EXHAUSTED),
)
"""Failure -> code, with its text for the caller. The engine's errors bring their own code; other
failures are INTERNAL, their text kept here."""

Handler = Callable[[Any, grpc.ServicerContext], bytes]


def with_status(handler: Handler) -> Handler:
    """Ends the call with the status that the table has for whatever `handler` raises."""

    @functools.wraps(handler)
    def guarded(payload: Any, context: grpc.ServicerContext) -> bytes:
        try:
            return handler(payload, context)
        except Exception as error:
            context.abort_with_status(rpc_status.to_status(status_of(error)))

    return guarded


def status_of(error: Exception) -> Any:
    """The google.rpc.Status of a failure; one that the table does not know is logged."""
    code = code_of(error)
    if code is not grpc.StatusCode.INTERNAL:
        return _status(code, str(error), _details(code, error))
    request_id = uuid.uuid4().hex[:16]
    _LOG.error("request %s failed", request_id, exc_info=error)
    return _status(grpc.StatusCode.INTERNAL, f"internal error, logged as request {request_id}", [])


def code_of(error: Exception) -> grpc.StatusCode:
    """The code that the table has for a failure."""
    if isinstance(error, StatusError):
        return grpc.StatusCode[error.code]
    for kind, code in CODES:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


def _status(code: grpc.StatusCode, message: str, details: list[any_pb2.Any]) -> Any:
    return status_pb2.Status(code=code.value[0], message=message, details=details)


def _details(code: grpc.StatusCode, error: Any) -> list[any_pb2.Any]:
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error)
        )
        return [_packed(error_details_pb2.BadRequest(field_violations=[violation]))]
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        delay = duration_pb2.Duration()
        delay.FromMicroseconds(round(1e6 * error.retry_after_s))
        return [_packed(error_details_pb2.RetryInfo(retry_delay=delay))]
    return []


def _packed(details: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(details)
    return packed
