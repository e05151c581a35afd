from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from gerank.data.batch import RerankBatch
from gerank.nn.evaluator import (
    Evaluator,
    EvaluatorShape,
    FeedbackLogits,
    JudgedItems,
    any_click_logit,
    feedback_loss,
    group_repeats,
    keep_dropout,
)
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import (
    moved,
    padded,
    permuted,
    random_batch,
    random_evaluator,
    random_orders,
    without_gradient,
)


def random_slates(batch: RerankBatch, seed: int, group: int = 1) -> Tensor:
    """[B, G, N] real candidates without repeats, then -1."""
    source = torch.Generator().manual_seed(seed)
    requests, candidates = batch.candidate_mask.shape
    keys = torch.rand(requests, group, candidates, generator=source)
    keys = keys.masked_fill(~batch.candidate_mask.unsqueeze(1), 2.0)
    order = keys.argsort(dim=-1)[..., :MAX_SLOTS]
    there = torch.arange(order.size(-1)) < batch.candidate_mask.sum(1).view(-1, 1, 1)
    slates = torch.where(there, order, -1)
    cut = torch.randint(1, MAX_SLOTS + 1, (requests, group, 1), generator=source)
    return torch.where(torch.arange(order.size(-1)) < cut, slates, -1)


def judge(evaluator: Evaluator, batch: RerankBatch, slates: Tensor) -> FeedbackLogits:
    """Logits, those of empty slots (which mean nothing) set to 0."""
    with torch.no_grad():
        logits = evaluator(evaluator.items(*batch[:5]), slates)
    return without_empty(logits, slates)


def without_empty(logits: FeedbackLogits, slates: Tensor) -> FeedbackLogits:
    filled = slates.flatten(0, 1) >= 0
    filled = pad(filled, (0, logits.slot_click.size(1) - filled.size(1)))
    return logits._replace(slot_click=logits.slot_click * filled)


def drawn_items(seed: int, candidates: int) -> JudgedItems:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (1, candidates, 2), generator=source)
    return JudgedItems(torch.randn(1, candidates, 12, generator=source), groups)


def differ(left: FeedbackLogits, right: FeedbackLogits) -> list[str]:
    return [
        name
        for name in FeedbackLogits._fields
        if not torch.allclose(getattr(left, name), getattr(right, name), atol=1e-5)
    ]


def test_heads_have_one_entry_per_slate_and_slot(seed: int) -> None:
    batch = random_batch(seed, requests=5)
    logits = judge(random_evaluator(seed), batch, random_slates(batch, seed, group=3))
    assert logits.page_click.shape == (15,)
    assert logits.click_count.shape == (15, MAX_SLOTS + 1)
    assert logits.slot_click.shape == (15, MAX_SLOTS)


