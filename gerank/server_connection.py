"""A connection to one server, as every client of gerank's services has it."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc

from gerank.address import Address, parse_address
from gerank.bearer_token import BearerToken
from gerank.call_metadata import Metadata as Metadata
from gerank.call_metadata import checked_metadata
from gerank.server_error import ServerError, server_error

_FIRST_BACKOFF_MS, _LONGEST_BACKOFF_MS = 100, 500
_LONGEST_TIMEOUT_S = 1e8  # three years; beyond, a deadline is none
_Answer = TypeVar("_Answer")


class UnprotectedTokenError(ValueError):
    """A token would travel without TLS beyond this machine."""


class ServerConnection:
    """Thread-safe. Belongs to the process that made it: gRPC does not survive a fork.

    Connects at the first call, and again after the connection was lost.

    Args:
        address: `host:port`, `[IPv6]:port` or `unix:path`; see `gerank.address`.
        timeout_s: How many seconds one call may take, above 0; infinity = for ever.
        credentials: For TLS; None = no TLS.
        metadata: Sent with every call.
        token: Sent with every call as `authorization: Bearer`; a path is read for each call.

    Raises:
        MalformedAddressError: `address` is none.
        MetadataError: An entry of `metadata` cannot be sent.
        UnprotectedTokenError: A token would travel without TLS beyond this machine.
        ValueError: The timeout is out of its range.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float,
        credentials: grpc.ChannelCredentials | None,
        metadata: Metadata,
        token: str | Path | None,
    ) -> None:
        self.address = address
        self._process = os.getpid()
        self._timeout_s = _timeout(timeout_s)
        self._metadata = checked_metadata(metadata)
        place = parse_address(address, lowest_port=1)
        if token is not None and credentials is None and not place.is_local:
            raise UnprotectedTokenError(
                f"token: must travel over TLS to {address}: give credentials, such as "
                "grpc.ssl_channel_credentials()"
            )
        self._token = None if token is None else BearerToken(token)
        self._channel = _new_channel(place, credentials)

    def method(self, path: str, answer_type: type[_Answer]) -> Callable[[Any, Metadata], _Answer]:
        """A function that calls a unary method with a message and the metadata of that call.

        Args:
            path: As HTTP/2 has it: `/package.Service/Method`.
            answer_type: The message that it answers.

        Returns:
            The function, which raises ServerError where the server cannot be reached or refuses the
            call, or in a process that a fork made; and MetadataError.
        """
        call: Callable[..., _Answer] = self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_type.FromString,  # type: ignore[attr-defined]
        )

        def invoke(message: Any, metadata: Metadata = ()) -> _Answer:
            with self._server_errors():
                everything = (*self._call_metadata(), *checked_metadata(metadata))
                return call(message, timeout=self._timeout_s, metadata=everything)

        return invoke

    def close(self) -> None:
        """Closes the connection; calls in progress end with an error.

        In a process that a fork made it leaves the connection to the parent.
        """
        if os.getpid() == self._process:
            self._channel.close()

    def _call_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        if self._token is None:
            return self._metadata
        try:
            return (*self._metadata, ("authorization", f"Bearer {self._token.read()}"))
        except (OSError, ValueError) as error:
            code = grpc.StatusCode.UNAUTHENTICATED
            raise ServerError(f"server {self.address}: {error}", code) from error

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        if os.getpid() != self._process:
            raise ServerError(
                f"this client of {self.address} was made in process {self._process}, and this is "
                f"process {os.getpid()}, which a fork made, and gRPC does not survive one: make a "
                "client of its own here, in a program that calls no server before it forks, or "
                "start processes with the method 'spawn'",
                grpc.StatusCode.FAILED_PRECONDITION,
            )
        try:
            yield
        except grpc.RpcError as error:
            raise server_error(self.address, error) from error


def _new_channel(address: Address, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    options: list[tuple[str, int]] = [
        ("grpc.max_receive_message_length", -1),
        # grpc's own go up to two minutes: a server that is back would long be taken for absent.
        ("grpc.initial_reconnect_backoff_ms", _FIRST_BACKOFF_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_BACKOFF_MS),
    ]
    if address.is_local:
        options.append(("grpc.enable_http_proxy", 0))  # no proxy reaches this machine from outside
    if credentials is None:
        return grpc.insecure_channel(address.target, options=options)
    return grpc.secure_channel(address.target, credentials, options=options)


def _timeout(seconds: float) -> float | None:
    """As grpc takes it; None = for ever."""
    if not isinstance(seconds, numbers.Real) or not seconds > 0:
        raise ValueError(f"timeout_s: must be a number of seconds above 0, got {seconds!r}")
    return float(seconds) if seconds < _LONGEST_TIMEOUT_S else None
