"""The slates that are compared with the exposed page: by a generator, by a score, by chance."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator
from gerank.train.device import device_of, moved
from gerank.train.page_batches import by_page
from gerank.train.pages import as_requests
from gerank.train.run_folder import RunError

_PAGES_AT_ONCE = 1024


def generated_slates(generator: Generator, log: ExposureLog, slots: int, weights: Tensor) -> Tensor:
    """Greedy slates of all pages: [E, N] int64, -1 behind the end; weights [U] for every page."""
    device = device_of(generator)

    def decoded(rows: NDArray[np.int64]) -> tuple[Tensor]:
        pages = log.batch(rows, slots)
        batch = as_requests(pages, weights.expand(len(rows), -1), log.schema, slots=slots)
        return (generator.page_slates(moved(batch, device)),)

    with torch.inference_mode():
        return by_page(log, np.arange(len(log)), _PAGES_AT_ONCE, decoded)[0]


def score_slates(log: ExposureLog, score: str, slots: int) -> Tensor:
    """Every page sorted by a dense candidate feature: [E, N] int64, -1 behind the end.

    An item that stands above the page does not come again, as in the generator's slates.
    Ties are broken by the candidate's name, never by its place in the log: an order that looks at
    the logged order is not valid for inverse propensity weighting.

    Raises:
        RunError: The log has no such feature.
    """
    names = [feature.name for feature in log.schema.candidate_dense]
    if score not in names:
        raise RunError(f"score feature {score!r} is not one of {', '.join(names)}")
    slates = np.full((len(log), slots), -1, np.int64)
    for page in range(len(log)):
        first, last = log.candidate_offsets[page : page + 2]
        order = np.lexsort((log.candidate_names[first:last], -log.candidate[score][first:last]))
        order = _without_shown_above(log, page, order)[:slots]
        slates[page, : len(order)] = order
    return torch.from_numpy(slates)


def shuffled_slates(log: ExposureLog, slots: int) -> Tensor:
    """Every page in random order: [E, N] int64, -1 behind the end.

    An item that stands above the page does not come again, as in the generator's slates.
    A page's order is drawn by its id and by its candidates' names, not by their places in the log,
    and is the same each time.
    """
    slates = np.full((len(log), slots), -1, np.int64)
    for page in range(len(log)):
        ranks = _name_ranks(log, page)
        rng = np.random.default_rng(zlib.crc32(str(log.page_ids[page]).encode()))
        order = np.argsort(ranks)[rng.permutation(len(ranks))]
        order = _without_shown_above(log, page, order)[:slots]
        slates[page, : len(order)] = order
    return torch.from_numpy(slates)


def name_ranks(log: ExposureLog, rows: NDArray[np.int64]) -> Tensor:
    """[B, M] int64 place of each candidate when its page is sorted by name.

    Ties are broken by it, as the place in the log may be the logged order. Padding comes last.
    """
    widest = int(np.diff(log.candidate_offsets)[rows].max(initial=1))
    ranks = np.full((len(rows), widest), widest, np.int64)
    for place, page in enumerate(rows.tolist()):
        of_page = _name_ranks(log, page)
        ranks[place, : len(of_page)] = of_page
    return torch.from_numpy(ranks)


def _name_ranks(log: ExposureLog, page: int) -> NDArray[np.int64]:
    first, last = log.candidate_offsets[page : page + 2]
    return np.argsort(np.argsort(log.candidate_names[first:last], kind="stable"))


def _without_shown_above(
    log: ExposureLog, page: int, order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Candidates of a page, without those that stand above it and do not come again."""
    keys = log.slots_above(np.array([page])).above_dedup_keys[0]
    return order[~np.isin(order, keys)]


def exposed_slates(log: ExposureLog, slots: int) -> Tensor:
    """What was shown, cut to N slots: [E, N] int64, -1 behind the end."""
    shown = log.shown(np.arange(len(log)), slots).slates
    return pad_slots(shown, slots)


def shown_length(slates: Tensor, logged: Tensor) -> Tensor:
    """Slates [E, N] cut to as many slots as the `logged` ones [E, N] fill: [E, N]."""
    shown = (logged >= 0).sum(1, keepdim=True)
    return slates.masked_fill(torch.arange(slates.size(1)) >= shown, -1)
