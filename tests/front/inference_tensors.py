"""Pages as tensors of the Open Inference Protocol, and slates out of such tensors."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.request import Request
from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.front.inference_messages import message

Tensors = dict[str, NDArray[Any]]

_DATATYPES = {
    "b1": ("BOOL", "bool_contents"),
    "i4": ("INT32", "int_contents"),
    "i8": ("INT64", "int64_contents"),
    "u8": ("UINT64", "uint64_contents"),
    "f4": ("FP32", "fp32_contents"),
    "f8": ("FP64", "fp64_contents"),
    "O8": ("BYTES", "bytes_contents"),
}
_NUMPY = {"INT32": "<i4", "INT64": "<i8", "UINT64": "<u8", "FP32": "<f4"}


def tensors_of(requests: Sequence[Request]) -> Tensors:
    """A batch of pages, padded to the longest. Every page must have the same user features."""
    sizes = [len(request.candidate_ids) for request in requests]
    most = max(sizes)
    first = requests[0]
    tensors: Tensors = {
        "candidate_count": np.array(sizes, np.int32),
        "candidate_ids": _padded([list(map(str, r.candidate_ids)) for r in requests], most, ""),
        "page_ids": np.array([str(request.id) for request in requests], object),
        "preset": np.array([request.preset or "" for request in requests], object),
        "slots": np.array([request.slots or 0 for request in requests], np.int32),
        "seed": np.array([request.seed for request in requests], np.uint64),
        "greedy": np.array([request.greedy for request in requests], np.bool_),
        "temperature": np.array([request.temperature for request in requests], np.float64),
    }
    for name in first.user:
        dtype = np.float32 if isinstance(first.user[name], float) else np.int64
        tensors[f"user.{name}"] = np.array([request.user[name] for request in requests], dtype)
    for name in first.candidates:
        columns = [np.asarray(request.candidates[name]) for request in requests]
        tensors[f"candidates.{name}"] = _padded(columns, most, 0)
    return tensors | _rules(requests) | _keys(requests, most) | _above(requests)


def two_pages() -> Tensors:
    """Two pages of eight candidates."""
    page = parse_request(valid_document(), CONTRACT)
    return tensors_of([page, page])


def _rules(requests: Sequence[Request]) -> Tensors:
    pins = np.full((len(requests), max(request.slots or 1 for request in requests)), -1, np.int32)
    tensors: Tensors = {"pins": pins}
    for page, request in enumerate(requests):
        for pin in request.pins:
            pins[page, pin.slot] = pin.candidate
        for space in request.spacing:
            name = f"spacing.{space.group}"
            tensors.setdefault(name, np.zeros((len(requests), 2), np.int32))
            tensors[name][page] = space.window, space.cap
        for quota in request.quotas:
            name = f"quotas.{quota.flag}"
            tensors.setdefault(name, np.full((len(requests), 2), -1, np.int32))
            tensors[name][page] = quota.minimum, -1 if quota.maximum is None else quota.maximum
        for utility in request.weights:
            values = [other.weights[utility] for other in requests]
            tensors[f"weights.{utility}"] = np.array(values, np.float64)
    return tensors


def _keys(requests: Sequence[Request], most: int) -> Tensors:
    keys = np.full((len(requests), most), -1, np.int64)
    for page, request in enumerate(requests):
        if request.dedup_keys is not None:
            keys[page, : len(request.candidate_ids)] = request.dedup_keys
    return {"dedup_keys": keys, "dedup_present": keys >= 0}


def _above(requests: Sequence[Request]) -> Tensors:
    counts = [request.above.count if request.above else 0 for request in requests]
    told = [request.above for request in requests if request.above is not None]
    if not told:
        return {}
    tensors: Tensors = {"above_count": np.array(counts, np.int32)}
    keys = np.full((len(requests), max(counts)), -1, np.int64)
    for name in told[0].features:
        columns = [np.asarray(r.above.features[name] if r.above else [], int) for r in requests]
        tensors[f"above.{name}"] = _padded(columns, max(counts), 0)
    for page, request in enumerate(requests):
        if request.above is not None and request.above.dedup_keys is not None:
            keys[page, : counts[page]] = request.above.dedup_keys
    return tensors | {"above_dedup_keys": keys, "above_dedup_present": keys >= 0}


def _padded(rows: Sequence[Any], most: int, filler: object) -> NDArray[Any]:
    first = np.asarray(rows[0])
    dtype = object if first.dtype.kind == "U" else np.float32 if first.dtype.kind == "f" else "i8"
    padded = np.full((len(rows), most), filler, dtype)
    for page, row in enumerate(rows):
        padded[page, : len(row)] = row
    return padded


def request_of(tensors: Mapping[str, NDArray[Any]], *, raw: bool = True, **fields: object) -> Any:
    """A ModelInferRequest of the tensors, with raw contents or with typed ones."""
    request = message("ModelInferRequest")(**fields)
    for name, tensor in tensors.items():
        datatype, field = _DATATYPES[tensor.dtype.str[1:] if tensor.dtype != object else "O8"]
        told = request.inputs.add(name=name, datatype=datatype, shape=tensor.shape)
        elements = [_bytes(x) for x in tensor.ravel()] if datatype == "BYTES" else tensor.ravel()
        if not raw:
            getattr(told.contents, field).extend(np.asarray(elements).tolist())
        elif datatype == "BYTES":
            packed = (struct.pack("<I", len(element)) + element for element in elements)
            request.raw_input_contents.append(b"".join(packed))
        else:
            request.raw_input_contents.append(tensor.tobytes())
    return request


def _bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def output(answer: Any, name: str) -> NDArray[Any]:
    """One output of a ModelInferResponse."""
    names = [told.name for told in answer.outputs]
    told, raw = answer.outputs[names.index(name)], answer.raw_output_contents[names.index(name)]
    if told.datatype != "BYTES":
        return np.frombuffer(raw, _NUMPY[told.datatype]).reshape(tuple(told.shape))
    texts, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        texts.append(raw[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return np.array(texts, object).reshape(tuple(told.shape))


def slates_of(read: Callable[[str], NDArray[Any]]) -> list[pb.Slate]:
    """The slates that outputs say; `read` gives an output by its name."""
    slates = []
    for page, order in enumerate(read("order")):
        slots = [slot for slot, candidate in enumerate(order) if candidate >= 0]
        slate = pb.Slate(
            slots=slots,
            candidates=order[slots],
            candidate_ids=read("candidate_ids")[page, slots],
            log_prob=read("log_prob")[page, slots],
            seed=int(read("seed")[page, 0]),
        )
        for slot, bits in enumerate(read("relaxed")[page]):
            rules = [rule for rule in (pb.RULE_SPACING, pb.RULE_QUOTAS) if int(bits) & rule]
            if rules:
                slate.relaxed.add(slot=slot, rules=rules)
        for place, rule in enumerate(read("unmet_rule")[page]):
            if rule != pb.RULE_UNSPECIFIED:
                slate.unmet.add(
                    rule=int(rule),
                    name=read("unmet_name")[page, place],
                    wanted=int(read("unmet_wanted")[page, place]),
                    got=int(read("unmet_got")[page, place]),
                    slots=[s for s in read("unmet_slots")[page, place] if s >= 0],
                )
        slates.append(slate)
    return slates
