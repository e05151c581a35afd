"""Comparators of one's own, for tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages, UnfitPagesError
from gerank.baselines.logged import LoggedPage
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema


class NeedsMore(Comparator):
    """No pages are enough for it."""

    name = "needs_more"
    paper = "none"
    draws = False

    def fit(self, pages: Pages) -> None:
        """Always refuses."""
        raise UnfitPagesError(f"{len(pages.train)} pages are too few")

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """Is not called."""
        raise AssertionError


class Fails(NeedsMore):
    """Fails as a mistake in it would."""

    name = "fails"
    grid = MappingProxyType({"how": ("value", "kill", "mistake")})

    def fit(self, pages: Pages) -> None:
        """Fails in the way that is set."""
        if self.settings["how"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.settings["how"] == "mistake":
            raise TypeError("an int is no str")
        raise ValueError("this comparator always fails")


class Picky(LoggedPage):
    """The logged page, unless it is in a bad mood."""

    name = "picky"
    grid = MappingProxyType({"mood": ("bad", "good")})

    def fit(self, pages: Pages) -> None:
        """Refuses in a bad mood."""
        if self.settings["mood"] == "bad":
            raise UnfitPagesError("the mood is bad")


class Choosy(Picky):
    """Says beforehand that all pages are nothing for its bad mood."""

    name = "choosy"

    @classmethod
    def lacks(cls, setting: str, value: object, schema: FeatureSchema, score: str | None) -> str:
        """Is content with any pages in a good mood."""
        return "there is no cake" if value == "bad" else ""


class LacksRaises(Picky):
    """Has a mistake where it tells what pages lack."""

    name = "lacks_raises"

    @classmethod
    def lacks(cls, setting: str, value: object, schema: FeatureSchema, score: str | None) -> str:
        """Raises as a mistake would."""
        raise KeyError(setting)


class ConflictRaises(Picky):
    """Has a mistake where it tells which settings exclude each other."""

    name = "conflict_raises"

    @classmethod
    def conflict(cls, settings: Mapping[str, Any]) -> str:
        """Raises as a mistake would."""
        raise KeyError("mood")


class Wrong(LoggedPage):
    """The logged page, but for one slot of one page."""

    name = "wrong"
    grid = MappingProxyType({"how": ("outside", "twice", "gap", "short")})

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """Slates that are none, in the way that is set."""
        found = super().slates(log, rows, slots)
        if self.settings["how"] == "short":
            return found[:, :-1]
        found[1, 0] = {"outside": 99, "twice": int(found[1, 2]), "gap": -1}[self.settings["how"]]
        return found
