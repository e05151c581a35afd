"""Folders as servers leave them: records of pages that a stand-in answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gerank.data.contract import RequestContract
from gerank.data.request_json import read_request
from gerank.proto import exposure_pb2
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.request_cases import CONTRACT, Document

PRESET = replace(CONTRACT, presets={"drawn": {"mode": "sample"}})
"""The contract of every version that is not given another."""


def document(name: str, **changes: Any) -> Document:
    """A page of four candidates, of which three slots are drawn."""
    candidates = [
        {
            "id": f"{name}-{letter}",
            "score": 0.5 - place / 8,
            "price": float(place),
            "seller": f"seller-{place}",
            "category": place,
            "fresh": place % 2,
            "cold": 0,
        }
        for place, letter in enumerate("abcd")
    ]
    page = {"id": name, "user": {"age": 31.5, "country": "de"}, "candidates": candidates}
    return page | {"slots": 3, "mode": "sample"} | changes


def record(
    request_id: str,
    *documents: Document,
    time: int = 1_000_000,
    version: str = "v-1",
    slates: Iterable[list[int]] = (),
    contract: RequestContract = PRESET,
    **fields: Any,
) -> exposure_pb2.Exposure:
    """A call; each page shows candidates 2, 0, 1 unless slates say otherwise."""
    queries = [query_from_request(read_request(page, contract)) for page in documents]
    chosen = list(slates) or [[2, 0, 1]] * len(queries)
    answers = [
        pb.Slate(
            id=query.id,
            slots=range(len(slate)),
            candidates=slate,
            candidate_ids=[query.candidate_ids[place] for place in slate],
            log_prob=[-0.5 * (slot + 1) for slot in range(len(slate))],
            model_version=version,
        )
        for query, slate in zip(queries, chosen, strict=True)
    ]
    return exposure_pb2.Exposure(
        time_us=time,
        request_id=request_id,
        model_version=version,
        request=pb.RerankRequest(queries=queries),
        response=pb.RerankResponse(slates=answers),
        **fields,
    )


def delimited(records: Iterable[exposure_pb2.Exposure]) -> bytes:
    """The records as a file holds them."""
    content = bytearray()
    for each in records:
        message = each.SerializeToString()
        size = len(message)
        while size >= 0x80:
            content.append(size & 0x7F | 0x80)
            size >>= 7
        content.append(size)
        content += message
    return bytes(content)


def write_folder(
    folder: Path,
    records: Iterable[exposure_pb2.Exposure],
    contracts: Mapping[str, RequestContract] | None = None,
    name: str = "exposures-0000000000000001-7-0.pb",
) -> Path:
    """A folder with one file of records, and the contracts of their versions."""
    folder.mkdir(parents=True, exist_ok=True)
    some = list(records)
    (folder / name).write_bytes(delimited(some))
    given = contracts or {}
    for version in {each.model_version for each in some}:
        contract = given.get(version, PRESET)
        (folder / f"contract-{version}.json").write_text(json.dumps(contract.to_json()))
    return folder


def write_feedback(path: Path, *rows: str) -> str:
    """A CSV file; the first row names the columns."""
    path.write_text("".join(f"{row}\n" for row in rows))
    return str(path)
