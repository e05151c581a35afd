"""The engine's messages read as Python's would: the same repr, the same nearest name."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerank._engine import Query, StatusError
from gerank.data.feature_names import unknown_name
from tests.data.request_cases import CONTRACT

NATIVE = CONTRACT.native
BEYOND_FLOAT32 = struct.pack("<d", 1e39)


def refusal(**changes: object) -> StatusError:
    """What the engine says of a query of one candidate, sound but for the changes."""
    fields: dict[str, object] = {
        "candidate_count": 1,
        "user_features": [(["age"], "f4", bytes(4)), (["country"], "i8", bytes(8))],
        "candidate_features": [
            (["score", "price"], "f4", bytes(8)),
            (["seller", "category", "fresh", "cold"], "i8", bytes(32)),
        ],
    }
    with pytest.raises(StatusError) as caught:
        NATIVE.check(Query(**(fields | changes)))  # type: ignore[arg-type]
    return caught.value


@given(st.floats().filter(lambda x: not 0 <= x <= 2))
def test_numbers_are_shown_as_python_shows_them(value: float) -> None:
    error = refusal(weights={"clicks": value})
    assert str(error) == f"weights.clicks: must be a number in [0, 2], got {value!r}"


NAMES = st.text(st.characters(codec="ascii"), max_size=30) | st.sampled_from(
    ["click", "clik", "diversty", "Diversity", "clicksdiversity", "it's", 'the "one"', "a\nb\t\\"]
)


@given(NAMES.filter(lambda name: name not in CONTRACT.weights))
def test_the_nearest_name_is_that_of_difflib(name: str) -> None:
    expected = unknown_name(f"weights.{name}", 1.0, "utility", name, CONTRACT.weights.keys())
    error = refusal(weights={name: 1.0})
    assert (str(error), error.field) == (str(expected), expected.field)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=99)
)
def test_texts_are_shown_as_python_shows_them(text: str) -> None:
    error = refusal(spacing=[(text, 1, 1)])
    shown = repr(text) if len(repr(text)) <= 80 else repr(text)[:77] + "..."
    assert error.value == shown


def test_a_huge_name_does_not_make_a_huge_message() -> None:
    error = refusal(weights={"w" * 10**6: 1.0})
    assert len(str(error)) < 500 and error.field.endswith("...")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidate_count": 0}, "candidates: their number must be an integer in [1, 12], got 0"),
        ({"candidate_count": -(2**63)}, "[1, 12], got -9223372036854775808"),
        ({"slots": 0}, "slots: must be an integer in [1, 6], got 0"),
        ({"slots": 2**31}, "slots: must be an integer in [1, 6], got 2147483648"),
        ({"slots": "5"}, "slots: must be an integer, got '5'"),
        ({"slots": True}, "slots: must be an integer, got True"),
        ({"slots": 2**63}, "slots: must be a 64-bit integer, got 9223372036854775808"),
        ({"spacing": [("seller", 2**31, 1)]}, "spacing[0].window: must be an integer in [1, 21474"),
        ({"quotas": [("fresh", 0, 2**31)]}, "quotas[0].max: must be an integer in [0, 2147483647]"),
        ({"seed": 2**64}, "seed: must be an integer in [0, 18446744073709551615], got 18446744073"),
        ({"seed": -1}, "seed: must be an integer in [0, 18446744073709551615], got -1"),
        ({"temperature": float("nan")}, "temperature: must be a number in [0.001, 1000], got nan"),
        ({"temperature": 10**400}, "temperature: must be a number, got 1000"),
        ({"temperature": "hot"}, "temperature: must be a number, got 'hot'"),
        ({"greedy": 1}, "greedy: must be true or false, got 1"),
        ({"pins": [(0, 1)]}, "pins.0: the candidate must be an integer in [0, 0], got 1"),
        ({"pins": [(0, 0), (0, 0)]}, "pins.0: another pin has this slot already, got 0"),
        ({"candidate_ids": ["a", "b"]}, "candidate_ids: must be 1 ids, or none, got '2 ids'"),
        ({"dedup_keys": (bytes(7), None)}, "dedup_keys.int64_le: must be whole numbers of 8"),
        ({"dedup_keys": (bytes(16), None)}, "dedup_keys: must have 1 values, one per candidate"),
        ({"dedup_keys": (bytes(8), bytes(2))}, "dedup_keys.present: must have 1 values"),
        ({"user_features": []}, "user.age: the feature is missing, got []"),
        ({"user_features": [([], "f4", b"")]}, "user_features[0].names: must name at least one"),
        ({"user_features": [(["age"], "f4", bytes(5))]}, "user_features[0].float32_le: must be wh"),
        ({"user_features": [(["age"], "f4", bytes(8))]}, "user_features[0] (age): must have 1 val"),
        ({"user_features": [(["age"] * 2, "f4", bytes(8))]}, "user_features[0].names: the feature"),
        (
            {"user_features": [(["age"], "f4", b"\0\0\xc0\x7f"), (["country"], "i8", bytes(8))]},
            "user.age: must be a finite float32, got nan",
        ),
        (
            {"user_features": [(["age", "country"], "f4", bytes(8))]},
            "user.country: must be 64-bit integers, got [0.0]",
        ),
        (
            {"user_features": [(["age"], "f8", BEYOND_FLOAT32), (["country"], "i8", bytes(8))]},
            "user.age: must be a finite float32, got 1e+39",
        ),
        (
            {"user_features": [(["age"], "i8", bytes(8)), (["country"], "i8", b"\3" + bytes(7))]},
            "user.country: must be an id in [0, 2], got 3",
        ),
    ],
)  # fmt: skip
def test_every_field_that_is_wrong_is_named_with_its_value(
    changes: dict[str, object], message: str
) -> None:
    error = refusal(**changes)
    assert error.code == "INVALID_ARGUMENT"
    assert message in str(error)
    assert str(error) == f"{error.field}: {error.rule}, got {error.value}"


def test_numbers_may_lie_at_any_alignment() -> None:
    numbers = memoryview(b"x" + b"\0\0\x80\x3f" * 2)[1:]
    assert refusal(
        candidate_features=[(["score", "price"], "f4", numbers), (["seller"], "i8", bytes(8))]
    ).field == "candidates.category"  # fmt: skip
