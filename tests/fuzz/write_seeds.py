"""Writes what fuzzers begin with: whole calls, and requests of the model of first_candidates.cpp.

python -m tests.fuzz.write_seeds FOLDER   # FOLDER/connection/*, FOLDER/request/*
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import hpack
import numpy as np

from gerank.proto import rerank_pb2 as pb
from tests.front.call_bytes import DESCRIBE, HEALTH_CHECK, HEALTH_WATCH, STATISTICS, call_headers
from tests.front.frames import (
    Flag,
    Kind,
    Setting,
    frame,
    framed,
    rst_stream,
    settings_frame,
    window_update,
)
from tests.front.inference_messages import SERVICE as INFERENCE
from tests.front.inference_tensors import request_of

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
PIECES = 8  # ways to cut the bytes of a connection, by the first byte of a seed


def _floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _query(count: int, **more: object) -> pb.Query:
    ids = [number for place in range(count) for number in (place % 3, place % 2)]
    return pb.Query(
        candidate_count=count,
        user_features=[pb.FeatureBlock(names=["age"], float32_le=_floats(0.5))],
        candidate_features=[
            pb.FeatureBlock(names=["score"], float32_le=_floats(*range(count))),
            pb.FeatureBlock(names=["seller", "fresh"], int64_le=_ints(*ids)),
        ],
        **more,
    )


def requests() -> Iterator[bytes]:
    """Requests that use every field."""
    rules = pb.Query(
        slots=4,
        pins=[pb.Pin(slot=1, candidate=2)],
        spacing=[pb.Spacing(group="seller", window=2, cap=1)],
        quotas=[pb.Quota(flag="fresh", min=1, max=3)],
        weights={"clicks": 1.5},
        dedup_keys=pb.DedupKeys(ints=[1, 1, 2, 3, 4, 5], present=[True] * 6),
    )
    ruled = _query(6, candidate_ids=list("abcdef"), id="page")
    ruled.MergeFrom(rules)
    sampled = _query(3, mode=pb.MODE_SAMPLE, seed=7, temperature=0.5)
    below = _query(4)
    below.above.CopyFrom(
        pb.Above(
            count=2,
            features=[pb.FeatureBlock(names=["seller", "fresh"], ints=[1, 0, 2, 1])],
            dedup_keys=pb.DedupKeys(int64_le=_ints(8, 9)),
        )
    )
    loose = pb.Query(
        candidate_count=1,
        user_features=[pb.FeatureBlock(names=["age"], floats=[1.0])],
        candidate_features=[
            pb.FeatureBlock(names=["score"], floats=[2.0]),
            pb.FeatureBlock(names=["fresh"], ints=[1]),
            pb.FeatureBlock(names=["seller"], ints=[5]),
        ],
    )
    for queries in ([ruled], [sampled], [below], [loose], [ruled, sampled, below, loose]):
        yield pb.RerankRequest(queries=queries).SerializeToString()
    yield pb.RerankRequest(queries=[loose], model="default", version="fuzzed").SerializeToString()
    yield pb.RerankRequest(queries=[loose], model="other").SerializeToString()


def _tensors(*, raw: bool) -> bytes:
    """A page as tensors of the Open Inference Protocol."""
    tensors = {
        "user.age": np.array([0.5], np.float32),
        "candidates.score": np.array([[1, 2, 3]], np.float32),
        "candidates.seller": np.array([[7, 8, 7]], np.int64),
        "candidates.fresh": np.array([[0, 1, 1]], np.int64),
        "candidate_count": np.array([3], np.int32),
        "pins": np.array([[-1, 2]], np.int32),
        "spacing.seller": np.array([[2, 1]], np.int32),
        "greedy": np.array([True]),
    }
    message: bytes = request_of(tensors, raw=raw, model_name="default").SerializeToString()
    return message


def _call(
    encoder: hpack.Encoder, stream: int, path: str, data: bytes, *more: tuple[str, str]
) -> bytes:
    block = encoder.encode(call_headers(path, *more))
    head = frame(Kind.HEADERS, Flag.END_HEADERS, stream, block)
    return head + frame(Kind.DATA, Flag.END_STREAM, stream, data)


def connections() -> Iterator[bytes]:
    """What clients send behind the preface of HTTP/2."""
    messages = list(requests())
    paths = [DESCRIBE, STATISTICS, HEALTH_CHECK, HEALTH_WATCH]
    encoder, all_calls = hpack.Encoder(), settings_frame({})
    for place, path in enumerate(paths):
        all_calls += _call(encoder, 2 * place + 1, path, framed(b""))
    yield all_calls
    encoder, ranked = hpack.Encoder(), settings_frame({Setting.INITIAL_WINDOW_SIZE: 10})
    for place, message in enumerate(messages):
        ranked += _call(encoder, 2 * place + 1, "/gerank.v1.RerankService/Rerank", framed(message))
        ranked += window_update(2 * place + 1, 1000)
    yield ranked + frame(Kind.PING, 0, 0, b"are here") + frame(Kind.GOAWAY, 0, 0, bytes(8))
    zipped = framed(gzip.compress(messages[0], mtime=0), compressed=1)
    headers = (("grpc-encoding", "gzip"), ("grpc-timeout", "1S"), ("x-request-id", "page-7"))
    rerank = "/gerank.v1.RerankService/Rerank"
    yield settings_frame({}) + _call(hpack.Encoder(), 1, rerank, zipped, *headers)
    block = hpack.Encoder().encode(call_headers(rerank, ("authorization", "Bearer x")))
    yield (
        settings_frame({Setting.HEADER_TABLE_SIZE: 0})
        + frame(Kind.HEADERS, 0, 1, block[:9])
        + frame(Kind.CONTINUATION, Flag.END_HEADERS, 1, block[9:])
        + frame(Kind.DATA, 0, 1, framed(messages[3])[:20])
        + rst_stream(1)
        + settings_frame({})
    )
    encoder, inferred = hpack.Encoder(), settings_frame({})
    for place, method in enumerate(("ServerReady", "ModelMetadata", "RepositoryIndex")):
        path = f"/{INFERENCE}/{method}"
        inferred += _call(encoder, 2 * place + 1, path, framed(b"\x0a\x07default"))
    for place, raw in enumerate((True, False)):
        path = f"/{INFERENCE}/ModelInfer"
        inferred += _call(encoder, 2 * place + 7, path, framed(_tensors(raw=raw)))
    yield inferred
    asked = b"\x3a\x01*" + b"\x22\x11gerank.v1.Query"  # list_services; file_containing_symbol
    block = hpack.Encoder().encode(call_headers(REFLECTION))
    yield (
        settings_frame({})
        + frame(Kind.HEADERS, Flag.END_HEADERS, 1, block)
        + frame(Kind.DATA, 0, 1, framed(asked[:3]))
        + frame(Kind.DATA, Flag.END_STREAM, 1, framed(asked[3:]))
    )


def main(folder: Path) -> None:
    """Names every seed by its content, as libFuzzer does."""
    seeds = {
        "request": list(requests()),
        "connection": [
            bytes([2 * (place % PIECES)]) + content for place, content in enumerate(connections())
        ],
    }
    for name, contents in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for content in contents:
            (folder / name / hashlib.sha1(content).hexdigest()).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
