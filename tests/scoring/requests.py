"""Requests as documents and as the same rows of a table, and an artifact that answers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.ranker import Ranker
from tests.data.any_request import CONTRACT, PRESETS, any_document
from tests.data.request_cases import Document

COUNTRIES = ("cz", "de", "pl")


def write_model(path: Path, seed: int, name: str = "test") -> Path:
    """An untrained model whose weights are scaled up until its logits differ clearly."""
    torch.manual_seed(seed)
    shape = GeneratorShape(width=24, attention_width=20, utilities=2, controllable=True)
    untrained = Generator(CONTRACT.schema, shape)
    with torch.no_grad():
        for parameter in untrained.parameters():
            parameter *= 3
    write_artifact(untrained, CONTRACT, path, name=name, training={}, presets=PRESETS)
    return path


def random_documents(rng: np.random.Generator, count: int) -> list[Document]:
    """Valid requests of every sort, whose values of one key are of one type."""
    documents = []
    for number in range(count):
        document = any_document(rng)
        document["id"] = f"page {number}"
        for entry in [*document["candidates"], *document.get("above", ())]:
            _to_text(entry, ("id", "seller", "dedup_key"))
            entry["fresh"], entry["cold"] = int(entry["fresh"]), bool(entry["cold"])
        for candidate in document["candidates"]:
            candidate["price"] = float(candidate["price"])
        user = document["user"]
        if not isinstance(user["country"], str):
            user["country"] = COUNTRIES[user["country"]]
        user["history"] = list(map(str, user["history"]))
        document["pins"] = {slot: str(pinned) for slot, pinned in document.get("pins", {}).items()}
        document = {key: value for key, value in document.items() if value not in ({}, [])}
        if document.get("mode") == "sample" or "preset" in document:
            document["seed"] = int(rng.integers(2**63))
        documents.append(document)
    return documents


def _to_text(entry: Document, names: tuple[str, ...]) -> None:
    for name in names:
        if entry.get(name) is not None:
            entry[name] = str(entry[name])


def table_of(documents: list[Document]) -> pa.Table:
    """A row per document; keys that one lacks are null."""
    return pa.Table.from_pylist(
        documents, pa.schema([(key, _type(documents, key)) for key in _keys(documents)])
    )


def _keys(documents: list[Document]) -> list[str]:
    return list(dict.fromkeys(key for document in documents for key in document))


def _type(documents: list[Document], key: str) -> pa.DataType:
    if key == "seed":
        return pa.uint64()
    if key == "weights":
        return pa.map_(pa.string(), pa.float64())
    if key == "pins":
        return pa.map_(pa.string(), pa.string())
    values = [document[key] for document in documents if key in document]
    return pa.array(values).type


def answers(model: Path, documents: list[Document]) -> list[Document]:
    """What the ranker says of documents, one at a time."""
    from gerank.data.request_check import parse_request
    from gerank.data.slate import slate_document

    ranker = Ranker.load(model)
    answered = []
    for document in documents:
        request = parse_request(document, ranker.contract)
        [slate] = ranker.rank([request])
        answered.append(slate_document(request, slate))
    return answered


def write_folder(folder: Path, parts: dict[str, list[Document]], rows_of_group: int = 64) -> Path:
    """A folder of Parquet files; all files have one schema."""
    schema = table_of([document for documents in parts.values() for document in documents]).schema
    for name, documents in parts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [_as_row(document, schema) for document in documents]
        pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=rows_of_group)
    return folder


def _as_row(document: Document, schema: pa.Schema) -> dict[str, Any]:
    return {name: document.get(name) for name in schema.names}


def slates_in(path: Path) -> list[Document]:
    """The answers in a file, as documents."""
    rows = pq.read_table(path).to_pylist()
    return [{k: v for k, v in row.items() if k != "seed" or v is not None} for row in rows]


def assert_same_answers(found: list[Document], wanted: list[Document]) -> None:
    """Same pages, same slates; a log-probability may differ in the last bits by the batch."""
    assert [answer["id"] for answer in found] == [answer["id"] for answer in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert _exact(one) == _exact(other)
        np.testing.assert_allclose(_log_prob(one), _log_prob(other), rtol=1e-5, atol=1e-5)


def _exact(answer: Document) -> Document:
    slate = [{k: v for k, v in entry.items() if k != "log_prob"} for entry in answer["slate"]]
    return answer | {"slate": slate}


def _log_prob(answer: Document) -> list[float]:
    return [entry["log_prob"] for entry in answer["slate"]]
