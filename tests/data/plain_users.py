"""Every simulated user once more, one page, one slot and one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gerank.data.simulator import SimulatorTruth, UserKind

VIDEO = 1


@dataclass(frozen=True)
class Item:
    """What stands in a slot."""

    attraction: float
    seller: int
    category: int
    content_type: int


Items = list[Item | None]


def plain_click_probability(truth: SimulatorTruth, page: int, slate: list[int]) -> list[float]:
    """P(click) at every slot of a slate, 0 where it is empty."""
    user: Any = truth.user
    wishes = plain_wishes(truth, page, slate)
    if user.kind is UserKind.CASCADE:
        return _read_from_the_top(user, wishes)
    if user.kind is UserKind.FATIGUE:
        return [wish or 0.0 for wish in wishes]
    return [(wish or 0.0) * (n + 1) ** -user.examination for n, wish in enumerate(wishes)]


def plain_wishes(truth: SimulatorTruth, page: int, slate: list[int]) -> list[float | None]:
    """sigmoid(z) at every slot, None where it is empty."""
    items: Items = []
    if truth.above is not None:
        for place, there in enumerate(truth.above.shown[page].tolist()):
            items.append(_item(truth.above, page, place) if there else None)
    border = len(items)
    items += [_item(truth, page, m) if m >= 0 else None for m in slate]
    wishes: list[float | None] = []
    for place in range(border, len(items)):
        item = items[place]
        if item is None:
            wishes.append(None)
            continue
        logit = truth.user.base + float(truth.person[page]) + item.attraction  # type: ignore[attr-defined]
        logit += _EFFECTS[truth.user.kind](truth.user, items, place, item, place - border)
        wishes.append(1 / (1 + math.exp(-logit)))
    return wishes


def plain_patience(user: Any, slots: int) -> list[float]:
    """Chance of reading on to each slot from the one before."""
    step = (user.last_patience - user.patience) / max(slots - 2, 1)
    return [1.0] + [user.patience + step * n for n in range(slots - 1)]


def _read_from_the_top(user: Any, wishes: list[float | None]) -> list[float]:
    answer, reads, last = [], 1.0, None
    for wish, patience in zip(wishes, plain_patience(user, len(wishes)), strict=True):
        if wish is None:
            answer.append(0.0)
            continue
        if last is not None:
            reads *= patience * (1 - user.leave_after_click * last)
        answer.append(reads * wish)
        last = wish
    return answer


def _item(source: Any, page: int, place: int) -> Item:
    return Item(
        float(source.attraction[page, place]),
        int(source.seller[page, place]),
        int(source.category[page, place]),
        int(source.content_type[page, place]),
    )


def _at(items: Items, place: int) -> Item | None:
    return items[place] if 0 <= place < len(items) else None


def _count(items: Items, name: str, item: Item) -> int:
    return sum(other is not None and getattr(other, name) == getattr(item, name) for other in items)


def _fatigue(user: Any, items: Items, place: int, item: Item, slot: int) -> float:
    recent = items[max(0, place - user.category_window) : place]
    effect = -user.position * math.log(slot + 1)
    effect -= user.seller_fatigue * _count(items[:place], "seller", item)
    effect -= user.category_fatigue * _count(recent, "category", item)
    for other in (_at(items, place - 1), _at(items, place + 1)):
        if other is not None:
            effect += user.contrast * math.tanh(item.attraction - other.attraction)
    return float(effect)


def _examination(user: Any, items: Items, place: int, item: Item, slot: int) -> float:
    recent = items[max(0, place - 3) : place]
    effect = -user.seller_fatigue * _count(items[:place], "seller", item)
    effect -= user.category_fatigue * _count(recent, "category", item)
    above = _at(items, place - 1)
    if above is not None:
        effect += user.contrast * math.tanh(item.attraction - above.attraction)
    return float(effect)


def _cascade(user: Any, items: Items, place: int, item: Item, slot: int) -> float:
    return float(-user.seller_fatigue * _count(items[:place], "seller", item))


def _attention(user: Any, items: Items, place: int, item: Item, slot: int) -> float:
    effect = user.video * (item.content_type == VIDEO)
    for other in (_at(items, place - 1), _at(items, place + 1)):
        effect -= user.distraction * (other is not None and other.content_type == VIDEO)
    return float(effect + user.run * _count([_at(items, place - 1)], "category", item))


def _repeat_seeking(user: Any, items: Items, place: int, item: Item, slot: int) -> float:
    above, below = [_at(items, place - 1)], [_at(items, place + 1)]
    effect = user.seller_run * _count(above, "seller", item)
    effect += user.seller_again * (_count(items[: max(place - 1, 0)], "seller", item) > 0)
    effect += user.category_run * _count(above, "category", item)
    return float(effect + user.category_ahead * _count(below, "category", item))


_EFFECTS: dict[UserKind, Callable[[Any, Items, int, Item, int], float]] = {
    UserKind.FATIGUE: _fatigue,
    UserKind.EXAMINATION: _examination,
    UserKind.CASCADE: _cascade,
    UserKind.ATTENTION: _attention,
    UserKind.REPEAT_SEEKING: _repeat_seeking,
}
