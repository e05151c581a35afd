"""What a server says when it refuses a call, and whose request it blames."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gerank.data.request import RequestError

_QUERY_FIELD = re.compile(r"queries\[(?P<index>\d+)\]\.(?P<field>.*)", re.DOTALL)


class ServerError(RuntimeError):
    """The server refused a call, or could not be asked.

    Attributes:
        code: The gRPC status.
        fields: The fields that the server found malformed, as paths; or those of a contract by
            which an artifact would refuse today's callers.
        rules: What the server says of each: the field, what it should be, and what it is; or what
            has changed.
    """

    def __init__(
        self,
        message: str,
        code: grpc.StatusCode,
        fields: tuple[str, ...] = (),
        rules: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields
        self.rules = rules

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles: the one message that `BaseException` keeps would not make it again."""
        return type(self), (*self.args, self.code, self.fields, self.rules), self.__dict__


def server_error(address: str, error: Any) -> ServerError:
    """What a failed call of grpc's tells."""
    code, details = error.code(), error.details()
    violations: list[tuple[str, str]] = []
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if packed.Unpack(bad_request):
            violations += [(each.field, each.description) for each in bad_request.field_violations]
        failure = error_details_pb2.PreconditionFailure()
        if packed.Unpack(failure):
            violations += [(each.subject, each.description) for each in failure.violations]
    return ServerError(
        f"server {address}: {code.name}: {details}",
        code,
        tuple(field for field, _ in violations),
        tuple(rule for _, rule in violations),
    )


def blamed_request(error: ServerError, before: int) -> RequestError | None:
    """The error of one request, which is the `before`th or a later one; None for any other."""
    if error.code is not grpc.StatusCode.INVALID_ARGUMENT or len(error.fields) != 1:
        return None
    blamed = _QUERY_FIELD.fullmatch(error.fields[0])
    if blamed is None:
        return None
    index, field = before + int(blamed["index"]), blamed["field"]
    rule, _, value = error.rules[0].removeprefix(f"{error.fields[0]}: ").partition(", got ")
    return RequestError.shown(f"requests[{index}].{field}", value, rule)
