"""Where pages to re-rank come from: an exposure log, or thin air."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gerank.data.contract import RequestContract
from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.data.request import Request
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_DRAWN_PAGES, _DRAWN_CANDIDATES = 50, 20


@dataclass(frozen=True, eq=False)
class Page:
    """One user with a candidate set.

    Attributes:
        row: Is the page's row in its source.
        document: As people write it, without rules.
        request: The same as columns.
        shown: The logged slate, as candidates; None where nothing was shown.
        clicked: Tells of each slot of `shown` whether it was clicked.
    """

    row: int
    document: dict[str, Any]
    request: Request
    shown: tuple[int, ...] | None = None
    clicked: tuple[bool, ...] = ()


class PageSource(Protocol):
    """Pages by number, `0 <= row < len(source)`."""

    def __len__(self) -> int: ...

    def page(self, row: int) -> Page:
        """Page `row`; the same at every call.

        Raises:
            RequestError: The page does not fit the artifact.
        """
        ...


class LoggedPages:
    """The pages of an exposure log, in its order."""

    def __init__(self, log: ExposureLog, contract: RequestContract) -> None:
        self._log = log
        self._contract = contract

    @classmethod
    def read(cls, folder: Path, contract: RequestContract) -> LoggedPages:
        """Raises ExposureLogError where the folder holds no sound log."""
        return cls(ExposureLog.read(folder), contract)

    def __len__(self) -> int:
        return len(self._log)

    def page(self, row: int) -> Page:
        """See `PageSource`."""
        document = request_document(self._log, row)
        first, last = (int(self._log.slate_offsets[place]) for place in (row, row + 1))
        return Page(
            row,
            document,
            parse_request(document, self._contract),
            tuple(self._log.slates[first:last].tolist()),
            tuple((self._log.clicks[first:last] > 0).tolist()),
        )


class DrawnPages:
    """Random pages within a contract: for a look at a model without its data."""

    def __init__(self, contract: RequestContract) -> None:
        self._contract = contract

    def __len__(self) -> int:
        return _DRAWN_PAGES

    def page(self, row: int) -> Page:
        """See `PageSource`."""
        rng = np.random.default_rng(row)
        schema = self._contract.schema
        count = min(_DRAWN_CANDIDATES, self._contract.max_candidates)
        document: dict[str, Any] = {
            "id": f"drawn-{row}",
            "user": {feature.name: _drawn(feature, rng) for feature in schema.user},
            "candidates": [_drawn_candidate(place, schema, rng) for place in range(count)],
        }
        return Page(row, document, parse_request(document, self._contract))


def _drawn_candidate(
    place: int, schema: FeatureSchema, rng: np.random.Generator
) -> dict[str, float | int | str]:
    features = {feature.name: _drawn(feature, rng) for feature in schema.candidate}
    return {"id": f"candidate-{place:02d}", **features}


def _drawn(feature: Feature, rng: np.random.Generator) -> float | int | str:
    """Any value that the feature can have; of a dense one, within the range seen in training."""
    if feature.kind is FeatureKind.DENSE:
        low = -1.0 if feature.minimum is None else feature.minimum
        high = 1.0 if feature.maximum is None else feature.maximum
        return float(rng.uniform(low, high))
    value = int(rng.integers(0, 2**62 if feature.hashed else feature.vocabulary))
    return feature.values[value] if feature.values else value
