"""Every form of reading against sums over all 2^N click patterns, and against a plain reader."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gerank.nn.structured.readings import FORMS, Reading, reading_form

MEMBERS, SLOTS = 2, 5
OWN = "tests.nn.own_reading:TopOnly"
NO_INTENT = -40.0
EVERY_FORM = pytest.mark.parametrize("name", [*FORMS, OWN])


def drawn(name: str, seed: int, slots: int = SLOTS) -> Reading:
    """A reading with random parameters, different for each member."""
    torch.manual_seed(seed)
    reading = reading_form(name)(MEMBERS, slots)
    with torch.no_grad():
        for parameter in reading.parameters():
            parameter.add_(torch.randn_like(parameter))
    return reading.requires_grad_(False)


def without_intent(reading: Reading) -> Reading:
    reading.spread.fill_(NO_INTENT)
    return reading


def drawn_pages(seed: int, pages: int = 6) -> tuple[Tensor, Tensor]:
    """Attraction [K, E, N], and masks [E, N] with holes; the first page is full, one is empty."""
    source = torch.Generator().manual_seed(seed)
    attraction = 1.5 * torch.randn(MEMBERS, pages, SLOTS, generator=source)
    mask = torch.rand(pages, SLOTS, generator=source) < 0.7
    mask[0], mask[1] = True, False
    return attraction, mask


def patterns(mask: Tensor) -> Tensor:
    """[P, N] every pattern of clicks on the filled slots of a page [N]."""
    options = [(0.0, 1.0) if filled else (0.0,) for filled in mask.tolist()]
    return torch.tensor(list(itertools.product(*options)))


def pattern_chances(reading: Reading, attraction: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Every pattern [P, N] of a page and its probability [K, P]; attraction [K, N], mask [N]."""
    clicks = patterns(mask)
    wide = attraction.unsqueeze(1).expand(-1, len(clicks), -1)
    return clicks, reading.log_likelihood(wide, clicks, mask.expand(len(clicks), -1)).exp()


@EVERY_FORM
def test_the_chances_of_all_patterns_sum_to_one(name: str, seed: int) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    for page in range(len(mask)):
        _, chances = pattern_chances(reading, attraction[:, page], mask[page])
        torch.testing.assert_close(chances.sum(1), torch.ones(MEMBERS), atol=1e-5, rtol=0)


@EVERY_FORM
def test_a_slots_marginal_is_the_sum_over_the_patterns_that_click_it(name: str, seed: int) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    marginal = reading.marginal(attraction, mask)
    for page in range(len(mask)):
        clicks, chances = pattern_chances(reading, attraction[:, page], mask[page])
        torch.testing.assert_close(marginal[:, page], chances @ clicks, atol=1e-5, rtol=0)
    assert not marginal[:, ~mask].any()


@EVERY_FORM
def test_counts_are_sums_over_the_patterns_with_so_many_clicks(name: str, seed: int) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    any_click, two_or_more = reading.counts(attraction, mask)
    for page in range(len(mask)):
        clicks, chances = pattern_chances(reading, attraction[:, page], mask[page])
        for said, least in ((any_click, 1), (two_or_more, 2)):
            expected = chances @ (clicks.sum(1) >= least).float()
            torch.testing.assert_close(said[:, page], expected, atol=1e-5, rtol=0)


@EVERY_FORM
def test_what_would_stand_in_an_empty_slot_does_not_matter(name: str, seed: int) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    clicks = (torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) < 0.5) & mask
    other = torch.where(mask, attraction, 9.0)
    for said in (
        lambda z: reading.log_likelihood(z, clicks.float(), mask),
        lambda z: reading.marginal(z, mask),
        lambda z: torch.stack(reading.counts(z, mask)),
    ):
        assert torch.equal(said(attraction), said(other))


@EVERY_FORM
def test_slots_behind_the_end_of_a_page_do_not_matter(name: str, seed: int) -> None:
    reading, (attraction, _) = drawn(name, seed), drawn_pages(seed)
    ends = torch.arange(SLOTS) < 3
    mask = ends.expand(attraction.size(1), -1)
    clicks = torch.randint(0, 2, mask.shape, generator=torch.Generator().manual_seed(seed))
    long = reading.log_likelihood(attraction, (clicks * ends).float(), mask)
    short = reading.log_likelihood(attraction[..., :3], clicks[:, :3].float(), mask[:, :3])
    torch.testing.assert_close(long, short)
    marginals = (
        reading.marginal(attraction, mask),
        reading.marginal(attraction[..., :3], mask[:, :3]),
    )
    torch.testing.assert_close(marginals[0][..., :3], marginals[1])


