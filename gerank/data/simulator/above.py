"""Endless feeds: which page stands above which, and what a page's first slots still see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_fields import LoggedAbove
from gerank.data.simulator.users import ShownPages

SEEN_ABOVE = 3
"""Items of the page before that still count on the next one."""


@dataclass(frozen=True)
class ItemsAbove:
    """What the log showed directly above E pages: the last A items of the page before.

    Attributes:
        attraction: [E, A] float32. For the person of both pages, in logits.
        seller, category, content_type: [E, A] int64.
        shown: [E, A] bool. False where a feed begins and nothing stands above.
    """

    attraction: Tensor
    seller: Tensor
    category: Tensor
    content_type: Tensor
    shown: Tensor

    def select(self, pages: Tensor) -> ItemsAbove:
        """The rows `pages` [B] int64."""
        return ItemsAbove(**{name: column[pages] for name, column in self.columns().items()})

    def columns(self) -> dict[str, Tensor]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def on_top_of(self, page: ShownPages) -> ShownPages:
        """Pages of B = E rows, [B, N] or [B, G, N], with these items above their first slot."""
        extended = {}
        for name, above in self.columns().items():
            own = getattr(page, name)
            above = above.view(len(above), *(1,) * (own.dim() - 2), above.shape[1])
            extended[name] = torch.cat([above.expand(*own.shape[:-1], -1), own], dim=-1)
        return replace(page, **extended, above=self.shown.shape[1])


def page_before(person: NDArray[np.int64], feed_pages: int) -> NDArray[np.int64]:
    """The page above each page: every `feed_pages` pages of a person, in order, are one feed.

    Args:
        person: [E]. Tells the person of each page; pages are in the order of time.
        feed_pages: Most pages in a feed, >= 1.

    Returns:
        [E] int64 page, or -1 where a feed begins.
    """
    order = np.argsort(person, kind="stable")
    first = np.concatenate([[True], person[order][1:] != person[order][:-1]])
    place = np.arange(len(person))
    visit = place - np.maximum.accumulate(np.where(first, place, 0))  # 0, 1, .. of each person
    before = np.concatenate([[-1], order[:-1]])
    answer = np.empty(len(person), dtype=np.int64)
    answer[order] = np.where(visit % feed_pages == 0, -1, before)
    return answer


def logged_above(page: ShownPages, before: NDArray[np.int64]) -> ItemsAbove:
    """What stands above each page, when all pages were shown as they are here.

    Args:
        page: Holds pages [E, N] that stand alone.
        before: [E]. See `page_before`.
    """
    above = torch.from_numpy(before)
    rows = above.clamp(min=0)
    last = slice(-SEEN_ABOVE, None)
    return ItemsAbove(
        page.attraction[rows, last],
        page.seller[rows, last],
        page.category[rows, last],
        page.content_type[rows, last],
        page.shown[rows, last] & (above >= 0)[:, None],
    )


def slots_above(
    before: NDArray[np.int64],
    items: NDArray[np.int64],
    slates: NDArray[np.int64],
    shelf: Mapping[str, NDArray[np.int64]],
) -> LoggedAbove:
    """The same as an exposure log tells it.

    Args:
        before: [E]. See `page_before`.
        items: [E, M]. Items of the candidates.
        slates: [E, N]. Candidates that were shown.
        shelf: Group key or flag -> its value for every item.
    """
    follows = before >= 0
    last = np.take_along_axis(items, slates, 1)[:, -SEEN_ABOVE:]
    above, pages = last[before[follows]], items[follows]  # [F, A], [F, M]
    same = above[:, :, None] == pages[:, None, :]
    keys = np.where(same.any(2), same.argmax(2), -1)
    return LoggedAbove(
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(follows * above.shape[1])]),
        dedup_keys=keys.ravel(),
        features={name: values[above.ravel()] for name, values in shelf.items()},
    )
