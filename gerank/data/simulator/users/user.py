"""What every simulated user can be asked, whatever makes it click."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor

from gerank.data.simulator.users.page import ShownPages


class UserKind(StrEnum):
    """What makes a user click, beside the items' own attraction.

    Attributes:
        FATIGUE: Tires of sellers and categories, and compares neighbours.
        EXAMINATION: The same, but looks at fewer and fewer slots: examination times attraction.
        CASCADE: Reads from the top, loses patience, and often leaves after a click.
        ATTENTION: Is drawn to videos, which outshine their neighbours, and likes a run of one
            category.
        REPEAT_SEEKING: Likes more of the same seller and category.
    """

    FATIGUE = "fatigue"
    EXAMINATION = "examination"
    CASCADE = "cascade"
    ATTENTION = "attention"
    REPEAT_SEEKING = "repeat-seeking"


class User(Protocol):
    """A click model. Its parameters are the fields of a frozen dataclass of plain numbers.

    Attributes:
        kind: Which one it is.
        slots_below: How many slots under a slot have a part in its click.
    """

    kind: ClassVar[UserKind]
    slots_below: ClassVar[int]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def click_probability(self, page: ShownPages) -> Tensor:
        """[..., N] float32. Probability of a click at every slot, exact; 0 at empty slots."""
        ...

    def any_click(self, page: ShownPages) -> Tensor:
        """[...] float32. Probability that the page is clicked at least once, exact."""
        ...

    def sample_clicks(self, generator: np.random.Generator, page: ShownPages) -> Tensor:
        """[..., N] bool. One visit to each page: clicks drawn together, none at empty slots."""
        ...


def check_not_negative(user: User) -> None:
    """Raises ValueError, with name and value, where one beside `base` is negative or NaN."""
    for field in fields(user):
        if field.name != "base" and not getattr(user, field.name) >= 0:
            raise ValueError(f"{field.name} is {getattr(user, field.name)}, not >= 0")
