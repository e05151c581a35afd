"""ModelInfer gives the slates that Rerank gives for the same pages, whatever form they come in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch

from gerank.data.feature import hash_id
from gerank.data.joining.record_files import find_files, read_records
from gerank.data.request import Above, Request
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind
from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.proto import exposure_pb2
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.request_cases import CONTRACT, random_document
from tests.front.call_bytes import RERANK
from tests.front.inference_messages import ask
from tests.front.inference_tensors import output, request_of, slates_of, tensors_of
from tests.front.server_process import ServerProcess

VECTOR = ("embedding_0", "embedding_1", "embedding_2")
SCHEMA = replace(
    CONTRACT.schema,
    user=(
        *CONTRACT.schema.user,
        Feature("likes_0", FeatureKind.DENSE),
        Feature("likes_1", FeatureKind.DENSE),
    ),
    candidate=(*CONTRACT.schema.candidate, *(Feature(name, FeatureKind.DENSE) for name in VECTOR)),
)
PRESETS = {
    "new arrivals": {"quotas": [{"flag": "fresh", "min": 3}], "slots": 9},
    "calm": {"spacing": [{"group": "seller", "window": 4, "cap": 1}]},
}
LIMITS = replace(CONTRACT, schema=SCHEMA, max_candidates=40, max_slots=12, presets=PRESETS)
PAGES = 16


@pytest.fixture(scope="module")
def exposures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exposures")


@pytest.fixture(scope="module")
def generator_server(
    tmp_path_factory: pytest.TempPathFactory, exposures: Path
) -> Iterator[ServerProcess]:
    """A server of an untrained generator whose weights are scaled up, so that all inputs matter."""
    shape = GeneratorShape(width=24, attention_width=20, utilities=2, controllable=True)
    untrained = Generator(SCHEMA, shape)
    with torch.no_grad():
        for parameter in untrained.parameters():
            parameter *= 3
    path = tmp_path_factory.mktemp("model") / "model.gerank"
    write_artifact(untrained, LIMITS, path, name="test", training={}, presets=PRESETS)
    with ServerProcess(path, ["--exposures", exposures]) as running:
        yield running


@pytest.fixture
def channel(generator_server: ServerProcess) -> Iterator[grpc.Channel]:
    with generator_server.own_channel() as opened:
        yield opened


@pytest.fixture
def pages(seed: int) -> list[Request]:
    """Pages of different lengths, half of them with rules and with slots above."""
    rng = np.random.default_rng(seed)
    return [_page(rng) for _ in range(PAGES)]


def _page(rng: np.random.Generator) -> Request:
    document = random_document(rng, LIMITS)
    document["user"] |= {"likes_0": float(rng.normal()), "likes_1": float(rng.normal())}
    for candidate in document["candidates"]:
        candidate |= {name: float(rng.normal()) for name in VECTOR}
    if rng.random() < 0.5:
        left_out = [key for key in ("slots", "spacing", "quotas") if rng.random() < 0.5]
        document = {key: value for key, value in document.items() if key not in left_out}
        document |= {"preset": str(rng.choice(list(PRESETS)))}
        document["pins"] = {}  # they may lie beyond the preset's slots
    page = parse_request(document, LIMITS)
    if rng.random() < 0.5:
        return page
    count = int(rng.integers(1, 5))
    features = {name: rng.integers(0, 2, count) for name in ("seller", "category", "fresh", "cold")}
    return replace(page, above=Above(count, features, rng.integers(1000, 1100, count)))


def _rerank(channel: grpc.Channel, pages: list[Request]) -> list[pb.Slate]:
    request = pb.RerankRequest(queries=map(query_from_request, pages))
    rerank = channel.unary_unary(RERANK, response_deserializer=pb.RerankResponse.FromString)
    return _bare(rerank(request.SerializeToString(), timeout=20).slates)


def _bare(slates: list[pb.Slate]) -> list[pb.Slate]:
    """Without what ModelInfer tells elsewhere: the page's name, and the model's version."""
    for slate in slates:
        slate.ClearField("id")
        slate.ClearField("model_version")
    return list(slates)


def _infer(channel: grpc.Channel, request: object) -> list[pb.Slate]:
    answer = ask(channel, "ModelInfer")(request, timeout=20)
    return slates_of(lambda name: output(answer, name))


@pytest.mark.parametrize("raw", [True, False], ids=["raw contents", "typed contents"])
def test_slates_are_those_of_rerank(channel: grpc.Channel, pages: list[Request], raw: bool) -> None:
    expected = _rerank(channel, pages)
    assert _infer(channel, request_of(tensors_of(pages), raw=raw)) == expected
    assert len({len(slate.slots) for slate in expected}) > 1  # short slates are among them
    for page, slate in zip(pages, expected, strict=True):
        assert _infer(channel, request_of(tensors_of([page]), raw=raw)) == [slate]


def test_numbers_of_other_widths_mean_the_same(channel: grpc.Channel, pages: list[Request]) -> None:
    tensors = tensors_of(pages)
    expected = _infer(channel, request_of(tensors))
    for name, dtype in {
        "candidates.price": np.float64,
        "candidates.category": np.int32,
        "candidates.fresh": np.bool_,
        "user.country": np.int32,
        "user.age": np.float64,
        "candidate_count": np.int64,
        "pins": np.int64,
        "dedup_keys": np.int32,
        "quotas.fresh": np.int64,
        "temperature": np.float64,
    }.items():
        if name in tensors:
            tensors[name] = tensors[name].astype(dtype)
    tensors["seed"] = tensors["seed"].view(np.int64)
    tensors["slots"] = tensors["slots"][:, None]
    tensors["candidates.seller"] = tensors["candidates.seller"][:, :, None]
    for raw in (True, False):
        assert _infer(channel, request_of(tensors, raw=raw)) == expected


def test_columns_side_by_side_are_those_of_their_names(
    channel: grpc.Channel, pages: list[Request]
) -> None:
    tensors = tensors_of(pages)
    expected = _infer(channel, request_of(tensors))
    vector = [tensors.pop(f"candidates.{name}") for name in VECTOR]
    likes = [tensors.pop(f"user.likes_{column}") for column in range(2)]
    tensors["candidates.embedding"] = np.stack(vector, axis=2)
    tensors["user.likes"] = np.stack(likes, axis=1)
    for raw in (True, False):
        assert _infer(channel, request_of(tensors, raw=raw)) == expected


def test_texts_of_hashed_ids_are_hashed_as_documents_are(
    channel: grpc.Channel, pages: list[Request]
) -> None:
    tensors = tensors_of(pages)
    texts = np.array([f"Händler {key}" for key in tensors["candidates.seller"].ravel()], object)
    texts = texts.reshape(tensors["candidates.seller"].shape)
    hashes = np.vectorize(hash_id, otypes=[np.int64])(texts)
    expected = _infer(channel, request_of(tensors | {"candidates.seller": hashes}))
    for raw in (True, False):
        told = request_of(tensors | {"candidates.seller": texts}, raw=raw)
        assert _infer(channel, told) == expected


def test_without_counts_and_rules_all_candidates_take_part(
    channel: grpc.Channel, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tensors = {
        f"candidates.{feature.name}": (
            rng.normal(size=(2, 7)).astype(np.float32)
            if feature.kind is FeatureKind.DENSE
            else rng.integers(0, 2, (2, 7))
        )
        for feature in SCHEMA.candidate
    }
    tensors |= {"user.age": np.ones(2, np.float32), "user.country": np.array([1, 2])}
    tensors |= {"user.likes": np.ones((2, 2), np.float32)}
    for slate in _infer(channel, request_of(tensors)):
        assert sorted(slate.candidates) == list(range(7))
        assert slate.candidate_ids == [str(candidate) for candidate in slate.candidates]


def test_the_exposure_log_has_requests_that_give_the_same_slates(
    channel: grpc.Channel, pages: list[Request], exposures: Path, generator_server: ServerProcess
) -> None:
    pages = [replace(page, id=f"page-{place}") for place, page in enumerate(pages)]
    tensors = tensors_of(pages)
    tensors["candidates.price"] = tensors["candidates.price"].astype(np.float64)
    name = f"visit-{id(pages)}"
    infer = ask(channel, "ModelInfer")
    answer = infer(request_of(tensors), timeout=20, metadata=[("x-request-id", name)])
    slates = slates_of(lambda output_name: output(answer, output_name))
    record = _recorded(exposures, name)
    assert [query.id for query in record.request.queries] == [page.id for page in pages]
    assert [slate.id for slate in record.response.slates] == [page.id for page in pages]
    assert _bare(record.response.slates) == slates
    rerank = channel.unary_unary(RERANK, response_deserializer=pb.RerankResponse.FromString)
    again = rerank(record.request.SerializeToString(), timeout=20)
    assert _bare(again.slates) == slates
    assert record.model_version == answer.model_version


def _recorded(folder: Path, request_id: str) -> exposure_pb2.Exposure:
    """The record of that call, which is written within a moment."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for file in find_files([folder]) if any(folder.glob("exposures-*")) else ():
            for record in read_records(file):
                if record is not None and record.request_id == request_id:
                    return record
        time.sleep(0.05)
    raise AssertionError(f"{request_id} is not in the log")