def test_the_order_of_candidates_does_not_matter(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates, order = random_slates(batch, seed), random_orders(batch, seed)
    there = moved(slates.squeeze(1), order.argsort(1)).unsqueeze(1)
    assert (
        differ(judge(evaluator, batch, slates), judge(evaluator, permuted(batch, order), there))
        == []
    )


def test_the_order_of_slots_matters_to_every_head(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed, requests=100)
    slates = random_slates(batch, seed)
    full = (slates >= 0).all(-1).squeeze(1)
    upside_down = slates.flip(-1)
    left, right = judge(evaluator, batch, slates), judge(evaluator, batch, upside_down)
    assert full.any()
    assert differ(left, right) == list(FeedbackLogits._fields)


def test_padding_candidates_do_not_matter(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    wide = padded(batch, candidates=6, slots=0)
    assert differ(judge(evaluator, batch, slates), judge(evaluator, wide, slates)) == []


def test_padding_slots_do_not_matter(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    short = random_slates(batch, seed)[..., :3]
    long = pad(short, (0, MAX_SLOTS - 3), value=-1)
    assert differ(judge(evaluator, batch, short), judge(evaluator, batch, long)) == []


def test_what_is_not_on_the_page_does_not_matter(seed: int) -> None:
    evaluator = random_evaluator(seed)
    items = drawn_items(seed, 8)
    slates = torch.tensor([[[5, 2, -1, 7, -1, -1]]])  # holes, and candidate 0 is not shown
    hidden = torch.tensor([True, True, False, True, True, False, True, False]).view(1, 8, 1)
    vectors = items.vectors.masked_fill(hidden, 100.0)
    other = JudgedItems(vectors, items.groups.masked_fill(hidden, 2))
    left, right = (without_empty(evaluator(x, slates), slates) for x in (items, other))
    assert all(map(torch.equal, left, right))


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_every_item_on_the_page_matters(seed: int, shown: int) -> None:
    evaluator = random_evaluator(seed)
    items = drawn_items(seed, 3)
    slates = torch.tensor([[[2, 0, 1]]])
    other = items._replace(vectors=items.vectors.clone())
    other.vectors[:, shown] += 1.0
    left, right = evaluator(items, slates), evaluator(other, slates)
    assert differ(left, right) == list(FeedbackLogits._fields)


def test_a_repeated_group_matters_though_no_item_changes(seed: int) -> None:
    evaluator = random_evaluator(seed)
    items = drawn_items(seed, 3)
    slates = torch.tensor([[[0, 1, 2]]])
    left, right = (
        evaluator(
            items._replace(groups=torch.tensor(groups).view(1, 3, 1).expand(-1, -1, 2)), slates
        )
        for groups in ([0, 1, 2], [0, 1, 0])
    )
    assert differ(left, right) == list(FeedbackLogits._fields)


def test_group_repeats_are_those_of_a_direct_loop(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (40, 7, 2), generator=source)
    mask = torch.rand(40, 7, generator=source) < 0.8
    repeats = group_repeats(groups, mask)
    for page in range(40):
        for slot in range(7):
            for key in range(2):
                group = int(groups[page, slot, key])
                counts = mask[page, slot] and group >= 0
                above = [
                    slot - s
                    for s in range(slot)
                    if counts and mask[page, s] and groups[page, s, key] == group
                ]
                found = repeats[page, slot, [key, 2 + key]].tolist()
                assert found == [len(above), sum(lag <= 3 for lag in above)]


def test_many_slates_at_once_are_judged_as_one_at_a_time(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed, group=4)
    together = judge(evaluator, batch, slates)
    for g in range(4):
        alone = judge(evaluator, batch, slates[:, g : g + 1])
        assert differ(alone, FeedbackLogits(*(part[g::4] for part in together))) == []


def test_a_page_without_anything_is_judged_finitely(seed: int) -> None:
    batch = random_batch(seed, requests=2)
    logits = judge(random_evaluator(seed), batch, torch.full((2, 1, MAX_SLOTS), -1))
    assert all(part.isfinite().all() for part in logits)


def test_too_long_a_slate_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="slates have 7 slots, not at most 6"):
        random_evaluator(0)(drawn_items(0, 9), torch.zeros(1, 1, 7, dtype=torch.int64))


def test_dropout_is_for_training_only(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    assert differ(judge(evaluator, batch, slates), judge(evaluator, batch, slates)) == []
    evaluator.train()
    assert differ(judge(evaluator, batch, slates), judge(evaluator, batch, slates)) != []


def test_features_are_dropped_alike_in_all_slots(seed: int) -> None:
    torch.manual_seed(seed)
    dropped = keep_dropout(torch.ones(50, 4, 20), torch.nn.Dropout(0.3))
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 4, -1))
    values = torch.tensor([0.0, 1 / 0.7])
    assert torch.isclose(dropped.unsqueeze(-1), values).any(-1).all()
    assert 0.5 < (dropped > 0).float().mean().item() < 0.9


def test_a_fresh_page_head_takes_slots_for_independent(seed: int) -> None:
    torch.manual_seed(seed)
    evaluator = Evaluator(CONTRACT.schema, EvaluatorShape(MAX_SLOTS, 12, 3, 3)).eval()
    batch = random_batch(seed)
    slates = random_slates(batch, seed)
    logits = judge(evaluator, batch, slates)
    filled = slates.squeeze(1) >= 0
    missed = torch.where(filled, 1 - logits.slot_click[:, : filled.size(1)].sigmoid(), 1.0)
    torch.testing.assert_close(logits.page_click.sigmoid(), 1 - missed.prod(1), atol=1e-5, rtol=0)


def test_any_click_is_finite_for_certain_and_impossible_clicks() -> None:
    slots = torch.tensor([[-200.0, -200.0], [200.0, 200.0], [0.0, 0.0]], requires_grad=True)
    logits = any_click_logit(slots, torch.tensor([[True, True], [True, True], [False, False]]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert slots.grad is not None
    assert slots.grad.isfinite().all()


def test_gradients_reach_every_parameter(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed, requests=40)
    slates = random_slates(batch, seed)
    mask = slates.squeeze(1) >= 0
    clicks = (torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) < 0.4) * mask
    feedback_loss(evaluator(evaluator.items(*batch[:5]), slates), clicks.float(), mask).backward()
    assert without_gradient(evaluator) == []


def test_the_loss_is_the_hand_computed_one() -> None:
    """Means over two pages; of the second page's empty slot nothing counts."""
    logits = FeedbackLogits(
        page_click=torch.tensor([0.3, -1.2]),
        click_count=torch.tensor([[0.1, 0.2, -0.4], [1.0, -0.5, 0.0]]),
        slot_click=torch.tensor([[0.5, -0.7], [0.9, 123.0]]),
    )
    clicks = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    mask = torch.tensor([[True, True], [True, False]])

    def minus_log(logit: float, happened: bool) -> float:
        return math.log1p(math.exp(-logit if happened else logit))

    page = (minus_log(0.3, True) + minus_log(-1.2, False)) / 2
    counts = [
        math.log(math.exp(0.1) + math.exp(0.2) + math.exp(-0.4)) - 0.2,
        math.log(math.e + math.exp(-0.5) + 1.0) - 1.0,
    ]
    slots = minus_log(0.5, False) + minus_log(-0.7, True) + minus_log(0.9, False)
    expected = page + sum(counts) / 2 + slots / 2
    assert feedback_loss(logits, clicks, mask).item() == pytest.approx(expected, rel=1e-5)


def test_clicks_and_logits_of_empty_slots_do_not_enter_the_loss(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    logits = FeedbackLogits(
        torch.randn(6, generator=source),
        torch.randn(6, 5, generator=source),
        torch.randn(6, 4, generator=source),
    )
    mask = torch.arange(4) < torch.randint(1, 4, (6, 1), generator=source)
    clicks = (torch.rand(6, 4, generator=source) < 0.5).float() * mask
    other = logits._replace(slot_click=torch.where(mask, logits.slot_click, 50.0))
    marked = torch.where(mask, clicks, 1.0)
    assert feedback_loss(other, marked, mask).item() == pytest.approx(
        feedback_loss(logits, clicks, mask).item()
    )
