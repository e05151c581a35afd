"""Single values of a request that neither the engine nor the wire can hold: told before either."""

from __future__ import annotations

from gerank.data.request import RequestError
from gerank.data.scalars import MOST_BITS, is_id, is_real, whole_number

_MOST_INT32 = 2**31 - 1


def check_showable(field: str, value: object) -> None:
    """Refuses an integer of so many digits that Python does not write it out: no message could."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise RequestError(field, value, "must be a 64-bit integer or a float64")


def check_id(field: str, value: object) -> None:
    """Refuses what cannot name a page or a candidate: it must be an integer or text in Unicode."""
    if not is_id(value):
        raise RequestError(field, value, "must be a string or an integer")
    check_showable(field, value)
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise RequestError(field, value, "must be valid Unicode") from error


def whole(field: str, value: object, low: int = -_MOST_INT32 - 1, high: int = _MOST_INT32) -> int:
    """The integer that a field of the wire holds.

    Raises:
        RequestError: The value is no integer, or none from `low` to `high`.
    """
    number = whole_number(value)
    if number is None:
        raise RequestError(field, value, "must be an integer")
    if not low <= number <= high:
        raise RequestError(field, value, f"must be an integer in [{low}, {high}]")
    return number


def real(field: str, value: object) -> float:
    """The number that a field of the wire holds.

    Raises:
        RequestError: The value is none.
    """
    if not is_real(value):
        raise RequestError(field, value, "must be a number")
    check_showable(field, value)
    return float(value)


def text(field: str, value: object) -> str:
    """The text that a field of the wire holds.

    Raises:
        RequestError: The value is none, or no Unicode.
    """
    if not isinstance(value, str):
        raise RequestError(field, value, "must be a string")
    check_id(field, value)
    return value
