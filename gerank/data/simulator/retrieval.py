"""The stage before ranking: which candidates a page gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.data.simulator.world import Catalogue, affinity

_POOL = 256
_RELEVANT_SHARE = 0.7
_CHUNK = 1024


def retrieve(
    generator: np.random.Generator,
    catalogue: Catalogue,
    people_taste: NDArray[np.float32],
    candidates: int,
) -> NDArray[np.int64]:
    """Candidates of every page: about two thirds fit the person's taste, the others are random.

    Args:
        generator: Source of all randomness.
        catalogue: At least `candidates` items.
        people_taste: [E, TASTE_WIDTH]. Taste of each page's person.
        candidates: M.

    Returns:
        [E, M] int64 items, distinct within a page, in an order that means nothing.
    """
    pages = len(people_taste)
    chosen = np.empty((pages, candidates), dtype=np.int64)
    for start in range(0, pages, _CHUNK):
        rows = slice(start, start + _CHUNK)
        chosen[rows] = _retrieve_some(generator, catalogue, people_taste[rows], candidates)
    return chosen


def _retrieve_some(
    generator: np.random.Generator,
    catalogue: Catalogue,
    people_taste: NDArray[np.float32],
    candidates: int,
) -> NDArray[np.int64]:
    pages = len(people_taste)
    pool = _pools(generator, len(catalogue), pages, candidates)
    repeated = np.zeros(pool.shape, dtype=np.bool_)
    repeated[:, 1:] = pool[:, 1:] == pool[:, :-1]  # pools are sorted
    fit = affinity(people_taste, catalogue.taste[pool]) + generator.gumbel(size=pool.shape) * 0.4
    lottery = generator.random(pool.shape)
    relevant = round(_RELEVANT_SHARE * candidates)
    fit[repeated] = -np.inf
    lottery[repeated] = -np.inf
    best = np.argsort(-fit, axis=1)[:, :relevant]
    np.put_along_axis(lottery, best, np.inf, axis=1)
    places = np.argpartition(-lottery, candidates - 1, axis=1)[:, :candidates]
    places = generator.permuted(places, axis=1)
    return np.take_along_axis(pool, places, axis=1)


def _pools(
    generator: np.random.Generator, items: int, pages: int, candidates: int
) -> NDArray[np.int64]:
    """[pages, P] sorted items to retrieve from, a few of them repeated.

    Drawn with replacement when the catalogue is large: then four draws per candidate out of at
    least eight items per candidate hold enough distinct ones.
    """
    size = max(_POOL, 4 * candidates)
    if items < 2 * size:
        return np.broadcast_to(np.arange(items), (pages, items)).copy()
    return np.sort(generator.integers(items, size=(pages, size)), axis=1)
