"""Writes JSON-lines requests as the pages that main.cpp reads: plain numbers, in schema order.

python write_pages.py MODEL REQUESTS.jsonl OUT
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gerank
from gerank.data.contract import RequestContract
from gerank.data.request import Above, Request
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind


def write_pages(model: Path, requests: Path, out: Path) -> None:
    """Checks every line of `requests` against the model, and writes it as a page."""
    contract = gerank.load(model).contract
    documents = map(json.loads, requests.read_text().splitlines())
    pages = [parse_request(document, contract) for document in documents]
    lines = [str(len(pages)), *(" ".join(_page(page, contract)) for page in pages)]
    out.write_text("\n".join(lines) + "\n")


def _page(request: Request, contract: RequestContract) -> Iterator[str]:
    count, schema = len(request.candidate_ids), contract.schema
    yield from map(str, (count, request.slots or 0, request.seed or 0))  # 0 slots: not said
    yield _quoted(request.preset or "")
    yield {None: "-1", False: "0", True: "1"}[request.greedy]
    yield str(request.temperature or 0)  # 0: not said
    user = {name: np.array([value]) for name, value in request.user.items()}
    for columns, features in ((user, schema.user), (request.candidates, schema.candidate)):
        yield from _numbers(columns, features, FeatureKind.DENSE)
        yield from _numbers(columns, features, FeatureKind.ID)
    yield from _keys(request.dedup_keys, count)
    yield from _above(request)
    yield from _rules(request)


def _keys(keys: Any, count: int) -> Iterator[str]:
    """Keys as a column of numbers or None; -1 where a row has none."""
    yield from map(str, [-1] * count if keys is None else keys.tolist())


def _above(request: Request) -> Iterator[str]:
    """What stands above the page: how many slots, the names told of them, numbers, keys."""
    above = request.above or Above(0)
    yield f"{above.count} {len(above.features)}"
    yield from map(_quoted, above.features)
    for row in zip(*above.features.values(), strict=True):
        yield from (str(int(value)) for value in row)
    yield from _keys(above.dedup_keys, above.count)


def _rules(request: Request) -> Iterator[str]:
    """Lists: their length, then their entries."""
    yield str(len(request.pins))
    for pin in request.pins:
        yield f"{pin.slot} {pin.candidate}"
    yield str(len(request.spacing))
    for rule in request.spacing:
        yield f"{_quoted(rule.group)} {rule.window} {rule.cap}"
    yield str(len(request.quotas))
    for quota in request.quotas:
        most = -1 if quota.maximum is None else quota.maximum
        yield f"{_quoted(quota.flag)} {quota.minimum} {most}"
    yield str(len(request.weights))
    for utility, weight in request.weights.items():
        yield f"{_quoted(utility)} {float(weight)!r}"


def _quoted(name: str) -> str:
    """As std::quoted reads it."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _numbers(
    columns: Mapping[str, NDArray[Any]], features: tuple[Feature, ...], kind: FeatureKind
) -> Iterator[str]:
    """Row by row: the values of the first candidate, then of the second."""
    wanted = [columns[feature.name] for feature in features if feature.kind is kind]
    dtype = np.float32 if kind is FeatureKind.DENSE else np.int64
    for row in zip(*(np.asarray(column).astype(dtype) for column in wanted), strict=True):
        yield from (f"{value:.9g}" if kind is FeatureKind.DENSE else str(value) for value in row)


if __name__ == "__main__":
    write_pages(*map(Path, sys.argv[1:4]))
