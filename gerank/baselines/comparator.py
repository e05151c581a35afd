"""What every re-ranker that is compared with the generator can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gerank.data.contract import WeightRange
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.device import CPU


class UnfitPagesError(ValueError):
    """Pages that a comparator, or one of its settings, can make nothing of; the message says why.

    A comparison leaves such a setting out of the tuning, and says so.
    """


class NotServedError(ValueError):
    """A comparator that no artifact can hold; the message says why."""


@dataclass(frozen=True)
class Pages:
    """Pages to learn from.

    Attributes:
        log: The exposure log.
        train: [T] int64. Rows to fit.
        validation: [V] int64. Rows, of other people, that end training early and choose settings.
        slots: N, of every slate.
        score: The dense candidate feature that pages were sorted by before; None = there is none.
        device: Where networks learn from them.
    """

    log: ExposureLog
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    slots: int
    score: str | None = None
    device: torch.device = CPU


@dataclass(frozen=True)
class ServedModule:
    """What an artifact holds of a comparator.

    Attributes:
        module: Scriptable, from the tensors of a `RerankBatch` to `Slates`.
        weights: Utility -> range of its preference weight; empty where weights do not count.
    """

    module: nn.Module
    weights: Mapping[str, WeightRange]


class Comparator(ABC):
    """A re-ranker that is fitted to logged pages and answers with slates.

    Slates keep the rules of the log's requests, as the generator's do: what is pinned, dedup keys,
    spacing and quotas are masks of the decoding.

    Attributes:
        name: As in configurations and tables: `seq2slate`.
        paper: Where it is from.
        grid: Setting -> the values that are tried on the validation pages.
        draws: Whether its slates depend on the seed; one that does not is fitted once.
        not_served: Why no artifact can hold it; empty where one can, as `served` tells.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    draws: ClassVar[bool] = True
    not_served: ClassVar[str] = "it has no module that can be scripted"

    def __init__(self, settings: Mapping[str, Any] | None = None, *, seed: int = 0) -> None:
        """A comparator before it has seen a page.

        Args:
            settings: Values of some of `grid`'s settings; the others take the first of theirs.
            seed: The seed of everything that is drawn.

        Raises:
            ValueError: There is no such setting, or a value is of another type than those that are
                tried.
        """
        given = dict(settings or {})
        unknown = sorted(given.keys() - self.grid.keys())
        if unknown:
            known = ", ".join(self.grid) or "none"
            raise ValueError(f"{self.name}: no setting {unknown[0]!r}; there are {known}")
        for name, value in given.items():
            _check_type(f"{self.name}: {name}", value, self.grid[name])
        self.settings: dict[str, Any] = {name: tried[0] for name, tried in self.grid.items()}
        self.settings |= given
        self.seed = seed

    @abstractmethod
    def fit(self, pages: Pages) -> None:
        """Learns from the training pages; the validation pages only end it early."""

    @abstractmethod
    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """The slates of some pages: [len(rows), N] int64, -1 behind the end."""

    @classmethod
    def lacks(cls, setting: str, value: object, schema: FeatureSchema, score: str | None) -> str:
        """What pages lack for one value of a setting; empty where they have it all.

        A comparison does not spend its tuning budget on such a value. `fit` refuses it all the
        same, with UnfitPagesError.

        Args:
            setting: One of `grid`'s.
            value: A value of it.
            schema: Which features the pages have.
            score: See `Pages`.
        """
        return ""

    @classmethod
    def conflict(cls, settings: Mapping[str, Any]) -> str:
        """Why some settings exclude each other, whatever the pages; empty where none do.

        Args:
            settings: A value of every setting.
        """
        return ""

    @classmethod
    def check_served(cls) -> None:
        """Raises NotServedError where no artifact can hold such a comparator."""
        if cls.not_served:
            raise NotServedError(f"{cls.name} cannot be exported: {cls.not_served}")

    def served(self) -> ServedModule:
        """What answers as this comparator does, once it is fitted.

        Raises:
            NotServedError: No artifact can hold it.
        """
        self.check_served()
        raise NotImplementedError(f"{type(self).__name__}.served")


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _check_type(name: str, value: object, tried: tuple[Any, ...]) -> None:
    """Raises ValueError unless a value is of the type of one that is tried; an int is a number."""
    known = {type(each) for each in tried}
    if type(None) in known or type(value) in known or not known <= _WORDS.keys():
        return
    if isinstance(value, str) and str in known:
        return
    if type(value) is int and float in known:
        return
    wanted = " or ".join(words for kind, words in _WORDS.items() if kind in known)
    raise ValueError(f"{name}: {value!r} is not {wanted}")