@pytest.mark.parametrize("name", ["examination", "logit"])
def test_slots_keep_their_place_around_a_hole(name: str, seed: int) -> None:
    """Where clicks do not depend on each other, a hole changes nothing in the other slots."""
    reading, (attraction, mask) = without_intent(drawn(name, seed)), drawn_pages(seed)
    full = reading.marginal(attraction, torch.ones_like(mask))
    torch.testing.assert_close(reading.marginal(attraction, mask), full * mask)


def test_the_hidden_reader_passes_over_an_empty_slot_without_losing_patience(seed: int) -> None:
    """A hole at the end of a run costs nothing: the items stand as if they had moved up."""
    reading = drawn("hidden_reader", seed)
    attraction, _ = drawn_pages(seed)
    mask = torch.tensor([True, True, False, False, True]).expand(attraction.size(1), -1)
    moved_up = attraction[..., [0, 1, 4]]
    filled = torch.ones(attraction.size(1), 3, dtype=torch.bool)
    torch.testing.assert_close(
        reading.marginal(attraction, mask)[..., [0, 1, 4]], reading.marginal(moved_up, filled)
    )
    for left, right in zip(
        reading.counts(attraction, mask), reading.counts(moved_up, filled), strict=True
    ):
        torch.testing.assert_close(left, right)


def visits(
    wishes: list[tuple[int, float]], going: list[float], leave: float
) -> Iterator[tuple[frozenset[int], float]]:
    """Every way in which a reader may go down a page: slots clicked, and how likely it is.

    Args:
        wishes: Slot and click probability once read of every item, from the top.
        going: Gives the chance of reading the first item, then of going on from slot n - 1 to n.
        leave: Probability that a click ends the visit.
    """

    def read(
        item: int, clicked: frozenset[int], chance: float
    ) -> Iterator[tuple[frozenset[int], float]]:
        slot, wish = wishes[item]
        for clicks, chance_of in ((True, wish), (False, 1 - wish)):
            now = clicked | {slot} if clicks else clicked
            last = item + 1 == len(wishes)
            on = 0.0 if last else going[slot + 1] * (1 - leave if clicks else 1.0)
            yield now, chance * chance_of * (1 - on)
            if not last:
                yield from read(item + 1, now, chance * chance_of * on)

    yield frozenset(), 1 - going[0]
    if wishes:
        yield from read(0, frozenset(), going[0])
    else:
        yield frozenset(), going[0]


def test_the_hidden_reader_is_a_plain_reader_whose_visits_are_counted(seed: int) -> None:
    reading = without_intent(drawn("hidden_reader", seed))
    attraction, mask = drawn_pages(seed)
    for member, page in itertools.product(range(MEMBERS), range(len(mask))):
        wishes = [
            (slot, torch.sigmoid(attraction[member, page, slot]).item())
            for slot in range(SLOTS)
            if mask[page, slot]
        ]
        going = torch.sigmoid(reading.slot[member]).tolist()
        counted: dict[frozenset[int], float] = {}
        for clicked, chance in visits(wishes, going, torch.sigmoid(reading.leave[member]).item()):
            counted[clicked] = counted.get(clicked, 0.0) + chance
        clicks, chances = pattern_chances(reading, attraction[:, page], mask[page])
        for pattern, chance in zip(clicks, chances[member].tolist(), strict=True):
            clicked = frozenset(pattern.nonzero().flatten().tolist())
            assert chance == pytest.approx(counted.get(clicked, 0.0), abs=1e-5)


