"""Which failure becomes which gRPC status: one table for every method of every service."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gerank.data.request import RequestError

_LOG = logging.getLogger(__name__)


class NotServingError(Exception):
    """The server cannot answer now; another one may."""


class DeadlinePassedError(Exception):
    """The caller's deadline passed before the model was run."""


class CallerGoneError(Exception):
    """The caller cancelled, or its connection broke, before the model was run."""


CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotServingError, grpc.StatusCode.UNAVAILABLE),
    (DeadlinePassedError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (CallerGoneError, grpc.StatusCode.CANCELLED),
)
"""Failure -> code, with its text for the caller. Any other is INTERNAL, its text kept here."""

Handler = Callable[[bytes, grpc.ServicerContext], bytes]


def with_status(handler: Handler) -> Handler:
    """Ends the call with the status that the table has for whatever `handler` raises."""

    @functools.wraps(handler)
    def guarded(payload: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return handler(payload, context)
        except Exception as error:
            context.abort_with_status(rpc_status.to_status(status_of(error)))

    return guarded


def status_of(error: Exception) -> Any:
    """The google.rpc.Status of a failure; one that the table does not know is logged."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return _status(code, str(error), _details(error))
    request_id = uuid.uuid4().hex
    _LOG.error("request %s failed", request_id, exc_info=error)
    return _status(grpc.StatusCode.INTERNAL, f"internal error, logged as request {request_id}", [])


def _status(code: grpc.StatusCode, message: str, details: list[any_pb2.Any]) -> Any:
    return status_pb2.Status(code=code.value[0], message=message, details=details)


def _details(error: Exception) -> list[any_pb2.Any]:
    if not isinstance(error, RequestError):
        return []
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=error.field, description=str(error)
    )
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return [packed]
