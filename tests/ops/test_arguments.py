"""A wrong argument is refused by the op itself, in a sentence with op, argument and what it got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gerank import ops
from tests.ops.cases import DecodeCase, Sizes, make_case
from tests.ops.encoder_cases import random_set
from tests.ops.step_cases import StepCase, make_step

Change = Callable[[Tensor], Tensor]


def one_row_less(value: Tensor) -> Tensor:
    return value[1:]


def one_column_less(value: Tensor) -> Tensor:
    return value[:, 1:]


def one_axis_less(value: Tensor) -> Tensor:
    return value[0]


def half(value: Tensor) -> Tensor:
    return value.half()


def double(value: Tensor) -> Tensor:
    return value.double()


def short(value: Tensor) -> Tensor:
    return value.short()


STEP_CHANGES: list[tuple[str, Change]] = [
    ("keys", one_axis_less),
    ("keys", half),
    ("query", one_row_less),
    ("query", one_column_less),
    ("query", double),
    ("context", one_row_less),
    ("context", one_column_less),
    ("w_context", lambda value: value.expand(3, -1, -1)),
    ("w_context", double),
    ("v", one_column_less),
    ("v", lambda value: value.expand(3, -1)),
    ("mask", one_column_less),
    ("mask", short),
    ("temperature", one_row_less),
    ("temperature", double),
    ("seeds", short),
    ("greedy", short),
    ("forced", one_row_less),
    ("forced", short),
    ("forced", lambda value: torch.full_like(value, 12)),
]


@pytest.mark.parametrize(("argument", "change"), STEP_CHANGES)
def test_pointer_step_names_the_wrong_argument(argument: str, change: Change) -> None:
    case = make_step(0)
    wrong = case._replace(**{argument: change(getattr(case, argument))})
    expected = rf"^gerank::pointer_step: .*\b{argument_seen(argument, wrong)}\b.* got "
    with pytest.raises(RuntimeError, match=expected):
        ops.pointer_step(*wrong)


def argument_seen(argument: str, wrong: StepCase) -> str:
    """Which argument a check can blame: context and w_context only disagree with each other."""
    return r"(w_)?context" if wrong.context.shape[2] != wrong.w_context.shape[1] else argument


DECODE_CHANGES: list[tuple[str, Change]] = [
    ("candidates", one_axis_less),
    ("candidates", half),
    ("set_vector", one_row_less),
    ("set_vector", one_column_less),
    ("set_vector", double),
    ("mask", one_column_less),
    ("mask", short),
    ("weights", one_row_less),
    ("weights", double),
    ("attention", one_column_less),
    ("attention", lambda value: value.expand(3, -1, -1)),
    ("flags", one_row_less),
    ("flags", short),
    ("groups", one_row_less),
    ("groups", short),
    ("pins", one_row_less),
    ("pins", short),
    ("dedup_keys", one_column_less),
    ("dedup_keys", short),
    ("spacing", one_column_less),
    ("spacing", lambda value: value[:, :, :1]),
    ("quotas", one_column_less),
    ("quotas", short),
    ("slots", one_row_less),
    ("slots", short),
    ("slots", lambda value: torch.full_like(value, 7)),
    ("temperature", one_row_less),
    ("temperature", double),
]


@pytest.mark.parametrize(("argument", "change"), DECODE_CHANGES)
def test_decode_ops_name_the_wrong_argument(argument: str, change: Change) -> None:
    case = make_case(0)
    slates = ops.decode_slates(*case.arguments())[0]
    wrong = replace(case, **{argument: change(getattr(case, argument))})
    with pytest.raises(RuntimeError, match=rf"^gerank::decode_slates: {argument} .* got "):
        ops.decode_slates(*wrong.arguments())
    with pytest.raises(RuntimeError, match=rf"^gerank::slate_log_prob: {argument} .* got "):
        ops.slate_log_prob(*wrong.along(slates))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("seeds", torch.zeros(8, dtype=torch.int16)),
        ("seeds", torch.zeros(7, dtype=torch.int64)),
        ("greedy", torch.zeros(8, dtype=torch.int64)),
        ("num_slates", 0),
    ],
)
def test_decode_slates_names_the_wrong_argument(argument: str, value: Tensor | int) -> None:
    wrong = replace(make_case(0), **{argument: value})
    with pytest.raises(RuntimeError, match=rf"^gerank::decode_slates: {argument} .* got "):
        ops.decode_slates(*wrong.arguments())


@pytest.mark.parametrize(
    "slates",
    [
        torch.full((8, 6), -1),
        torch.full((8, 1, 5), -1),
        torch.full((8, 1, 6), -1, dtype=torch.int16),
        torch.full((8, 1, 6), 12),
        torch.full((8, 1, 6), -2),
    ],
)
def test_slate_log_prob_names_wrong_slates(slates: Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"^gerank::slate_log_prob: slates .* got "):
        ops.slate_log_prob(*make_case(0).along(slates))


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("candidates", torch.zeros(2, 3)),
        ("candidates", torch.zeros(2, 3, 4, dtype=torch.int64)),
        ("users", torch.zeros(3, 5)),
        ("users", torch.zeros(2, 5, dtype=torch.float64)),
        ("mask", torch.ones(2, 4, dtype=torch.bool)),
        ("weights", torch.zeros(7)),
        ("width", 0),
    ],
)
def test_encode_set_names_the_wrong_argument(argument: str, wrong: object) -> None:
    names = ("candidates", "users", "mask", "weights", "width")
    good = dict(zip(names, random_set(0, (2, 3, 4, 5), 6), strict=True))
    ops.encode_set(**good)
    with pytest.raises(RuntimeError, match=rf"^gerank::encode_set: {argument} .* got "):
        ops.encode_set(**(good | {argument: wrong}))


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("values", torch.zeros(2, 3)),
        ("values", torch.zeros(2, 3, 1, dtype=torch.int64)),
        ("mask", torch.ones(2, 4, dtype=torch.bool)),
        ("mask", torch.ones(2, 3)),
        ("mean", torch.zeros(2)),
        ("deviation", torch.ones(1, dtype=torch.float64)),
    ],
)
def test_set_features_names_the_wrong_argument(argument: str, wrong: Tensor) -> None:
    good = {
        "values": torch.zeros(2, 3, 1),
        "mask": torch.ones(2, 3, dtype=torch.bool),
        "mean": torch.zeros(1),
        "deviation": torch.ones(1),
    }
    with pytest.raises(RuntimeError, match=rf"^gerank::set_features: {argument} .* got "):
        ops.set_features(**(good | {argument: wrong}))


@pytest.mark.parametrize(
    ("sizes", "letter", "limit"),
    [
        (Sizes(1, candidates=513), "M", 512),
        (Sizes(1, slots=129), "N", 128),
        (Sizes(1, width=513), "D", 512),
        (Sizes(1, attention_width=513), "H", 512),
        (Sizes(1, groups=9), "K", 8),
        (Sizes(1, flags=17), "Q", 16),
    ],
    ids=["M", "N", "D", "H", "K", "Q"],
)
def test_a_size_beyond_its_limit_is_refused(sizes: Sizes, letter: str, limit: int) -> None:
    case = make_case(0, sizes, rules=False)
    message = rf"{letter} must be at most {limit}, got {limit + 1}"
    with pytest.raises(RuntimeError, match=rf"^gerank::decode_slates: {message}"):
        ops.decode_slates(*case.arguments())
    slates = torch.full((1, 1, sizes.slots), -1)
    with pytest.raises(RuntimeError, match=rf"^gerank::slate_log_prob: {message}"):
        ops.slate_log_prob(*case.along(slates))


@pytest.mark.parametrize(("candidates", "width"), [(513, 4), (5, 513)])
def test_pointer_step_refuses_sizes_beyond_the_limit(candidates: int, width: int) -> None:
    with pytest.raises(RuntimeError, match=r"^gerank::pointer_step: [MH] must be at most 512, got"):
        ops.pointer_step(*make_step(0, 2, candidates, width))


def with_pins(*pins: int) -> DecodeCase:
    """Request 2 of 4 has the pins; candidate 3 is padding, 4 and 5 share a key; 3 slots of 4."""
    case = make_case(0, Sizes(4, 6, 4), rules=False, ragged=False)
    mask, keys = case.mask.clone(), case.dedup_keys.clone()
    mask[2, 3] = False
    keys[2, 4] = keys[2, 5] = 77
    all_pins = case.pins.clone()
    all_pins[2] = torch.tensor(pins)
    slots = torch.full_like(case.slots, 3)
    return replace(case, mask=mask, dedup_keys=keys, pins=all_pins, slots=slots)


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ((-1, 6, -1, -1), ["6", "slot 1"]),
        ((-1, -1, -2, -1), ["-2", "slot 2"]),
        ((1, -1, 1, -1), ["candidate 1", "slots 0 and 2"]),
        ((-1, -1, -1, 2), ["candidate 2", "slot 3"]),
        ((4, 5, -1, -1), ["key 77", "slots 0 and 1"]),
    ],
    ids=["out of range", "below -1", "twice", "behind the end", "one dedup key"],
)
def test_an_invalid_pin_is_refused_with_request_slot_and_value(
    pins: tuple[int, ...], words: list[str]
) -> None:
    case = with_pins(*pins)
    slates = torch.full((4, 1, 4), -1)
    for call in (
        lambda: ops.decode_slates(*case.arguments()),
        lambda: ops.slate_log_prob(*case.along(slates)),
    ):
        with pytest.raises(RuntimeError, match=r": pins must .* of request 2") as caught:
            call()
        message = str(caught.value)
        assert all(word in message for word in words), message


def test_valid_pins_are_accepted() -> None:
    slates = ops.decode_slates(*with_pins(4, -1, 0, -1).arguments())[0]
    assert slates[2, 0, [0, 2, 3]].tolist() == [4, 0, -1]
