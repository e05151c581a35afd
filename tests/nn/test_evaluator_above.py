"""What stands above a page, as evaluators and judges see it: repeats are counted across."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, SlotsAbove
from gerank.nn.channel_residual import group_repeats
from gerank.nn.structured.context import repeats_by_lag
from gerank.train.feedback import EvaluatorFeedback, Feedback, StructuredFeedback
from gerank.train.slot_features import SlotFeatures
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import (
    exposed,
    random_batch,
    random_evaluator,
    random_slates,
    random_structured,
)

REACH = 4
COUNTS = [repeats_by_lag, group_repeats]


def feed_pages(seed: int, requests: int = 60) -> ExposureBatch:
    """Pages with up to four slots above them, whose groups are those of their candidates."""
    batch = random_batch(seed, requests)
    pages = exposed(batch, random_slates(batch, seed).squeeze(1), seed)
    source = torch.Generator().manual_seed(seed)
    counts = torch.randint(REACH + 1, (requests, 1), generator=source)
    real = batch.candidate_mask.sum(1, keepdim=True)
    same = (torch.rand(requests, REACH, generator=source) * real).long()
    ids = batch.candidate_ids.gather(1, same.unsqueeze(-1).expand(-1, -1, 4))
    mask = torch.arange(-REACH, 0) >= -counts
    keys = torch.full(mask.shape, -1)
    return pages._replace(above_ids=ids, above_mask=mask, above_dedup_keys=keys)


def alone(pages: ExposureBatch) -> ExposureBatch:
    """The same pages with nothing above."""
    nothing = SlotsAbove.nothing(len(pages.slates), pages.candidate_ids.size(2))
    return pages._replace(**nothing._asdict())


@pytest.mark.parametrize("counts", COUNTS)
def test_a_page_and_what_stands_above_count_as_one_long_page(counts: object, seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (40, 9, 2), generator=source)
    mask = torch.rand(40, 9, generator=source) < 0.8
    mask[:, :REACH] = True
    assert callable(counts)
    whole = counts(groups, mask, groups[:, :0])[:, REACH:]
    below = counts(groups[:, REACH:], mask[:, REACH:], groups[:, :REACH])
    assert torch.equal(whole, below)
    assert not torch.equal(below, counts(groups[:, REACH:], mask[:, REACH:], groups[:, :0]))


def feedbacks(seed: int) -> list[Feedback]:
    return [
        EvaluatorFeedback(random_evaluator(seed, residual=False)),
        EvaluatorFeedback(random_evaluator(seed)),
        StructuredFeedback(random_structured(seed)),
    ]


@pytest.mark.parametrize("which", range(3))
def test_the_first_slot_is_seen_in_the_light_of_what_stands_above(which: int, seed: int) -> None:
    feedback, pages = feedbacks(seed)[which], feed_pages(seed)
    rows, slates = np.arange(60), pages.slates.unsqueeze(1)
    click, any_click = feedback(rows, pages, slates)
    without, _ = feedback(rows, alone(pages), slates)
    columns = list(CONTRACT.schema.group_columns)
    first = pages.candidate_ids.gather(
        1, pages.slates[:, :1].clamp(min=0).unsqueeze(-1).expand(-1, -1, 4)
    )
    repeated = (pages.above_ids == first) & pages.above_mask.unsqueeze(-1)
    repeated &= (first >= 0) & (pages.slates[:, :1] >= 0).unsqueeze(-1)
    again = repeated[..., columns].any(-1).any(1)
    changed = (click - without).abs()[:, 0, 0] > 1e-6
    assert 10 < again.sum() < 60
    assert changed[again].float().mean() > 0.9
    if which != 1:  # the channels look down the page, too
        assert not changed[~again].any()
    assert any_click.isfinite().all()


@pytest.mark.parametrize("which", range(3))
def test_nothing_above_gives_the_same_bits(which: int, seed: int) -> None:
    feedback, pages = feedbacks(seed)[which], alone(feed_pages(seed))
    empty = pages._replace(
        above_ids=torch.zeros(60, REACH, 4, dtype=torch.int64),
        above_mask=torch.zeros(60, REACH, dtype=torch.bool),
        above_dedup_keys=torch.full((60, REACH), -1),
    )
    slates = pages.slates.unsqueeze(1)
    for ours, theirs in zip(
        feedback(np.arange(60), pages, slates), feedback(np.arange(60), empty, slates), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_slates_that_were_exposed_are_placed_as_any_others(seed: int) -> None:
    evaluator, pages = random_evaluator(seed), feed_pages(seed)
    with torch.no_grad():
        items = evaluator.items(*pages.features, pages.above)
        placed = evaluator.place(items, pages.slates.unsqueeze(1))
        shown = evaluator.exposed(pages)
    torch.testing.assert_close(placed.logits, shown.logits, atol=1e-5, rtol=1e-5)


def test_many_slates_of_a_page_stand_below_the_same(seed: int) -> None:
    evaluator, pages = random_evaluator(seed), feed_pages(seed)
    slates = random_slates(random_batch(seed, 60), seed + 1, group=3)
    with torch.no_grad():
        items = evaluator.items(*pages.features, pages.above)
        together = evaluator(items, slates).slot_click.view(60, 3, MAX_SLOTS)
        for g in range(3):
            one = evaluator(items, slates[:, g : g + 1]).slot_click
            torch.testing.assert_close(together[:, g], one, atol=1e-6, rtol=1e-5)


def test_a_table_of_slots_counts_across_the_boundary(seed: int) -> None:
    """Against the long page that has what stands above as its first slots."""
    features = SlotFeatures(CONTRACT.schema)
    pages = feed_pages(seed)
    pages = pages._replace(above_mask=torch.ones_like(pages.above_mask))
    candidates = pages.candidate_mask.size(1)
    longer = alone(pages)._replace(
        candidate_ids=torch.cat([pages.candidate_ids, pages.above_ids], dim=1),
        candidate_dense=torch.nn.functional.pad(pages.candidate_dense, (0, 0, 0, REACH)),
        candidate_mask=torch.nn.functional.pad(pages.candidate_mask, (0, REACH)),
    )
    above = torch.arange(candidates, candidates + REACH).expand(60, -1)
    whole = torch.cat([above, pages.slates], dim=1).unsqueeze(1)
    wanted = [
        column
        for column, name in enumerate(features.names)
        if name.split()[0] in ("same", "earlier")
    ]
    assert len(wanted) == 8
    table = features(longer, whole)[:, wanted]
    is_own = (torch.arange(whole.size(-1)) >= REACH).expand(whole.shape)[whole >= 0]
    np.testing.assert_array_equal(
        features(pages, pages.slates.unsqueeze(1))[:, wanted], table[is_own.numpy()]
    )


def test_gradients_of_repeats_come_from_the_boundary(seed: int) -> None:
    """Where no group comes again on the page itself, what stands above still teaches."""
    evaluator = random_structured(seed).train()
    pages = feed_pages(seed)
    first = pages._replace(slates=torch.where(_first(pages.slates), pages.slates, -1))

    def taught(pages: ExposureBatch) -> Tensor:
        evaluator.zero_grad()
        placed = evaluator.place_exposed(pages)
        evaluator.log_likelihood(placed, pages.clicks).sum().backward()
        gradient = evaluator.repeats.steps.grad
        assert gradient is not None
        return gradient

    assert not taught(alone(first)).any()
    assert taught(first).any()


def _first(slates: Tensor) -> Tensor:
    return torch.arange(slates.size(1)) < torch.ones_like(slates[:, :1])
