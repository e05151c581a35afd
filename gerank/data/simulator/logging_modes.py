"""How a log was filled: with noise at every slot, by a sort, or by a sort and random pages."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gerank.data.simulator.logging_policy import LoggingPolicy, spaced

_Slates = tuple[NDArray[np.int64], NDArray[np.float32]]


class Logging(StrEnum):
    """Which pages get into a log.

    Attributes:
        SAMPLED: Every slot is drawn: `LoggingPolicy.choose`.
        DETERMINISTIC: By upstream score, under the policy's spacing: the same page every time.
        MIXED: Deterministic, but a share of the pages is in uniformly random order.
    """

    SAMPLED = "sampled"
    DETERMINISTIC = "deterministic"
    MIXED = "mixed"


def choose_slates(
    generator: np.random.Generator,
    scores: NDArray[np.float32],
    seller: NDArray[np.int64],
    slots: int,
    policy: LoggingPolicy,
    logging: Logging,
    explore: float,
) -> _Slates:
    """Slates for E pages.

    Args:
        generator: Source of the noise; left alone by deterministic logging.
        scores: [E, M]. Upstream score of every candidate, inside (0, 1).
        seller: [E, M]. Seller of every candidate.
        slots: N <= M.
        policy: Its spacing counts always, its temperature for sampled logging only.
        logging: Which way.
        explore: Share of the pages in random order, 0..1; for mixed logging only.

    Returns:
        Slates [E, N] int64 and the log of each choice's probability given those before it.
    """
    if logging is Logging.SAMPLED:
        return policy.choose(generator, scores, seller, slots)
    sort = spaced_sort(scores, seller, slots, policy.spacing)
    if logging is Logging.DETERMINISTIC:
        return sort, np.zeros(sort.shape, dtype=np.float32)
    explored = generator.random(len(scores)) < explore
    order = generator.random(scores.shape).argsort(axis=1)[:, :slots]
    slates = np.where(explored[:, None], order, sort)
    return slates, mixed_log_propensity(slates, sort, scores.shape[1], explore)


def spaced_sort(
    scores: NDArray[np.float32], seller: NDArray[np.int64], slots: int, spacing: int
) -> NDArray[np.int64]:
    """Slot by slot the best score that spacing leaves; the lower index where scores are equal.

    Args:
        scores: [E, M].
        seller: [E, M].
        slots: N <= M.
        spacing: See `LoggingPolicy`.

    Returns:
        [E, N] int64.
    """
    pages = np.arange(len(scores))
    slates = np.empty((len(scores), slots), dtype=np.int64)
    free = np.ones(scores.shape, dtype=np.bool_)
    for slot in range(slots):
        allowed = spaced(seller, free, slates[:, max(0, slot - spacing + 1) : slot])
        slates[:, slot] = np.where(allowed, scores, -np.inf).argmax(axis=1)
        free[pages, slates[:, slot]] = False
    return slates


def mixed_log_propensity(
    slates: NDArray[np.int64], sort: NDArray[np.int64], candidates: int, explore: float
) -> NDArray[np.float32]:
    """Log-propensities of pages that are either sorted or, as a whole, in random order.

    With e = `explore`, P(first n choices) = (1 - e) 1[they are the sort's] + e prod_k 1 / (M - k);
    a choice has the ratio of two of these.

    Args:
        slates: [E, N]. What was shown.
        sort: [E, N]. What the sort shows.
        candidates: M.
        explore: Probability of a random page.

    Returns:
        [E, N] float32; log 0 = -inf from the first choice on that cannot happen.
    """
    sorted_so_far = np.logical_and.accumulate(slates == sort, axis=1)
    random = -np.log(candidates - np.arange(slates.shape[1], dtype=np.float64)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        prefix = np.logaddexp(
            np.log1p(-explore) + np.log(sorted_so_far), np.log(explore) + random
        )  # [E, N]
        before = np.concatenate([np.zeros((len(slates), 1)), prefix[:, :-1]], axis=1)
        ratio = np.where(np.isneginf(prefix), -np.inf, prefix - before)
    return np.minimum(ratio, 0.0).astype(np.float32)
