"""The structured evaluator as a whole: what its slots may depend on, and its ensemble."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from gerank.data.batch import RerankBatch
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.structured import PlacedItems, StructuredEvaluator, StructuredShape
from gerank.nn.structured.readings import AGAINST, FORMS
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import (
    exposed,
    moved,
    padded,
    pages_of,
    permuted,
    random_batch,
    random_orders,
    random_slates,
    random_structured,
    with_holes,
    without_gradient,
)

MEMBERS = 3
DENSE, ID = FeatureKind.DENSE, FeatureKind.ID


def judge(evaluator: StructuredEvaluator, batch: RerankBatch, slates: Tensor) -> list[Tensor]:
    """What it says of slates: clicks per slot, any click, two or more; [K, E, ...]."""
    with torch.no_grad():
        placed = evaluator.place(evaluator.items(*batch.features), slates)
        return said_of(evaluator, placed)


def said_of(evaluator: StructuredEvaluator, placed: PlacedItems) -> list[Tensor]:
    return [evaluator.slot_click(placed), *evaluator.page_clicks(placed)]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(left, right, strict=True))


def filled_logits(placed: PlacedItems) -> Tensor:
    return placed.logits * placed.mask


def test_strengths_are_those_of_the_items_that_stand_in_the_slots(seed: int) -> None:
    evaluator, batch = random_structured(seed, "logit", MEMBERS), random_batch(seed)
    slates = with_holes(random_slates(batch, seed), seed)
    with torch.no_grad():
        items = evaluator.items(*batch.features)
        found = evaluator.strength(items, slates)
        assert torch.equal(found, evaluator.place(items, slates).strength)
    _, count, slots = slates.shape
    for page, candidate in enumerate(slates.view(-1, slots).tolist()):
        for slot, item in enumerate(candidate):
            own = items.strength[:, page // count, item] if item >= 0 else torch.zeros(MEMBERS)
            assert torch.equal(found[:, page, slot], own)


@pytest.mark.parametrize("reading", FORMS)
def test_a_slot_depends_on_the_slots_above_alone(seed: int, reading: str) -> None:
    """Other items below, or none, change nothing above: credit can be given slot by slot."""
    evaluator, batch = random_structured(seed, reading, MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed)
    before = judge(evaluator, batch, slates)[0]
    order = slates.clamp(min=0)
    real = batch.candidate_mask.sum(1).view(-1, 1, 1)
    for slot in range(slates.size(2) - 1):
        below = torch.arange(slates.size(2)) > slot
        for others in ((order + 1) % real, torch.full_like(order, -1)):
            after = judge(evaluator, batch, torch.where(below, others, slates))[0]
            torch.testing.assert_close(
                after[..., : slot + 1], before[..., : slot + 1], atol=1e-5, rtol=0
            )


def test_items_above_matter(seed: int) -> None:
    evaluator, batch = random_structured(seed, "logit", MEMBERS), random_batch(seed, requests=60)
    slates = random_slates(batch, seed)
    shown = (slates[:, 0, :2] >= 0).all(1)
    swapped = slates.clone()
    swapped[..., 0] = torch.where(slates[..., 0] >= 0, -1, slates[..., 0])
    left, right = (judge(evaluator, batch, s)[0][:, shown, 1] for s in (slates, swapped))
    assert shown.any()
    assert not torch.allclose(left, right)


def test_the_order_of_candidates_does_not_matter(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates, order = random_slates(batch, seed), random_orders(batch, seed)
    there = moved(slates.squeeze(1), order.argsort(1)).unsqueeze(1)
    assert same(judge(evaluator, batch, slates), judge(evaluator, permuted(batch, order), there))


def test_padding_candidates_do_not_matter(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = with_holes(random_slates(batch, seed, group=2), seed)
    wide = padded(batch, candidates=5, slots=0)
    assert same(judge(evaluator, batch, slates), judge(evaluator, wide, slates))


@pytest.mark.parametrize("reading", FORMS)
def test_padding_slots_do_not_matter(seed: int, reading: str) -> None:
    evaluator, batch = random_structured(seed, reading, MEMBERS), random_batch(seed)
    short = random_slates(batch, seed)[..., :3]
    long = judge(evaluator, batch, pad(short, (0, MAX_SLOTS - 3), value=-1))
    long[0] = long[0][..., :3]
    assert same(judge(evaluator, batch, short), long)


def test_candidates_that_are_not_shown_count_through_ranks_alone(seed: int) -> None:
    """Their ids do not matter at all."""
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed)
    shown = torch.zeros_like(batch.candidate_mask)
    for page, slate in zip(shown, slates.squeeze(1), strict=True):
        page[slate[slate >= 0]] = True
    ids = torch.where(shown.unsqueeze(-1), batch.candidate_ids, 1)
    other = batch._replace(candidate_ids=ids)
    assert same(judge(evaluator, batch, slates), judge(evaluator, other, slates))


def test_slates_that_were_exposed_are_placed_as_any_others(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = with_holes(random_slates(batch, seed), seed)
    with torch.no_grad():
        left = evaluator.place(evaluator.items(*batch.features), slates)
        right = evaluator.place_exposed(exposed(batch, slates.squeeze(1)))
    assert torch.equal(left.mask, right.mask)
    torch.testing.assert_close(filled_logits(left), filled_logits(right), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(left.strength, right.strength, atol=1e-5, rtol=1e-5)
    assert same(said_of(evaluator, left), said_of(evaluator, right))


def test_many_slates_of_a_request_are_placed_as_one_at_a_time(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed, group=4)
    together = judge(evaluator, batch, slates)
    for g in range(4):
        alone = judge(evaluator, batch, slates[:, g : g + 1])
        assert same(alone, [part[:, g::4] for part in together])


def test_an_empty_slot_has_no_strength_and_no_click(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = with_holes(random_slates(batch, seed), seed)
    with torch.no_grad():
        placed = evaluator.place(evaluator.items(*batch.features), slates)
    empty = slates.squeeze(1) < 0
    assert not placed.strength[:, empty].any()
    assert not evaluator.slot_click(placed)[:, empty].any()


def test_strength_is_the_items_own_wherever_it_stands(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed)
    items = evaluator.items(*batch.features)
    upright, flipped = (evaluator.place(items, s).strength for s in (slates, slates.flip(-1)))
    assert torch.equal(upright, flipped.flip(-1))


@pytest.mark.parametrize("reading", FORMS)
def test_a_member_alone_answers_as_in_its_ensemble(seed: int, reading: str) -> None:
    evaluator, batch = random_structured(seed, reading, MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed, group=2)
    together = judge(evaluator, batch, slates)
    for which in ([0], [1], [2], [2, 0]):
        chosen = evaluator.select(torch.tensor(which))
        assert chosen.shape.members == len(which)
        assert same(judge(chosen, batch, slates), [part[which] for part in together])


def test_a_chosen_member_has_parameters_of_its_own(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    slates = random_slates(batch, seed)
    chosen = evaluator.select(torch.tensor([1]))
    before = judge(chosen, batch, slates)
    with torch.no_grad():
        for tensor in evaluator.state_dict().values():
            if tensor.is_floating_point():
                tensor.zero_()
    assert same(before, judge(chosen, batch, slates))


def test_what_is_not_shared_has_an_axis_of_members(seed: int) -> None:
    evaluator = random_structured(seed, members=MEMBERS)
    for name, value in evaluator.state_dict().items():
        assert name in evaluator.shared_names or value.size(0) == MEMBERS, name


def test_members_do_not_teach_each_other(seed: int) -> None:
    """The likelihood and the prior of one member are nothing to the parameters of another."""
    evaluator, batch = random_structured(seed, members=MEMBERS), random_batch(seed)
    pages = exposed(batch, random_slates(batch, seed).squeeze(1), seed)
    placed = evaluator.place_exposed(pages)
    loss = evaluator.prior(torch.full((MEMBERS,), 4.0)) - evaluator.log_likelihood(
        placed, pages.clicks
    ).sum(1)
    loss[1].backward()
    for name, parameter in evaluator.named_parameters():
        if name not in evaluator.shared_names and parameter.grad is not None:
            assert not parameter.grad[[0, 2]].any(), name
            assert parameter.grad[1].any(), name


def test_gradients_reach_every_parameter_of_a_member(seed: int) -> None:
    evaluator, batch = random_structured(seed, members=1), random_batch(seed, requests=60)
    pages = exposed(batch, random_slates(batch, seed).squeeze(1), seed)
    evaluator.log_likelihood(evaluator.place_exposed(pages), pages.clicks).sum().backward()
    missed = [name for name in without_gradient(evaluator) if name not in evaluator.shared_names]
    assert missed == []


def test_members_of_competing_forms_answer_as_they_would_alone(seed: int) -> None:
    names = list(FORMS)
    together, batch = random_structured(seed, AGAINST.join(names), len(names)), random_batch(seed)
    slates = random_slates(batch, seed, group=2)
    answers = judge(together, batch, slates)
    for k, name in enumerate(names):
        alone = random_structured(seed, name, 1)
        state = {
            key: value if key in together.shared_names else value[k : k + 1]
            for key, value in together.state_dict().items()
            if not key.startswith("reading.")
        }
        own = f"reading.forms.{k}."
        state |= {
            f"reading.{key.removeprefix(own)}": value
            for key, value in together.state_dict().items()
            if key.startswith(own)
        }
        alone.load_state_dict(state)
        assert same(judge(alone, batch, slates), [part[k : k + 1] for part in answers])


def test_forms_compete_with_a_member_each(seed: int) -> None:
    with pytest.raises(ValueError, match="2 forms for 3 members"):
        random_structured(seed, AGAINST.join(["logit", "examination"]), 3)


def test_the_prior_grows_with_its_strength_and_draws_items_to_no_effect(seed: int) -> None:
    evaluator = random_structured(seed, members=MEMBERS)
    none, some, more = (evaluator.prior(torch.full((MEMBERS,), s)) for s in (0.0, 1.0, 3.0))
    torch.testing.assert_close(more - none, 3 * (some - none))
    assert (some > none).all()
    pull = evaluator.prior(torch.full((MEMBERS,), 8.0)).sum()
    before = pull.item()
    pull.backward()
    with torch.no_grad():
        for parameter in evaluator.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    assert evaluator.prior(torch.full((MEMBERS,), 8.0)).sum().item() < before


SCHEMAS: dict[str, dict[str, Any]] = {
    "score alone": {"user": (), "candidate": (Feature("score", DENSE),)},
    "no groups": {
        "user": (Feature("age", DENSE),),
        "candidate": (Feature("score", DENSE), Feature("seller", ID, vocabulary=9, hashed=True)),
    },
    "users of ids alone": {
        "user": (Feature("country", ID, vocabulary=3),),
        "candidate": (Feature("score", DENSE), Feature("category", ID, vocabulary=4)),
        "groups": ("category",),
    },
    "items of ids alone": {
        "user": (),
        "candidate": (Feature("category", ID, vocabulary=4),),
        "groups": ("category",),
    },
}


@pytest.mark.parametrize("which", SCHEMAS)
def test_a_schema_may_lack_users_ids_or_groups(seed: int, which: str) -> None:
    schema = FeatureSchema(**SCHEMAS[which])
    evaluator = random_structured(seed, members=2, schema=schema)
    batch, pages = pages_of(schema, seed)
    likelihood = evaluator.log_likelihood(evaluator.place_exposed(pages), pages.clicks)
    (evaluator.prior(torch.ones(2)).sum() - likelihood.sum()).backward()
    assert likelihood.isfinite().all()
    for parameter in evaluator.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
    said = judge(evaluator, batch, pages.slates.unsqueeze(1))
    assert same(said, said_of(evaluator, evaluator.place_exposed(pages)))
    alone = evaluator.select(torch.tensor([1]))
    assert same([part[[1]] for part in said], judge(alone, batch, pages.slates.unsqueeze(1)))


def test_a_reading_of_ones_own_makes_the_clicks(seed: int) -> None:
    evaluator = random_structured(seed, "tests.nn.own_reading:TopOnly", members=2)
    batch = random_batch(seed)
    clicks, any_click, two_or_more = judge(evaluator, batch, random_slates(batch, seed))
    assert not clicks[..., 1:].any()
    torch.testing.assert_close(any_click, clicks[..., 0])
    assert (two_or_more < 1e-6).all()


def test_a_form_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="'psychic' is not one of"):
        StructuredEvaluator(CONTRACT.schema, StructuredShape(3, "psychic"))
