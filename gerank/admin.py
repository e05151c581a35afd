"""Changes the models of a running server: `AdminClient("host:50052").load("feed", path)`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from gerank.admin_answers import LARGEST_WEIGHT as LARGEST_WEIGHT
from gerank.admin_answers import Arm as Arm
from gerank.admin_answers import ContractDifference as ContractDifference
from gerank.admin_answers import Listing as Listing
from gerank.admin_answers import Loaded as Loaded
from gerank.admin_answers import MadeCurrent as MadeCurrent
from gerank.admin_answers import RefusedLoad as RefusedLoad
from gerank.admin_answers import ServedModel as ServedModel
from gerank.data.scalars import whole_number
from gerank.proto import admin_pb2 as pb
from gerank.server_connection import ServerConnection

_SERVICE = pb.DESCRIPTOR.services_by_name["AdminService"].full_name
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Response = TypeVar("_Response", bound=Message)


class MalformedArgumentError(ValueError):
    """An argument that no message can hold; the message names it and its value."""


class AdminClient:
    """A connection to a server's `admin_address`. Thread-safe. A context manager that closes it.

    Needs neither torch nor numpy. Where a method takes a name, an empty one is the model of calls
    that name none. An argument that no message can hold, as a name that is no text, is a
    MalformedArgumentError that names it.

    Args:
        address: `host:port`, `[IPv6]:port` or `unix:path`; see `gerank.address`.
        timeout_s: How many seconds one call may take, above 0. A load goes on when it has passed.
        credentials: For TLS, as `grpc.ssl_channel_credentials()` makes them; None = no TLS.
        metadata: Sent with every call; `x-request-id` names it in the server's log.
        token: A server with an `admin_token_file` wants it; a path is read for each call.

    Raises:
        MalformedAddressError: `address` is none.
        MetadataError: An entry of `metadata` cannot be sent; the message names it.
        ValueError: The timeout is out of its range, or a token would travel without TLS beyond this
            machine.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float = 60.0,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        token: str | Path | None = None,
    ) -> None:
        self._connection = ServerConnection(address, timeout_s, credentials, metadata, token)

    def load(
        self,
        name: str,
        path: str | Path,
        *,
        keep_current: bool = False,
        keep_old: bool = False,
        dry_run: bool = False,
        allow_breaking_contract: bool = False,
    ) -> Loaded:
        """Loads, checks and warms an artifact while others answer, and lets it answer.

        Args:
            name: Under which it answers.
            path: Its file, as the server sees it.
            keep_current: Whether the version that is current stays so.
            keep_old: Whether it stays published, to be rolled back to.
            dry_run: Whether the file is only loaded, checked and compared.
            allow_breaking_contract: Whether it may refuse calls that the current version takes.

        Raises:
            ServerError: FAILED_PRECONDITION where the file does not pass its checks, or would
                refuse today's callers: `fields` and `rules` then hold each difference. Nothing has
                changed. Any other reason as for every call.
        """
        answer = self._call(
            "Load",
            pb.LoadRequest(
                name=_text("name", name),
                path=_path(path),
                keep_current=_truth("keep_current", keep_current),
                keep_old=_truth("keep_old", keep_old),
                dry_run=_truth("dry_run", dry_run),
                allow_breaking_contract=_truth("allow_breaking_contract", allow_breaking_contract),
            ),
            pb.LoadResponse,
        )
        return Loaded(
            answer.version,
            answer.previous_version,
            answer.current,
            answer.previous_published,
            _differences(answer.differences),
            answer.implementation,
            answer.precision,
        )

    def make_current(self, name: str = "", version: str = "") -> MadeCurrent:
        """Makes a published version current; without one, the version that was current before.

        Raises:
            ServerError: NOT_FOUND, or FAILED_PRECONDITION where no other version is published.
        """
        request = pb.MakeCurrentRequest(name=_text("name", name), version=_text("version", version))
        answer = self._call("MakeCurrent", request, pb.MakeCurrentResponse)
        return MadeCurrent(
            answer.version, answer.previous_version, _differences(answer.differences)
        )

    def retire(self, name: str, version: str = "") -> None:
        """Removes a version, or without one the model with all of its versions.

        Raises:
            ServerError: NOT_FOUND, or FAILED_PRECONDITION for a version that is current or in a
                split, and for the model of calls that name none.
        """
        request = pb.RetireRequest(name=_text("name", name), version=_text("version", version))
        self._call("Retire", request, pb.RetireResponse)

    def models(self) -> Listing:
        """What is published, and what was refused."""
        answer = self._call("List", pb.ListRequest(), pb.ListResponse)
        return Listing(
            tuple(_model(model) for model in answer.models),
            tuple(
                RefusedLoad(each.name, each.path, each.error, _time(each.time_us))
                for each in answer.refused
            ),
        )

    def split(self, name: str, arms: Sequence[Arm]) -> int:
        """Sends the calls that name the model and no version to versions by weight.

        A call's arm is chosen by its key, the metadata `x-split-key`, else its request id; one key
        has one arm on every server with the same split.

        Args:
            name: The model.
            arms: At most 100; none = no split.

        Returns:
            The sum of the weights.

        Raises:
            ServerError: INVALID_ARGUMENT names the arm that is malformed; NOT_FOUND: a version is
                not published.
        """
        request = pb.SetSplitRequest(
            name=_text("name", name),
            arms=[_arm_message(f"arms[{index}]", arm) for index, arm in enumerate(arms)],
        )
        return self._call("SetSplit", request, pb.SetSplitResponse).total_weight

    def close(self) -> None:
        """Closes the connection."""
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

    def _call(self, method: str, request: Message, answer_type: type[_Response]) -> _Response:
        return self._connection.method(f"/{_SERVICE}/{method}", answer_type)(request, ())


def _text(field: str, value: object) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise MalformedArgumentError(f"{field}: must be Unicode, got {value!r}") from None
        return value
    raise MalformedArgumentError(f"{field}: must be a string, got {value!r}")


def _path(value: object) -> str:
    if not isinstance(value, str | Path):
        raise MalformedArgumentError(f"path: must be a path, got {value!r}")
    return _text("path", str(value))


def _truth(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise MalformedArgumentError(f"{field}: must be true or false, got {value!r}")
    return value


def _arm_message(field: str, arm: object) -> pb.Arm:
    if not isinstance(arm, Arm):
        raise MalformedArgumentError(f"{field}: must be an Arm, got {arm!r}")
    weight = whole_number(arm.weight)
    # The server names whatever else is out of the range; beyond 32 bits nothing reaches it.
    if weight is None or not 0 <= weight < 2**32:
        rule = f"must be an integer in [1, {LARGEST_WEIGHT}]"
        raise MalformedArgumentError(f"{field}.weight: {rule}, got {arm.weight!r}")
    return pb.Arm(
        arm=_text(f"{field}.arm", arm.arm),
        version=_text(f"{field}.version", arm.version),
        weight=weight,
    )


def _differences(messages: Sequence[pb.ContractDifference]) -> tuple[ContractDifference, ...]:
    return tuple(ContractDifference(each.field, each.rule) for each in messages)


def _model(message: pb.Model) -> ServedModel:
    return ServedModel(
        message.name,
        message.version,
        message.path,
        message.current,
        message.is_default,
        tuple(Arm(each.arm, each.version, each.weight) for each in message.arms),
        message.answered,
        message.failed,
        _time(message.loaded_us),
        message.implementation,
        message.precision,
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
