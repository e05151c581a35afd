"""The pipeline that fills the log: sort by the upstream score, a little noise, a spacing pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LoggingPolicy:
    """Chooses slot by slot, so that the propensity of every choice is known exactly.

    At each slot it draws from softmax(logit(score) / temperature) over the candidates that are not
    yet shown and whose seller is not among the last `spacing - 1` slots; when spacing
    leaves nobody, over all that are not yet shown.

    Attributes:
        temperature: Sets the noise, > 0; the smaller it is, the closer a page is to a plain sort.
        spacing: At most one of a seller in so many consecutive slots; 1 = no spacing.
    """

    temperature: float = 0.3
    spacing: int = 3

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, not > 0")
        if self.spacing < 1:
            raise ValueError(f"spacing is {self.spacing}, not >= 1")

    def choose(
        self,
        generator: np.random.Generator,
        scores: NDArray[np.float32],
        seller: NDArray[np.int64],
        slots: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Slates for E pages.

        Args:
            generator: Source of the noise.
            scores: [E, M]. Upstream score of every candidate, inside (0, 1).
            seller: [E, M]. Seller of every candidate.
            slots: N <= M.

        Returns:
            Slates [E, N] int64 and the log of each choice's probability given those before it.
        """
        pages = np.arange(len(scores))
        slates = np.empty((len(scores), slots), dtype=np.int64)
        log_propensity = np.empty((len(scores), slots), dtype=np.float32)
        free = np.ones(scores.shape, dtype=np.bool_)
        for slot in range(slots):
            recent = slates[:, max(0, slot - self.spacing + 1) : slot]
            probability = self._probabilities(scores, seller, free, recent)
            choice = _draw(generator, probability)
            slates[:, slot] = choice
            log_propensity[:, slot] = np.log(probability[pages, choice])
            free[pages, choice] = False
        return slates, log_propensity

    def _probabilities(
        self,
        scores: NDArray[np.float32],
        seller: NDArray[np.int64],
        free: NDArray[np.bool_],
        recent: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Returns the probability [E, M] of each candidate at the next slot."""
        allowed = spaced(seller, free, recent)
        score = scores.astype(np.float64)
        logits = np.where(allowed, np.log(score / (1 - score)) / self.temperature, -np.inf)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def spaced(
    seller: NDArray[np.int64], free: NDArray[np.bool_], recent: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The candidates that spacing leaves for the next slot; all free ones where it leaves none.

    Args:
        seller: [E, M]. Tells the seller of every candidate.
        free: [E, M]. Candidates not yet shown.
        recent: [E, R]. Candidates in the last R = spacing - 1 slots, or in all so far.

    Returns:
        [E, M] bool.
    """
    allowed = free.copy()
    for choice in recent.T:
        allowed &= seller != np.take_along_axis(seller, choice[:, None], axis=1)
    return np.where(allowed.any(axis=1, keepdims=True), allowed, free)


def _draw(generator: np.random.Generator, probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """[E]. One choice per row, by inversion; never one of probability 0."""
    reached = np.cumsum(probability, axis=1)
    needle = generator.random(len(probability)) * reached[:, -1]
    return np.asarray(np.argmax(reached > needle[:, None], axis=1), dtype=np.int64)
