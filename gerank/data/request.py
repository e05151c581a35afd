"""One page to re-rank, as columns: what every front makes of what it was sent.

A `Request` is plain data. Whether an artifact can answer it is the matter of
`gerank.data.request_check`, in the same way for JSON, gRPC and Python callers.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from array import array

    from numpy.typing import NDArray

    Column = array[Any] | NDArray[Any]
    """One number per row, as documents give it or as callers with numpy have it."""

_LONGEST_FIELD, _LONGEST_VALUE = 200, 80  # characters: messages travel in gRPC trailers


class _Shown(str):
    """The text of a value, which stands for the value."""

    def __repr__(self) -> str:
        return str(self)


class RequestError(ValueError):
    """A request that cannot be answered as it stands.

    Attributes:
        field: Where it is wrong, as a path: `candidates[3].price`, `weights.clicks`.
        value: What is there.
        rule: What should be there.
    """

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = _cut(field, _LONGEST_FIELD)
        super().__init__(f"{self.field}: {rule}, got {_cut(_text_of(value), _LONGEST_VALUE)}")
        self.value = value
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles: the one message that `BaseException` keeps would not make it again."""
        value = self.value
        try:
            pickle.loads(pickle.dumps(value))
        except Exception:  # whatever the value does; the text that the message shows remains
            value = _Shown(_cut(_text_of(value), _LONGEST_VALUE))
        return type(self), (self.field, value, self.rule), self.__dict__ | {"value": value}

    @classmethod
    def shown(cls, field: str, text: str, rule: str) -> RequestError:
        """An error whose value is known by its text alone, as `repr` would show it."""
        return cls(field, _Shown(text), rule)

    def within(self, parent: str) -> RequestError:
        """The same error, seen from the document that holds the request at `parent`."""
        return RequestError(f"{parent}.{self.field}", self.value, self.rule)


@dataclass(frozen=True)
class Pin:
    """A slot whose candidate (an index) is given."""

    slot: int
    candidate: int


@dataclass(frozen=True)
class Spacing:
    """At most `cap` candidates of any one group of a group key in any `window` slots in a row."""

    group: str
    window: int
    cap: int


@dataclass(frozen=True)
class Quota:
    """At least `minimum` and at most `maximum` (None = no limit) candidates with a flag."""

    flag: str
    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, eq=False)
class Above:
    """What stands directly above a page in an endless feed: the last A slots shown, downwards.

    Spacing windows and the local context look back into it, and a candidate whose dedup key was
    shown is not chosen again.

    Attributes:
        count: A.
        features: Group key or flag -> [A] integers: every one of the artifact's schema.
        dedup_keys: [A] int64 >= 0, in the numbering of the request's; -1 = no key. None = no slot
            has one.
    """

    count: int
    features: Mapping[str, Column] = field(default_factory=dict)
    dedup_keys: Column | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """One user, M candidates, and the rules of their slate.

    Attributes:
        id: Echoed in the answer.
        candidate_ids: [M] str or int, distinct as text. Echoed in the answer.
        user: Feature name -> value.
        candidates: Feature name -> [M] float (dense) or integer (id).
        preset: Name of one of the artifact's presets, which say what the request does not; None =
            none of them.
        slots: Slots to fill; None = the preset's, else as many as the artifact allows.
        pins: At most one per slot and per candidate.
        dedup_keys: [M] int64 >= 0. Candidates with one key exclude each other; -1 = no key.
            None = no candidate has one.
        above: What stands directly above the page; None = nothing.
        spacing: At most one per group key.
        quotas: At most one per flag.
        weights: Utility name -> preference weight; the artifact's default where not named.
        seed: The 64 bits that sampling starts from; None = 0 if greedy, else drawn by
            whoever answers, and told in the slate.
        greedy: True: the most probable candidate; False: a draw; None = the preset's, else True.
        temperature: Divides the logits; None = the preset's, else 1.
    """

    id: str | int
    candidate_ids: tuple[str | int, ...]
    user: Mapping[str, float | int] = field(default_factory=dict)
    candidates: Mapping[str, Column] = field(default_factory=dict)
    preset: str | None = None
    slots: int | None = None
    pins: tuple[Pin, ...] = ()
    dedup_keys: Column | None = None
    above: Above | None = None
    spacing: tuple[Spacing, ...] = ()
    quotas: tuple[Quota, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    greedy: bool | None = None
    temperature: float | None = None


def _text_of(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a number of too many digits, a list nested too deep, ...
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
