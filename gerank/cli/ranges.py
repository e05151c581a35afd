"""Options that are numbers: the range of each is in its help and in what refuses a value."""

from __future__ import annotations

from typing import Any

import typer


def number_option(low: float, high: float, description: str, *flags: str, ending: str = "") -> Any:
    """A `typer.Option` that takes the numbers from `low` to `high`, both included.

    Args:
        low: An integer where the option is one.
        high: The same.
        description: What the number is; its help.
        flags: As people write the option; none = after its parameter.
        ending: What its help says behind the range.
    """
    kind = "an integer" if isinstance(low, int) and isinstance(high, int) else "a number"

    def check(value: float | None) -> float | None:
        if value is not None and not low <= value <= high:  # false for NaN too
            raise typer.BadParameter(f"must be {kind} in [{low}, {high}], got {value}")
        return value

    return typer.Option(*flags, help=f"{description} ({low} to {high}{ending})", callback=check)
