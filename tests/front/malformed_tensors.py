"""Every way to spoil a ModelInferRequest that must be refused, with what the refusal must name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.front.inference_messages import message
from tests.front.inference_tensors import request_of

Spoil = Callable[[Any], None]


def input_of(request: Any, name: str) -> Any:
    """The input of that name."""
    return next(told for told in request.inputs if told.name == name)


def _set(name: str, **fields: object) -> Spoil:
    def spoil(request: Any) -> None:
        told = input_of(request, name)
        for field, value in fields.items():
            if field == "shape":
                told.shape[:] = value
            else:
                setattr(told, field, value)

    return spoil


def _shared_memory(request: Any) -> None:
    input_of(request, "user.age").parameters["shared_memory_region"].string_param = "region"


def _twice(request: Any) -> None:
    request.inputs.add().CopyFrom(input_of(request, "user.age"))
    request.raw_input_contents.append(b"\0" * 8)


def _with_contents(request: Any) -> None:
    input_of(request, "user.age").contents.fp32_contents.extend([1, 2])


def _raw(name: str, content: bytes) -> Spoil:
    def spoil(request: Any) -> None:
        place = [told.name for told in request.inputs].index(name)
        request.raw_input_contents[place] = content

    return spoil


def _without(name: str) -> Spoil:
    def spoil(request: Any) -> None:
        place = [told.name for told in request.inputs].index(name)
        del request.inputs[place], request.raw_input_contents[place]

    return spoil


def _add(name: str, array: Any) -> Spoil:
    def spoil(request: Any) -> None:
        more = request_of({name: array})
        request.inputs.extend(more.inputs)
        request.raw_input_contents.extend(more.raw_input_contents)

    return spoil


def _replace(name: str, array: Any) -> Spoil:
    def spoil(request: Any) -> None:
        _without(name)(request)
        _add(name, array)(request)

    return spoil


def _parameter(request: Any) -> None:
    request.parameters["sequence_id"].int64_param = 7


def _no_inputs(request: Any) -> None:
    del request.inputs[:], request.raw_input_contents[:]


F4, I4, I8 = np.float32, np.int32, np.int64
NAN = np.array([[0, np.nan, *[0] * 6], [0] * 8], F4)
MALFORMED: dict[str, tuple[Spoil, str, str]] = {
    # what -> how, the field, and the value that the message shows
    "a parameter": (_parameter, "parameters", "'sequence_id'"),
    "no input": (_no_inputs, "inputs", "0"),
    "shared memory": (_shared_memory, "inputs.user.age.parameters", "'shared_memory_region'"),
    "a datatype": (_set("user.age", datatype="FP16"), "inputs.user.age.datatype", "'FP16'"),
    "no such tensor": (_add("candidate", np.ones(2, F4)), "inputs", "'candidate'"),
    "no such feature": (
        _add("candidates.scoer", np.ones((2, 8), F4)),
        "queries[0].candidates.scoer",
        "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]",
    ),
    "a missing feature": (_without("user.age"), "queries[0].user.age", "['country']"),
    "a tensor twice": (_twice, "inputs", "'user.age'"),
    "a further raw element": (
        lambda request: request.raw_input_contents.append(b""),
        "raw_input_contents",
        "elements'",
    ),
    "both contents": (_with_contents, "inputs.user.age.contents", "'elements'"),
    "too few bytes": (_raw("user.age", b"\0" * 7), "inputs.user.age", "'7 bytes'"),
    "an element too many": (_raw("user.age", b"\0" * 12), "inputs.user.age", "'12 bytes'"),
    "no bytes": (_raw("candidates.price", b""), "inputs.candidates.price", "'0 bytes'"),
    "a torn text": (
        _raw("preset", b"\x05\0\0\0ab"),
        "inputs.preset.raw_input_contents",
        "'0 whole elements'",
    ),
    "a text too few": (_raw("preset", b"\0\0\0\0"), "inputs.preset", "'1 elements'"),
    "no UTF-8": (_raw("preset", b"\0\0\0\0\1\0\0\0\xff"), "inputs.preset[1]", "bytes'"),
    "another batch": (
        _set("user.age", shape=[1, 2]),
        "inputs.user.age.shape",
        "[1, 2]",
    ),
    "no axis": (_set("user.age", shape=[]), "inputs.user.age.shape", "[]"),
    "four axes": (_set("user.age", shape=[2, 1, 1, 1]), "inputs.user.age.shape", "[2, 1, 1, ...]"),
    "an empty axis": (_set("user.age", shape=[2, 0]), "inputs.user.age.shape", "[2, 0]"),
    "a negative axis": (_set("user.age", shape=[-2, -1]), "inputs.user.age.shape", "[-2, -1]"),
    "an axis beyond all": (
        _set("user.age", shape=[2, 2**62, 8]),
        "inputs.user.age.shape",
        f"[2, {2**62}, 8]",
    ),
    "other candidates": (
        _replace("candidates.price", np.ones((2, 7), F4)),
        "inputs.candidates.price.shape",
        "[2, 7]",
    ),
    "a vector that is none": (
        _replace("candidates.price", np.ones((2, 8, 2), F4)),
        "inputs.candidates.price.shape",
        "[2, 8, 2]",
    ),
    "three of two": (
        _replace("spacing.seller", np.ones((2, 3), I4)),
        "inputs.spacing.seller.shape",
        "[2, 3]",
    ),
    "a width where there is none": (
        _replace("slots", np.ones((2, 2), I4)),
        "inputs.slots.shape",
        "[2, 2]",
    ),
    "numbers for an id": (
        _replace("candidates.seller", np.ones((2, 8), F4)),
        "queries[0].candidates.seller",
        "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]",
    ),
    "texts for a number": (
        _replace("candidates.price", np.full((2, 8), "1", object)),
        "inputs.candidates.price.datatype",
        "'BYTES'",
    ),
    "texts for a fixed id": (
        _replace("candidates.category", np.full((2, 8), "shoes", object)),
        "inputs.candidates.category.datatype",
        "'BYTES'",
    ),
    "unsigned features": (
        _replace("candidates.seller", np.ones((2, 8), np.uint64)),
        "inputs.candidates.seller.datatype",
        "'UINT64'",
    ),
    "real slots": (_replace("slots", np.ones(2, F4)), "inputs.slots.datatype", "'FP32'"),
    "a number that is none": (
        _replace("candidates.score", NAN),
        "queries[0].candidates[1].score",
        "nan",
    ),
    "no candidates": (
        _replace("candidate_count", np.array([8, 0], I4)),
        "inputs.candidate_count[1]",
        "0",
    ),
    "more candidates than there are": (
        _replace("candidate_count", np.array([9, 8], I8)),
        "inputs.candidate_count[0]",
        "9",
    ),
    "present without keys": (_without("dedup_keys"), "inputs", "'dedup_present'"),
    "a pin of nobody": (
        _replace("pins", np.array([[-1, -1], [-1, 8]], I4)),
        "queries[1].pins.1",
        "8",
    ),
    "a window of nothing": (
        _replace("spacing.seller", np.array([[0, 1], [0, 0]], I4)),
        "queries[0].spacing[0].window",
        "0",
    ),
    "a weight beyond": (
        _replace("weights.clicks", np.array([1.0, 3.0])),
        "queries[1].weights.clicks",
        "3.0",
    ),
    "a flag that is none": (
        _add("quotas.frseh", np.ones((2, 2), I4)),
        "quotas[1].flag",
        "'frseh'",
    ),
    "above without its features": (
        _add("above_count", np.ones(2, I4)),
        "inputs.above_count[0]",
        "1",
    ),
    "an output": (lambda request: request.outputs.add(name="ranks"), "outputs", "'ranks'"),
    "an output twice": (
        lambda request: [request.outputs.add(name="order") for _ in range(2)],
        "outputs",
        "'order'",
    ),
    "an output's parameter": (
        lambda request: (
            request.outputs.add(name="order")
            .parameters["classification"]
            .CopyFrom(message("InferParameter")(int64_param=3))
        ),
        "outputs.order.parameters",
        "'classification'",
    ),
    "no such preset": (
        _replace("preset", np.array(["", "calm"], object)),
        "queries[1].preset",
        "'calm'",
    ),
}
