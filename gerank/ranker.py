"""An artifact that answers requests in this process: `gerank.load("model.gerank").rank(requests)`.

The work is the C++ engine's: the same code as behind a server and in an embedding C++ program.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gerank import _engine
from gerank._engine import StatusError as StatusError
from gerank.data.contract import RequestContract
from gerank.data.native_query import native_query
from gerank.data.relaxed import RULES, rule_names
from gerank.data.request import Request, RequestError
from gerank.data.request_json import read_request
from gerank.data.slate import Slate, Unmet
from gerank.unknown_features import UnknownFeatures


class ArtifactError(ValueError):
    """A file that is no artifact, is damaged, or does not fit this installation."""


class Ranker:
    """One loaded and checked artifact. Immutable and thread-safe: threads rank in parallel.

    Args:
        native: What it is a shell of.
    """

    def __init__(self, native: _engine.Ranker) -> None:
        self.native = native

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        implementation: str = "auto",
        precision: str = "auto",
        device: str = "cpu",
    ) -> Self:
        """Loads an artifact and runs its golden requests.

        Args:
            path: The file.
            implementation: `native`, the whole page in one pass without torch; `torchscript`, the
                scripted module; `auto`, natively where the artifact is a stock generator and the
                device the CPU.
            precision: In which numbers matrices are multiplied, `float32` or `bfloat16`; `auto`, as
                the artifact says. Where bfloat16 cannot be, float32 runs: the property `precision`
                tells.
            device: Where that is done: `cpu`, or `cuda`, the first GPU that the process sees.

        Raises:
            ArtifactError: The file is missing, truncated, altered or foreign, has another format
                version, calls ops this library lacks, lacks the implementation that is asked for,
                or answers its golden requests differently; or torch, or this library, cannot work
                on the device.
            ValueError: `implementation`, `precision` or `device` is none of its words; or two of
                them exclude each other: `native` and `cuda`, or `bfloat16` and one of `torchscript`
                and `cuda`.
        """
        words = {"implementation": implementation, "precision": precision, "device": device}
        for name, word in words.items():
            if not isinstance(word, str):
                raise ValueError(f"{name}: must be a text, got {word!r}")
        try:
            return cls(_engine.Ranker.load(os.fsencode(path), *words.values()))
        except _engine.StatusError as error:
            if error.code != "FAILED_PRECONDITION":
                raise
            raise ArtifactError(str(error)) from None

    @cached_property
    def contract(self) -> RequestContract:
        """What requests must satisfy."""
        return RequestContract.from_json(json.loads(self.native.contract_json))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """`gerank.json` of the artifact."""
        manifest: dict[str, Any] = json.loads(self.native.manifest_json)
        return manifest

    @property
    def model_version(self) -> str:
        """Names the model in every answer."""
        return self.native.model_version

    @property
    def implementation(self) -> str:
        """What computes its slates: `native`, `torchscript` or `custom`."""
        return self.native.implementation

    @property
    def device(self) -> str:
        """Where it does so: `cpu`, `cuda` or, of a model in Python, `custom`."""
        return self.native.device

    @property
    def precision(self) -> str:
        """The precision that runs: `float32`, `bfloat16` or, of a model in Python, `custom`."""
        return self.native.precision

    @property
    def wanted_precision(self) -> str:
        """The one that was asked for, by `load` or else by the artifact."""
        return self.native.wanted_precision

    def rank(self, requests: Sequence[Request | Mapping[str, Any]]) -> list[Slate]:
        """Answers requests, all in one forward pass on this thread, without the GIL.

        Args:
            requests: Columns (`Request`) or JSON documents (see `gerank.data.request_json`).

        Returns:
            One slate per request, in order.

        Raises:
            RequestError: A request is malformed; the field begins with `requests[i].`
            StatusError: The model failed.
        """
        with query_errors():
            raw = self.native.rank(native_queries(requests, self.contract))
        return slates_from_raw(raw, self.model_version)


def native_queries(
    requests: Sequence[Request | Mapping[str, Any]],
    contract: RequestContract,
    unknown: UnknownFeatures = UnknownFeatures.REFUSE,
) -> list[_engine.Query]:
    """The queries of requests, of which some may be documents.

    Args:
        requests: What is asked.
        contract: What the artifact asks of a request.
        unknown: What becomes of features that it does not know. Columns are handed on as they are,
            for the engine to ignore and to count.

    Raises:
        RequestError: A request cannot be a query; the field begins with `requests[i].`
    """
    if isinstance(requests, Mapping | str) or not isinstance(requests, Iterable):
        raise RequestError("requests", requests, "must be a list of requests")
    queries = []
    for index, given in enumerate(requests):
        try:
            if isinstance(given, Request):
                request = given
            else:
                request = read_request(given, contract, unknown)
            queries.append(native_query(request, contract))
        except RequestError as error:
            raise error.within(f"requests[{index}]") from error
        except _engine.StatusError as error:
            shown = RequestError.shown(error.field, error.value, error.rule)
            raise shown.within(f"requests[{index}]") from error
    return queries


def slates_from_raw(raw: list[_engine.RawSlate], model_version: str) -> list[Slate]:
    """What the engine answers as `Slate`s."""
    return [
        Slate(
            slots,
            candidates,
            log_prob,
            tuple(map(rule_names, relaxed)),
            seed,
            model_version,
            tuple(Unmet(RULES[rule[0]], *rule[1:]) for rule in unmet),
        )
        for slots, candidates, log_prob, relaxed, seed, unmet in raw
    ]


@contextmanager
def query_errors() -> Iterator[None]:
    """Turns the engine's refusal of `queries[i]` into a `RequestError` of `requests[i]`."""
    try:
        yield
    except _engine.StatusError as error:
        if error.code != "INVALID_ARGUMENT":
            raise
        field = re.sub(r"^queries\b", "requests", error.field)
        raise RequestError.shown(field, error.value, error.rule) from error
