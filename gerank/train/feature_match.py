"""Which columns and rows of yesterday's tensors stand for the same things as today's, by name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from gerank.data.feature_block import Block, IdUnit, Pool, id_units
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.dense_views import VALUE, dense_views

_SIDES = ("user", "candidate")


class Places(NamedTuple):
    """Where the entries along one axis of a tensor stood yesterday.

    Attributes:
        before: [today's length] int64. Yesterday's place; -1 = there was none.
        fresh: What such an entry holds: True = what it was initialised with, False = zeros, as of
            an input that has no effect yet.
    """

    before: Tensor
    fresh: bool = False

    def taken(self, old: Tensor, today: Tensor, axis: int) -> Tensor:
        """`old` with its `axis` in the order of now; fresh entries are those of `today`.

        `today` has the shape of the result along `axis`, and along every other axis too where
        entries are fresh.
        """
        known = self.before >= 0
        if self.fresh:
            result = today.clone()
        else:
            result = old.new_zeros(old.shape[:axis] + known.shape + old.shape[axis + 1 :])
        return result.index_copy_(
            axis, known.nonzero().squeeze(1), old.index_select(axis, self.before[known])
        )


Axes = dict[str, dict[int, Places]]
"""Name of a parameter -> axis -> where its entries stood yesterday; others stand where they did."""


def over(old: Tensor, today: Tensor, axes: Mapping[int, Places]) -> Tensor:
    """`old` in the shape of `today`."""
    for axis, places in axes.items():
        old = places.taken(old, today, axis)
    return old


def by_name(old: Sequence[Hashable], new: Sequence[Hashable]) -> Places:
    """The places of entries that have names, each of which stands once in `old`."""
    places = {name: place for place, name in enumerate(old)}
    return Places(torch.tensor([places.get(name, -1) for name in new], dtype=torch.int64))


def numbered(old: int, new: int) -> Places:
    """The places of entries that have numbers: those that there were, and then none."""
    place = torch.arange(new)
    return Places(torch.where(place < old, place, -1))


def side_by_side(*blocks: tuple[Places, int], repeated: int = 1) -> Places:
    """The places along an axis that consists of blocks, each given with its length of yesterday.

    Args:
        blocks: They stand side by side.
        repeated: How many entries in a row every one of them stands for.
    """
    parts, before = [], 0
    for places, length in blocks:
        parts.append(torch.where(places.before >= 0, places.before + before, -1))
        before += length
    index = torch.cat(parts).unsqueeze(1)
    index = torch.where(index >= 0, index * repeated + torch.arange(repeated), -1)
    return Places(index.flatten(), blocks[0][0].fresh)


@dataclass(frozen=True)
class FeatureFate:
    """What became of a feature.

    Attributes:
        name: `user.NAME` or `candidate.NAME`.
        state: `taken over`, `new` or `dropped`; or `fresh`, of one that is another feature under
            the same name.
        rows: Counts the rows of an id that are taken over.
        of_rows: Counts the rows that an id has now; 0 = it is no id, or dropped.
    """

    name: str
    state: str
    rows: int = 0
    of_rows: int = 0


class SideMatch:
    """The features of users, or of candidates, of two schemas.

    A dense feature is matched by its name. An id is matched by its name where it is of the same
    kind (fixed or hashed) and some row of its table still stands for the same value: rows of named
    values by these names, other fixed values by their number, and rows of a hashed id where their
    number is the same or a multiple of yesterday's, for then a value's new row follows from its
    old one.

    A list is an id under the name of its block; its rows are matched whatever its length and its
    pool are now.

    Attributes:
        dense: Places of the dense features.
        rows: Places of the rows of the one table of all ids.
        fates: What became of every feature.
    """

    def __init__(
        self,
        side: str,
        old: tuple[Feature, ...],
        new: tuple[Feature, ...],
        old_blocks: tuple[Block, ...] = (),
        blocks: tuple[Block, ...] = (),
        looked_at: SideMatch | None = None,
    ) -> None:
        """`old_blocks` and `blocks` belong to the same side.

        `looked_at`, for candidates, is the users' side, whose lists with attention they look at.
        """
        self._looked_at = looked_at
        self._old_dense, dense = (_of_kind(some, FeatureKind.DENSE) for some in (old, new))
        old_ids, ids = (
            {unit.name: unit for unit in id_units(list(_of_kind(some, FeatureKind.ID).values()), b)}
            for some, b in ((old, old_blocks), (new, blocks))
        )
        self.dense = by_name(list(self._old_dense), list(dense))
        self._old_seen, self._seen = _seen(side, old, old_blocks), _seen(side, new, blocks)
        offsets, total = {}, 0
        for name, unit in old_ids.items():
            offsets[name] = total
            total += unit.feature.vocabulary
        rows, known = [], []
        fates = [FeatureFate(n, "taken over" if n in self._old_dense else "new") for n in dense]
        for name, unit in ids.items():
            known_as, rows_now = old_ids.get(name), unit.feature.vocabulary
            places = torch.full((rows_now,), -1) if known_as is None else _rows(known_as, unit)
            count = int((places >= 0).sum())
            rows.append(torch.where(places >= 0, places + offsets.get(name, 0), -1))
            known.append(name if count else None)
            state = "taken over" if count else "new"
            fates.append(FeatureFate(name, state, count, rows_now))
        before, still = (
            [*first, *second] for first, second in ((self._old_dense, old_ids), (dense, ids))
        )
        fates += [FeatureFate(name, "dropped") for name in before if name not in still]
        self._old_ids, self._ids = old_ids, by_name(list(old_ids), known)
        plain = [n if n in known else None for n, unit in ids.items() if unit.pool is None]
        self._old_plain = [name for name, unit in old_ids.items() if unit.pool is None]
        self._plain = by_name(self._old_plain, plain)
        self._old_attending = _attending(old_ids)
        self._attending = by_name(self._old_attending, _attending(ids))
        self.rows = Places(torch.cat(rows) if rows else torch.full((1,), -1), fresh=True)
        self.fates = [
            replace(
                fate,
                name=f"{side}.{fate.name}",
                state="fresh" if fate.state == "new" and fate.name in before else fate.state,
            )
            for fate in fates
        ]

    def columns(self, width: int) -> tuple[Places, int]:
        """The columns of a layer's input, and how many there were.

        Args:
            width: Is that of an id's embedding; embeddings stand behind the dense columns, and
                behind those what candidates see of the user's lists.
        """
        own = self._columns((self._ids, len(self._old_ids)), width)
        if self._looked_at is None:
            return own
        lists, count = self._looked_at._attending, len(self._looked_at._old_attending)
        looked = side_by_side((lists, count), repeated=width), count * width
        return side_by_side(own, looked), own[1] + looked[1]

    def asking(self, width: int, of: SideMatch | None = None) -> tuple[Places, Places]:
        """The lists with attention, and the columns outside of lists, which they ask with.

        `of`: whose lists; None = the side's own.
        """
        columns, _ = self._columns((self._plain, len(self._old_plain)), width)
        return (self if of is None else of)._attending, columns

    def _columns(self, ids: tuple[Places, int], width: int) -> tuple[Places, int]:
        seen = by_name(self._old_seen, self._seen)
        embedded, lengths = side_by_side(ids, repeated=width), (len(self._old_seen), width * ids[1])
        return side_by_side((seen, lengths[0]), (embedded, lengths[1])), sum(lengths)


class SchemaMatch:
    """Two schemas, and the utilities of two runs.

    Attributes:
        user, candidate: Their features.
        groups, flags, utilities: Places of these, by name.
        old_groups, old_flags, old_utilities: How many there were.
    """

    def __init__(
        self,
        old: FeatureSchema,
        new: FeatureSchema,
        old_utilities: Sequence[str],
        utilities: Sequence[str],
    ) -> None:
        blocks = {side: (old.blocks_of(side), new.blocks_of(side)) for side in _SIDES}
        self.user = SideMatch("user", old.user, new.user, *blocks["user"])
        self.candidate = SideMatch(
            "candidate", old.candidate, new.candidate, *blocks["candidate"], self.user
        )
        self.groups, self.old_groups = by_name(old.groups, new.groups), len(old.groups)
        self.flags, self.old_flags = by_name(old.flags, new.flags), len(old.flags)
        self.utilities = by_name(old_utilities, utilities)
        self.old_utilities = len(old_utilities)

    @property
    def fates(self) -> list[FeatureFate]:
        """What became of every feature, users' features first."""
        return self.user.fates + self.candidate.fates


def _of_kind(features: tuple[Feature, ...], kind: FeatureKind) -> dict[str, Feature]:
    return {feature.name: feature for feature in features if feature.kind is kind}


def _seen(
    side: str, features: tuple[Feature, ...], blocks: tuple[Block, ...]
) -> list[tuple[str, str]]:
    """Feature and view of every dense column of a layer's input."""
    if side == "user":
        return [(name, VALUE) for name in _of_kind(features, FeatureKind.DENSE)]
    return dense_views(features, blocks)


def _attending(units: Mapping[str, IdUnit]) -> list[str]:
    return [name for name, unit in units.items() if unit.pool is Pool.ATTENTION]


def _rows(old_unit: IdUnit, new_unit: IdUnit) -> Tensor:
    """[new vocabulary] yesterday's row of every value of an id; -1 = none."""
    old, new = old_unit.feature, new_unit.feature
    nowhere = torch.full((new.vocabulary,), -1)
    lists = [unit.pool is not None for unit in (old_unit, new_unit)]
    if old.hashed is not new.hashed or bool(old.values) is not bool(new.values):
        return nowhere
    if new.values:
        return by_name(old.values, new.values).before
    if not new.hashed:
        marks = [int(listed) for listed in lists]  # the mark of no entry is no value
        places = numbered(old.vocabulary - marks[0], new.vocabulary - marks[1]).before
        return torch.cat([places, nowhere[: marks[1]]])
    if new.vocabulary % old.vocabulary:
        return nowhere
    return torch.arange(new.vocabulary) % old.vocabulary
