"""What stands above a page, as a decode sees it: padding that is pinned in front of the page.

The engine lays out a request's `above` in the same way (`csrc/engine/batching/padded_buffers.cpp`),
so that spacing windows, local context and dedup keys look back across the boundary in training as
they do in serving. Axes: A slots above, M candidates and N slots of a page.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from gerank.data.batch import ExposureBatch, Features, RerankBatch, SlotsAbove
from gerank.data.log_columns import MOST_SLOTS


def pin_above(batch: RerankBatch, above: SlotsAbove, flag_columns: Sequence[int]) -> RerankBatch:
    """The same requests with what stands above them; the same object where nothing does.

    Args:
        batch: B requests that say nothing of it: M candidates, N slots.
        above: What stands above each; an item's dedup key is that of the candidate it names.
        flag_columns: Id columns of the flags, in the order of the quotas.

    Returns:
        M + A candidates, the last A of which are padding, and A + N slots. A request with a slots
        above it has them pinned to its first a slots; its own N follow, and the rest is not asked
        for. Quotas grow by what stands above, so that they speak of the page alone.

    Raises:
        ValueError: A + N is more than a decode takes.
    """
    counts = above.above_mask.sum(1, keepdim=True)  # [B, 1]
    reach = int(counts.max()) if counts.numel() else 0
    if reach == 0:
        return batch
    slots, candidates = batch.pins.size(1), batch.candidate_mask.size(1)
    if slots + reach > MOST_SLOTS:
        raise ValueError(
            f"above: {reach} slots above a page and {slots} on it are more than {MOST_SLOTS}"
        )
    ids, mask, named = (column[:, -reach:] for column in above)
    named = torch.where(mask, named, -1)
    place = torch.arange(reach, device=mask.device)
    pins = pad(batch.pins, (0, reach), value=-1).roll(reach, 1)
    pins = pins.gather(1, _own_places(counts, slots + reach, reach))
    pinned = candidates + reach - counts + place  # [B, A]
    pins[:, :reach] = torch.where(place < counts, pinned, pins[:, :reach])
    flags = (ids[..., list(flag_columns)] > 0) & mask.unsqueeze(-1)
    members = flags.sum(1).unsqueeze(-1)  # [B, Q, 1]
    limited = torch.stack([batch.quotas[..., 0] > 0, batch.quotas[..., 1] >= 0], dim=-1)
    return batch._replace(
        candidate_dense=pad(batch.candidate_dense, (0, 0, 0, reach)),
        candidate_ids=torch.cat([batch.candidate_ids, ids * mask.unsqueeze(-1)], dim=1),
        candidate_mask=pad(batch.candidate_mask, (0, reach), value=False),
        dedup_keys=_dedup_keys(batch.dedup_keys, named),
        pins=pins,
        quotas=batch.quotas + members * limited,
        slots=batch.slots + counts.squeeze(1),
    )


def parted(batch: RerankBatch) -> tuple[Features, SlotsAbove]:
    """The features of one request by itself, and what stands above it, without dedup keys."""
    own = batch.candidate_mask.size(1) - int(count_above(batch))
    above = batch.candidate_ids[:, own:]
    keys = torch.full(above.shape[:2], -1)
    features = batch.features._replace(
        candidate_dense=batch.candidate_dense[:, :own],
        candidate_ids=batch.candidate_ids[:, :own],
        candidate_mask=batch.candidate_mask[:, :own],
    )
    return features, SlotsAbove(above, torch.ones_like(keys, dtype=torch.bool), keys)


def rows_of(batch: RerankBatch, begin: int, end: int) -> RerankBatch:
    """Some requests of a batch, without the slots that are there for what stands above others."""
    some = RerankBatch(*(column[begin:end] for column in batch))
    spare = int(count_above(batch).max()) - int(count_above(some).max())
    return some._replace(pins=some.pins[:, : some.pins.size(1) - spare])


def count_above(batch: RerankBatch) -> Tensor:
    """[B] int64 how many slots are pinned above each page: those whose candidate is padding."""
    return _is_above(batch).sum(1)


def own_slots(batch: RerankBatch, values: Tensor) -> Tensor:
    """[B, ..., N] of [B, ..., A + N]: what a decode says of the pages' own slots."""
    counts = count_above(batch)
    reach = int(counts.max()) if counts.numel() else 0
    if reach == 0:
        return values
    places = counts[:, None] + torch.arange(values.size(-1) - reach, device=values.device)
    places = places.view(len(counts), *(1,) * (values.dim() - 2), -1)
    return values.gather(-1, places.expand(*values.shape[:-1], -1))


def below_above(batch: RerankBatch, slates: Tensor) -> Tensor:
    """[B, G, A + N] of slates [B, G, N]: with what is pinned above them, as a decode takes them."""
    is_above = _is_above(batch)
    counts = is_above.sum(1, keepdim=True)
    reach = int(counts.max()) if counts.numel() else 0
    if reach == 0:
        return slates
    shifted = pad(slates, (0, reach), value=-1).roll(reach, -1)
    places = _own_places(counts, shifted.size(-1), reach)
    shifted = shifted.gather(-1, places.unsqueeze(1).expand_as(shifted))
    return torch.where(is_above.unsqueeze(1), batch.pins.unsqueeze(1), shifted)


def shown_above(pages: ExposureBatch) -> Tensor:
    """[B, M] bool: candidates that do not come again because they stand above their page."""
    keys = pages.above_dedup_keys  # [B, A]
    candidates = torch.arange(pages.candidate_mask.size(1), device=keys.device)
    return (keys.unsqueeze(-1) == candidates).any(1)


def _is_above(batch: RerankBatch) -> Tensor:
    """[B, A + N] bool: slots that padding is pinned to."""
    is_real = batch.candidate_mask.gather(1, batch.pins.clamp(min=0))
    return (batch.pins >= 0) & ~is_real


def _own_places(counts: Tensor, width: int, reach: int) -> Tensor:
    """[B, A + N] where in a row of A empty slots and N own ones each slot's content stands.

    A row with `counts` [B, 1] slots above has its own ones directly behind these.
    """
    places = torch.arange(width, device=counts.device) + reach - counts
    return torch.where(places < width, places, 0)


def _dedup_keys(keys: Tensor, named: Tensor) -> Tensor:
    """[B, M + A] keys of candidates [B, M] and of the slots above, which name a candidate [B, A].

    A candidate that has no key, but stands above, has one that is no other's. Of equal keys above
    the first stands for all, since a key is pinned once.
    """
    own = torch.arange(keys.size(1), device=keys.device)
    fresh = torch.where(keys != -1, keys, keys.max().clamp(min=-1) + 1 + own)
    is_named = (named.unsqueeze(-1) == own).any(1)  # [B, M]
    keys = torch.where(is_named, fresh, keys)
    above = torch.where(named >= 0, fresh.gather(1, named.clamp(min=0)), -1)
    same = (above.unsqueeze(2) == above.unsqueeze(1)).tril(-1).any(2)
    return torch.cat([keys, above.masked_fill(same, -1)], dim=1)