@EVERY_FORM
def test_the_intent_of_a_page_is_a_normal_number_that_is_integrated_out(
    name: str, seed: int
) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    clicks = (torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) < 0.5) & mask
    reading.spread.fill_(math.log(math.expm1(0.4)))
    said = reading.log_likelihood(attraction, clicks.float(), mask).exp()
    marginal = reading.marginal(attraction, mask)
    without_intent(reading)
    grid = torch.linspace(-5, 5, 201)
    density = torch.exp(-(grid**2) / 2)
    by_intent = [
        (
            reading.log_likelihood(attraction + 0.4 * value, clicks.float(), mask).exp(),
            reading.marginal(attraction + 0.4 * value, mask),
        )
        for value in grid
    ]
    weights = density / density.sum()
    likelihoods, marginals = (torch.stack(parts) for parts in zip(*by_intent, strict=True))
    torch.testing.assert_close(
        said, torch.einsum("q,qke->ke", weights, likelihoods), atol=2e-4, rtol=1e-2
    )
    torch.testing.assert_close(
        marginal, torch.einsum("q,qken->ken", weights, marginals), atol=2e-4, rtol=1e-2
    )


def test_intent_makes_independent_clicks_come_together(seed: int) -> None:
    reading, (attraction, _) = drawn("logit", seed), drawn_pages(seed)
    full = torch.ones(attraction.shape[1:], dtype=torch.bool)
    reading.spread.fill_(1.0)
    both = torch.zeros(full.shape)
    both[:, :2] = 1.0
    mask = full & (torch.arange(SLOTS) < 2)
    together = reading.log_likelihood(attraction, both, mask).exp()
    assert (together > reading.marginal(attraction, mask)[..., :2].prod(-1)).all()


@EVERY_FORM
def test_members_read_by_their_own_parameters_alone(name: str, seed: int) -> None:
    reading, (attraction, mask) = drawn(name, seed), drawn_pages(seed)
    before = reading.marginal(attraction, mask)
    for parameter in reading.parameters():
        parameter[1] += 1.0
    after = reading.marginal(attraction, mask)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


RATES = {
    "falling": [0.3, 0.27, 0.22, 0.2, 0.15],
    "near 0": [1e-9] * SLOTS,
    "near 1": [1 - 1e-7] * SLOTS,
    "both": [1e-30, 1 - 1e-7, 1e-9, 0.5, 1 - 1e-7],
}


@EVERY_FORM
@pytest.mark.parametrize("rates", RATES)
def test_starting_values_are_finite_for_any_rates(name: str, rates: str) -> None:
    reading = reading_form(name)(MEMBERS, SLOTS).requires_grad_(False)
    start = reading.start_from(torch.tensor(RATES[rates]))
    assert start.shape == ()
    assert start.isfinite()
    assert all(parameter.isfinite().all() for parameter in reading.parameters())


@pytest.mark.parametrize("name", FORMS)
def test_an_average_item_starts_at_the_click_rates_of_the_slots(name: str) -> None:
    reading = without_intent(reading_form(name)(MEMBERS, SLOTS).requires_grad_(False))
    rates = torch.tensor(RATES["falling"])
    attraction = reading.start_from(rates).expand(MEMBERS, 1, SLOTS)
    marginal = reading.marginal(attraction, torch.ones(1, SLOTS, dtype=torch.bool))
    torch.testing.assert_close(marginal, rates.expand_as(marginal), rtol=0.15, atol=0)


@EVERY_FORM
def test_a_slate_of_one_slot_is_read(name: str) -> None:
    reading = reading_form(name)(MEMBERS, 1)
    assert reading.start_from(torch.tensor([0.2])).isfinite()
    marginal = reading.marginal(torch.zeros(MEMBERS, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    assert (marginal > 0).all()


@EVERY_FORM
def test_certain_and_impossible_clicks_have_finite_likelihoods_and_gradients(name: str) -> None:
    reading = reading_form(name)(MEMBERS, SLOTS)
    attraction = torch.tensor([-80.0, 80.0, -80.0, 80.0, 0.0]).expand(MEMBERS, 2, -1).clone()
    attraction.requires_grad_()
    clicks = torch.tensor([[1.0, 1.0, 0.0, 0.0, 1.0], [0.0] * SLOTS])
    likelihood = reading.log_likelihood(attraction, clicks, torch.ones(2, SLOTS, dtype=torch.bool))
    likelihood.sum().backward()
    assert likelihood.isfinite().all()
    for tensor in (attraction, *reading.parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all()
