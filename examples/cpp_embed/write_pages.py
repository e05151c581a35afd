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
from gerank.data.request import Request, with_seed
from gerank.data.request_json import parse_request
from gerank.data.schema import Feature, FeatureKind


def write_pages(model: Path, requests: Path, out: Path) -> None:
    """Checks every line of `requests` against the model, and writes it as a page."""
    contract = gerank.load(model).contract
    documents = map(json.loads, requests.read_text().splitlines())
    pages = [with_seed(parse_request(document, contract)) for document in documents]
    lines = [str(len(pages)), *(" ".join(_page(page, contract)) for page in pages)]
    out.write_text("\n".join(lines) + "\n")


def _page(request: Request, contract: RequestContract) -> Iterator[str]:
    count, schema = len(request.candidate_ids), contract.schema
    slots = contract.max_slots if request.slots is None else request.slots
    yield from map(str, (count, slots, request.seed, int(request.greedy), request.temperature))
    user = {name: np.array([value]) for name, value in request.user.items()}
    for columns, features in ((user, schema.user), (request.candidates, schema.candidate)):
        yield from _numbers(columns, features, FeatureKind.DENSE)
        yield from _numbers(columns, features, FeatureKind.ID)
    keys = [-1] * count if request.dedup_keys is None else request.dedup_keys.tolist()
    yield from map(str, keys)
    yield str(len(request.pins))
    for pin in request.pins:
        yield f"{pin.slot} {pin.candidate}"
    spacing = {rule.group: rule for rule in request.spacing}
    for group in schema.groups:
        rule = spacing.get(group)
        yield f"{rule.window} {rule.cap}" if rule else "0 0"
    quotas = {rule.flag: rule for rule in request.quotas}
    for flag in schema.flags:
        quota = quotas.get(flag)
        most = -1 if quota is None or quota.maximum is None else quota.maximum
        yield f"{quota.minimum if quota else 0} {most}"
    for name, allowed in contract.weights.items():
        yield repr(float(request.weights.get(name, allowed.default)))


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
