"""What differs between two schemas, by the names of their features."""

from __future__ import annotations

from collections.abc import Iterable

from gerank.data.feature_block import Block
from gerank.data.schema import Feature, FeatureSchema


def schema_differences(ours: FeatureSchema, theirs: FeatureSchema) -> list[str]:
    """What a model of the schema `ours` cannot go on with in a log of the schema `theirs`.

    Ranges of values are for information, and are not compared.

    Returns:
        A clause for each difference, each with the name of its feature; empty where there is none.
    """
    found = []
    for side in ("user", "candidate"):
        found += _feature_differences(side, getattr(ours, side), getattr(theirs, side))
    for what in ("groups", "flags"):
        mine, other = getattr(ours, what), getattr(theirs, what)
        if mine != other:
            found.append(f"the {what} are {_listed(other)}, not {_listed(mine)}")
    return found + _block_differences(ours.blocks, theirs.blocks)


def _block_differences(ours: tuple[Block, ...], theirs: tuple[Block, ...]) -> list[str]:
    mine, other = ({(b.side, b.name): b for b in blocks} for blocks in (ours, theirs))
    found = []
    for side, name in dict.fromkeys([*mine, *other]):
        was, now = mine.get((side, name)), other.get((side, name))
        if was is None or now is None:
            found.append(f"the {side} block {name!r} is {'new' if was is None else 'missing'}")
        elif was != now:
            found.append(f"the {side} block {name!r} is {now.to_json()}, not {was.to_json()}")
    return found


def _feature_differences(
    side: str, ours: tuple[Feature, ...], theirs: tuple[Feature, ...]
) -> list[str]:
    mine, other = ({f.name: f for f in features} for features in (ours, theirs))
    found = [f"the {side} feature {name!r} is missing" for name in mine if name not in other]
    found += [f"the {side} feature {name!r} is new" for name in other if name not in mine]
    for name in mine:
        if name in other and (changed := _change(mine[name], other[name])):
            found.append(f"the {side} feature {name!r} {changed}")
    if not found and list(mine) != list(other):
        found.append(f"the {side} features are in the order {_listed(other)}, not {_listed(mine)}")
    return found


def _change(ours: Feature, theirs: Feature) -> str:
    """What is said of a feature that is another one under the same name."""
    if ours.kind is not theirs.kind:
        return f"is of kind {theirs.kind}, not {ours.kind}"
    if ours.hashed is not theirs.hashed:
        return "is hashed" if theirs.hashed else "is no longer hashed"
    if ours.vocabulary != theirs.vocabulary:
        return f"has a vocabulary of {theirs.vocabulary}, not {ours.vocabulary}"
    for code, (mine, other) in enumerate(zip(ours.values, theirs.values, strict=False)):
        if mine != other:
            return f"has {other!r} as value {code}, not {mine!r}"
    if ours.values != theirs.values:
        return f"has {len(theirs.values)} named values, not {len(ours.values)}"
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
