"""Structured part, residual, support and page heads together."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from gerank.data.batch import RerankBatch
from gerank.nn.evaluator import Evaluator, EvaluatorShape, PageFeedback, calibrated
from gerank.nn.support import Support
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import (
    RESIDUAL,
    exposed,
    moved,
    padded,
    permuted,
    random_batch,
    random_evaluator,
    random_orders,
    random_slates,
    with_holes,
)

WITH_AND_WITHOUT = pytest.mark.parametrize("residual", [True, False], ids=["residual", "plain"])


def judge(evaluator: Evaluator, batch: RerankBatch, slates: Tensor) -> PageFeedback:
    with torch.no_grad():
        feedback: PageFeedback = evaluator(evaluator.items(*batch.features), slates)
    return feedback


def differ(left: PageFeedback, right: PageFeedback) -> list[str]:
    return [
        name
        for name in PageFeedback._fields
        if not torch.allclose(getattr(left, name), getattr(right, name), atol=1e-5)
    ]


def around(evaluator: Evaluator, batch: RerankBatch, slates: Tensor, shift: float) -> Support:
    """The support of just these slates, moved by `shift` logits."""
    strength = judge(evaluator, batch, slates).strength
    low, high = strength.min(0).values + shift, strength.max(0).values + shift
    return Support(pad(low, (0, MAX_SLOTS - len(low))), pad(high, (0, MAX_SLOTS - len(high))))


@WITH_AND_WITHOUT
def test_feedback_has_an_entry_per_slate_and_slot(seed: int, residual: bool) -> None:
    batch = random_batch(seed, requests=5)
    slates = random_slates(batch, seed, group=3)
    feedback = judge(random_evaluator(seed, residual=residual), batch, slates)
    assert feedback.slot_click.shape == feedback.strength.shape == (15, slates.size(2))
    assert feedback.page_click.shape == feedback.two_or_more.shape == (15,)
    for part in (feedback.slot_click, feedback.page_click, feedback.two_or_more):
        assert ((part >= 0) & (part <= 1)).all()


@WITH_AND_WITHOUT
def test_the_order_of_candidates_does_not_matter(seed: int, residual: bool) -> None:
    evaluator, batch = random_evaluator(seed, residual=residual), random_batch(seed)
    slates, order = random_slates(batch, seed), random_orders(batch, seed)
    there = moved(slates.squeeze(1), order.argsort(1)).unsqueeze(1)
    right = judge(evaluator, permuted(batch, order), there)
    assert differ(judge(evaluator, batch, slates), right) == []


@WITH_AND_WITHOUT
def test_padding_does_not_matter(seed: int, residual: bool) -> None:
    evaluator, batch = random_evaluator(seed, residual=residual), random_batch(seed)
    short = with_holes(random_slates(batch, seed), seed)[..., :3]
    before = judge(evaluator, batch, short)
    assert differ(before, judge(evaluator, padded(batch, candidates=6, slots=0), short)) == []
    after = judge(evaluator, batch, pad(short, (0, MAX_SLOTS - 3), value=-1))
    cut = after._replace(slot_click=after.slot_click[:, :3], strength=after.strength[:, :3])
    assert differ(before, cut) == []
    assert not after.slot_click[:, 3:].any()


@WITH_AND_WITHOUT
def test_exposed_slates_are_placed_as_any_others(seed: int, residual: bool) -> None:
    evaluator, batch = random_evaluator(seed, residual=residual), random_batch(seed)
    slates = with_holes(random_slates(batch, seed), seed)
    evaluator.set_support(around(evaluator, batch, slates, shift=0.5))
    with torch.no_grad():
        left = evaluator.place(evaluator.items(*batch.features), slates)
        right = evaluator.exposed(exposed(batch, slates.squeeze(1)))
    torch.testing.assert_close(left.logits * left.mask, right.logits * right.mask)
    torch.testing.assert_close(left.strength, right.strength)
    assert torch.equal(left.mask, right.mask)


def test_a_fresh_residual_changes_nothing(seed: int) -> None:
    plain, batch = random_evaluator(seed, residual=False), random_batch(seed)
    evaluator = Evaluator(CONTRACT.schema, EvaluatorShape(plain.shape.structured, RESIDUAL)).eval()
    evaluator.load_state_dict(plain.state_dict(), strict=False)
    slates = random_slates(batch, seed)
    assert differ(judge(plain, batch, slates), judge(evaluator, batch, slates)) == []


def test_a_residual_that_learnt_changes_clicks_and_not_strength(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    with_it = judge(evaluator, batch, slates)
    evaluator.residual = None
    changed = differ(with_it, judge(evaluator, batch, slates))
    assert changed == ["slot_click", "page_click", "two_or_more"]


def test_the_residual_is_whole_inside_the_support_and_fades_outside(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    items = evaluator.items(*batch.features)
    plain = evaluator.structured.place(items.structured, slates).logits
    added = []
    for shift in (None, 0.0, 0.5, 2.0, 1e4):
        if shift is not None:
            evaluator.set_support(around(evaluator, batch, slates, shift))
        with torch.no_grad():
            placed = evaluator.place(items, slates)
        added.append(((placed.logits - plain) * placed.mask).abs())
    unlimited, inside, near, away, far = added
    assert unlimited.any()
    assert torch.equal(unlimited, inside)
    assert (near <= inside + 1e-5).all()
    assert (away <= near + 1e-5).all()
    assert near.sum() < inside.sum()
    assert away.sum() < near.sum()
    assert far.max() < 1e-5


def test_page_heads_are_those_of_the_slots_until_they_are_calibrated(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    feedback = judge(evaluator, batch, slates)
    placed = evaluator.place(evaluator.items(*batch.features), slates)
    any_click, two_or_more = evaluator.page_clicks(placed)
    torch.testing.assert_close(feedback.page_click, any_click, atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(feedback.two_or_more, two_or_more, atol=2e-6, rtol=1e-4)


def test_each_page_head_has_a_line_of_its_own(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    before = judge(evaluator, batch, slates)
    evaluator.page_maps.copy_(torch.tensor([[0.5, 1.0], [1.0, 0.0]]))
    after = judge(evaluator, batch, slates)
    assert differ(before, after) == ["page_click"]
    expected = torch.sigmoid(0.5 * torch.logit(before.page_click) + 1.0)
    torch.testing.assert_close(after.page_click, expected, atol=1e-4, rtol=0)


def test_a_line_leaves_certain_pages_finite() -> None:
    probability = torch.tensor([0.0, 0.5, 1.0])
    low, middle, high = calibrated(probability, torch.tensor([1.0, 0.0])).tolist()
    assert low == pytest.approx(0.0, abs=1e-5)
    assert middle == pytest.approx(0.5)
    assert high == pytest.approx(1.0, abs=1e-5)
    steep = calibrated(probability, torch.tensor([-3.0, 2.0]))
    assert steep.isfinite().all()


def test_support_and_lines_travel_with_the_parameters(seed: int) -> None:
    evaluator, batch = random_evaluator(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    evaluator.set_support(around(evaluator, batch, slates, shift=1.0))
    evaluator.page_maps.copy_(torch.tensor([[2.0, -1.0], [0.7, 0.3]]))
    other = Evaluator(CONTRACT.schema, evaluator.shape).eval()
    other.load_state_dict(evaluator.state_dict())
    assert differ(judge(evaluator, batch, slates), judge(other, batch, slates)) == []
    assert torch.equal(other.support.low, evaluator.support.low)


@WITH_AND_WITHOUT
def test_a_page_without_anything_is_not_clicked(seed: int, residual: bool) -> None:
    batch = random_batch(seed, requests=2)
    empty = torch.full((2, 1, MAX_SLOTS), -1)
    feedback = judge(random_evaluator(seed, residual=residual), batch, empty)
    assert not feedback.slot_click.any()
    assert not feedback.strength.any()
    assert (feedback.page_click < 1e-5).all()


def test_too_long_a_slate_is_refused_with_both_lengths(seed: int) -> None:
    evaluator, batch = random_evaluator(seed, residual=False), random_batch(seed)
    long = torch.zeros(len(batch.slots), 1, MAX_SLOTS + 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="slates have 7 slots, not at most 6"):
        judge(evaluator, batch, long)


def test_an_evaluator_brings_the_ops_that_it_needs() -> None:
    """In an interpreter that has imported nothing else."""
    code = (
        "import gerank.nn.evaluator, torch\n"
        "print(torch.ops.gerank.set_features.default._schema.name)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "gerank::set_features"
