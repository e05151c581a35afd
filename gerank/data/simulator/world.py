"""The latent side of the simulator: what people like and what items are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CATEGORIES = (
    "audio", "beauty", "books", "fashion", "garden", "grocery", "home", "sports", "tools", "toys",
)  # fmt: skip
CONTENT_TYPES = ("product", "video", "live", "article")
TASTE_WIDTH = 6
"""Dimensions of the space in which people and items meet."""

_CONTENT_SHARES = (0.6, 0.2, 0.1, 0.1)
_COLD_START_SHARE, _FRESH_SHARE = 0.12, 0.2
_QUALITY_WEIGHT, _FRESH_BONUS = 0.45, 0.2
_CONTENT_BONUS = np.array([0.0, 0.15, 0.3, -0.15], dtype=np.float32)


@dataclass(frozen=True)
class Catalogue:
    """All items. Every array is [items].

    Attributes:
        taste: [items, TASTE_WIDTH] float32. Latent place.
        quality: float32. Latent, the same for everybody.
        seller, category, content_type: int64.
        cold_start, fresh: bool.
    """

    taste: NDArray[np.float32]
    quality: NDArray[np.float32]
    seller: NDArray[np.int64]
    category: NDArray[np.int64]
    content_type: NDArray[np.int64]
    cold_start: NDArray[np.bool_]
    fresh: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.quality)

    def appeal(self) -> NDArray[np.float32]:
        """[items]. The part of an item's attraction that no person's taste changes."""
        fixed = _QUALITY_WEIGHT * self.quality + _FRESH_BONUS * self.fresh
        return (fixed + _CONTENT_BONUS[self.content_type]).astype(np.float32)


@dataclass(frozen=True)
class People:
    """All persons.

    Attributes:
        taste: [persons, TASTE_WIDTH] float32. Latent place.
        activity: [persons] float32. Latent: added to every click's logit.
    """

    taste: NDArray[np.float32]
    activity: NDArray[np.float32]


def make_catalogue(generator: np.random.Generator, items: int, sellers: int) -> Catalogue:
    """Items cluster by category and, inside it, by seller; a few sellers own much of the shelf."""
    category_taste = 0.75 * _normal(generator, len(CATEGORIES), TASTE_WIDTH)
    seller_category = generator.integers(len(CATEGORIES), size=sellers)
    seller_taste = category_taste[seller_category] + 0.4 * _normal(generator, sellers, TASTE_WIDTH)
    shelf = 1.0 / np.arange(2, sellers + 2) ** 0.7
    seller = generator.choice(sellers, size=items, p=shelf / shelf.sum())
    # One item in seven lies outside its seller's usual category.
    elsewhere = generator.random(items) < 1 / 7
    stray = generator.integers(len(CATEGORIES), size=items)
    category = np.where(elsewhere, stray, seller_category[seller])
    centre = np.where(elsewhere[:, None], category_taste[category], seller_taste[seller])
    return Catalogue(
        taste=(centre + 0.5 * _normal(generator, items, TASTE_WIDTH)).astype(np.float32),
        quality=_normal(generator, items),
        seller=seller.astype(np.int64),
        category=category.astype(np.int64),
        content_type=generator.choice(len(CONTENT_TYPES), size=items, p=_CONTENT_SHARES),
        cold_start=generator.random(items) < _COLD_START_SHARE,
        fresh=generator.random(items) < _FRESH_SHARE,
    )


def make_people(generator: np.random.Generator, persons: int, activity_spread: float) -> People:
    """Persons with independent tastes and activities."""
    return People(
        taste=_normal(generator, persons, TASTE_WIDTH),
        activity=(activity_spread * _normal(generator, persons)).astype(np.float32),
    )


def affinity(
    people_taste: NDArray[np.float32], item_taste: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How well items fit a person: scaled inner product.

    Args:
        people_taste: [E, TASTE_WIDTH].
        item_taste: [E, M, TASTE_WIDTH].

    Returns:
        [E, M] float32, of a spread near 1 over random pairs.
    """
    fit: NDArray[np.float32] = np.matmul(item_taste, people_taste[:, :, None])[:, :, 0]
    return fit / np.float32(np.sqrt(TASTE_WIDTH))


def _normal(generator: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return generator.standard_normal(shape, dtype=np.float32)
