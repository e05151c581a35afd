"""What the artifacts of a server ask of a request, as its client knows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import grpc

from gerank.data.contract import RequestContract
from gerank.proto import rerank_pb2 as pb
from gerank.server_connection import Metadata
from gerank.server_error import ServerError


class Asked(NamedTuple):
    """Which artifact a call names; empty = the server chooses."""

    model: str
    version: str


class ServedContracts:
    """The contracts by model and version, each asked for once and kept. Thread-safe.

    Args:
        describe: Calls the server's Describe.
    """

    def __init__(
        self, describe: Callable[[pb.DescribeRequest, Metadata], pb.DescribeResponse]
    ) -> None:
        self._describe = describe
        self._kept: dict[tuple[str, str], RequestContract] = {}
        self._last: dict[Asked, RequestContract] = {}

    def now(self, asked: Asked, metadata: Metadata) -> RequestContract:
        """The contract as the server tells it now; it is kept.

        Raises:
            ServerError: The server cannot be reached, is not serving, or serves no such artifact.
        """
        return self._read(asked, self._ask(asked, metadata))

    def all_now(self, asked: Asked, metadata: Metadata) -> dict[str, RequestContract]:
        """By version, that of the one which the server tells now and those of a split that differ.

        Raises:
            ServerError: As for `now`.
        """
        description = self._ask(asked, metadata)
        contracts = {description.model_version: self._read(asked, description)}
        for version in description.other_versions:
            contract = self._kept_or_asked(Asked(asked.model, version), metadata)
            if contract is not None:
                contracts[version] = contract
        return contracts

    def last(self, asked: Asked) -> RequestContract | None:
        """That of the version which answered such a call last; None before the first."""
        return self._last.get(asked)

    def of_answer(
        self, asked: Asked, model_version: str, metadata: Metadata
    ) -> RequestContract | None:
        """That of a version which has answered; None where it is no longer served.

        Raises:
            ServerError: As for `now`.
        """
        contract = self._kept_or_asked(Asked(asked.model, model_version), metadata)
        if contract is not None:
            self._last[asked] = contract
        return contract

    def _kept_or_asked(self, named: Asked, metadata: Metadata) -> RequestContract | None:
        """That of a version; None where it is no longer served."""
        if contract := self._kept.get((named.model, named.version)):
            return contract
        try:
            return self.now(named, metadata)
        except ServerError as error:
            if error.code is not grpc.StatusCode.NOT_FOUND:
                raise
            return None

    def _ask(self, asked: Asked, metadata: Metadata) -> pb.DescribeResponse:
        return self._describe(
            pb.DescribeRequest(model=asked.model, version=asked.version), metadata
        )

    def _read(self, asked: Asked, description: pb.DescribeResponse) -> RequestContract:
        """The contract of a description, which is kept."""
        contract = RequestContract.from_json(json.loads(description.contract_json))
        self._kept[asked.model, description.model_version] = contract
        self._last[asked] = contract
        return contract
