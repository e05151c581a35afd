"""What stands in a slot, and what stands above it, as one row of numbers per filled slot.

Models of another family than the evaluator's read it: trees and linear models take tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.feature_block import Block, IdUnit, id_units
from gerank.data.schema import Feature, FeatureSchema
from gerank.nn.dense_views import RANK, VALUE, ZSCORE, context_columns
from gerank.ops import set_features

SMALL_VOCABULARY = 64
"""An id or list of more values, or of hashed ones, is left out: a table has no room for it."""

_RECENT = 3  # slots


class SlotFeatures:
    """The columns of a table of slots; causal: a slot's row tells of slots above it only.

    Per dense candidate feature its value, its rank in the set and its z-score there (of a vector
    that is not in context the values alone); small ids of candidate and user, of small lists how
    often each value is there; dense user features; the slot; per group key how many items above
    are of the same group, on the whole page, in the last three slots and directly above; per flag
    how many items above have it; both count what stands above the page in a feed, too; with a
    score, how far it is above that of the item directly above and above their mean (NaN where
    there is none on the page).

    Attributes:
        names: [F] of the columns.
        categorical: Columns that hold ids: column -> number of values.
    """

    def __init__(self, schema: FeatureSchema, score: str = "") -> None:
        """Raises ValueError where `score` is no dense feature of the candidates."""
        dense = [feature.name for feature in schema.candidate_dense]
        if score and score not in dense:
            raise ValueError(
                f"score: {score!r} is not a dense feature of the candidates: {', '.join(dense)}"
            )
        self.score = score
        self._score = dense.index(score) if score else None
        self._groups, self._flags = schema.group_columns, schema.flag_columns
        blocks = schema.blocks_of("candidate")
        users = _small(schema.user_ids, schema.blocks_of("user"))
        candidates = _small(schema.candidate_ids, blocks)
        self._user_ids, self._user_lists = users
        self._candidate_ids, self._candidate_lists = candidates
        self._context = list(context_columns(schema.candidate, blocks)[0])
        in_context = [dense[column] for column in self._context]
        names = ["slot"]
        names += [f"{name}, {VALUE}" for name in dense]
        names += [f"{name}, {view}" for view in (RANK, ZSCORE) for name in in_context]
        names += [f"user {feature.name}" for feature in schema.user_dense]
        for key in schema.groups:
            names += [f"same {key}, {where}" for where in ("page", "recent", "above")]
        names += [f"earlier {flag}" for flag in schema.flags]
        if score:
            names += [f"{score}, over the item above", f"{score}, over the mean above"]
        names += [f"{unit.name} has {v}" for unit in candidates[1] for v in _values(unit)]
        names += [f"user {unit.name} has {v}" for unit in users[1] for v in _values(unit)]
        ids = [schema.candidate_ids[column] for column in self._candidate_ids]
        ids += [schema.user_ids[column] for column in self._user_ids]
        self.categorical = {len(names) + place: f.vocabulary for place, f in enumerate(ids)}
        self.names = (*names, *(feature.name for feature in ids))

    def __call__(self, pages: ExposureBatch, slates: Tensor) -> NDArray[np.float32]:
        """The filled slots' rows.

        Args:
            pages: B pages.
            slates: [B, G, N] int64. Candidates; -1 = empty.

        Returns:
            [filled, F], in the order of `slates[slates >= 0]`.
        """
        filled = slates >= 0
        chosen = slates.clamp(min=0)
        slots = torch.arange(slates.size(2)).expand(slates.shape)
        columns = [slots.unsqueeze(-1).float(), _placed(self._views(pages), chosen)]
        columns.append(_tiled(pages.user_dense, slates))
        ids = _placed(pages.candidate_ids, chosen)  # [B, G, N, I]
        above = pages.above_ids.masked_fill(~pages.above_mask.unsqueeze(-1), -1)  # [B, A, I]
        columns += [
            _same_above(ids[..., column], filled, above[..., column]) for column in self._groups
        ]
        for column in self._flags:
            flagged = ((ids[..., column] == 1) & filled).float()
            before = (above[..., column] == 1).sum(1).view(-1, 1, 1)
            columns.append((flagged.cumsum(-1) - flagged + before).unsqueeze(-1))
        if self._score is not None:
            score = _placed(pages.candidate_dense[..., [self._score]], chosen).squeeze(-1)
            columns.append(_over_above(score, filled))
        columns += [_counts(unit, ids) for unit in self._candidate_lists]
        columns += [_tiled(_counts(unit, pages.user_ids), slates) for unit in self._user_lists]
        columns.append(ids[..., list(self._candidate_ids)].float())
        columns.append(_tiled(pages.user_ids[:, list(self._user_ids)].float(), slates))
        rows: NDArray[np.float32] = torch.cat(columns, dim=-1)[filled].numpy()
        return rows

    def _views(self, pages: ExposureBatch) -> Tensor:
        """[B, M, F + 2C]: raw values, ranks, z-scores. A tree needs no common scale of values."""
        values, width = pages.candidate_dense, len(self._context)
        zeros, ones = values.new_zeros(width), values.new_ones(width)
        views = set_features(values[..., self._context], pages.candidate_mask, zeros, ones)
        return torch.cat([values, views[..., width:]], dim=-1)


def _small(
    features: tuple[Feature, ...], blocks: tuple[Block, ...]
) -> tuple[tuple[int, ...], tuple[IdUnit, ...]]:
    """Columns by themselves, and lists, of few values."""
    small = [
        unit
        for unit in id_units(features, blocks)
        if not unit.feature.hashed and unit.feature.vocabulary <= SMALL_VOCABULARY
    ]
    columns = tuple(unit.columns[0] for unit in small if unit.pool is None)
    return columns, tuple(unit for unit in small if unit.pool is not None)


def _values(unit: IdUnit) -> Sequence[str | int]:
    """What the values of a list are called, without the mark of no entry."""
    return unit.feature.values[:-1] or range(unit.feature.vocabulary - 1)


def _counts(unit: IdUnit, ids: Tensor) -> Tensor:
    """Ids [..., I] -> [..., values of the list] how often each of them is there."""
    entries = torch.nn.functional.one_hot(ids[..., list(unit.columns)], unit.feature.vocabulary)
    return entries.sum(-2)[..., :-1].float()


def _placed(columns: Tensor, chosen: Tensor) -> Tensor:
    """Columns [B, M, C] of the items in the slots: [B, G, N, C]."""
    places = chosen.flatten(1).unsqueeze(-1).expand(-1, -1, columns.size(2))
    return columns.gather(1, places).view(*chosen.shape, columns.size(2))


def _tiled(columns: Tensor, slates: Tensor) -> Tensor:
    """Columns [B, C] of the pages, for every slot: [B, G, N, C]."""
    return columns[:, None, None, :].expand(*slates.shape, columns.size(1))


def _same_above(group: Tensor, filled: Tensor, above: Tensor) -> Tensor:
    """[B, G, N, 3]: items of the same group above, of the last three slots, directly above.

    Args:
        group: [B, G, N] int64. Of the items in the slots.
        filled: [B, G, N] bool.
        above: [B, A] int64. Of what stands above the page; negative = none.
    """
    reach = above.size(1)
    group = torch.cat([above.unsqueeze(1).expand(-1, group.size(1), -1), group], dim=-1)
    filled = torch.nn.functional.pad(filled, (reach, 0), value=True)
    slots = torch.arange(group.size(-1))
    back = slots[:, None] - slots  # [N, N], how far j lies above i
    grouped = filled & (group >= 0)
    same = (group[..., :, None] == group[..., None, :]) & grouped[..., None, :]  # [B, G, N, N]
    reaches = [(back >= 1) & (back <= reach) for reach in (group.size(-1), _RECENT, 1)]
    return torch.stack([(same & near).sum(-1).float() for near in reaches], dim=-1)[:, :, reach:]


def _over_above(score: Tensor, filled: Tensor) -> Tensor:
    """[B, G, N, 2]: score minus that of the slot above, and minus the mean of all above."""
    known = score.masked_fill(~filled, torch.nan)
    above = torch.nn.functional.pad(known[..., :-1], (1, 0), value=torch.nan)
    sums = score.masked_fill(~filled, 0.0)
    total, count = sums.cumsum(-1) - sums, filled.cumsum(-1) - filled.long()
    mean = torch.where(count > 0, total / count, torch.nan)
    return torch.stack([score - above, score - mean], dim=-1)
