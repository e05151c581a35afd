"""What the items above change: repeats of groups by lag, and the network of neighbours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank.nn.structured.attraction import FACET_WIDTH
from gerank.nn.structured.context import Neighbours, Repeats, repeats_by_lag

MEMBERS, PAGES, SLOTS, KEYS = 2, 40, 8, 2


def drawn_groups(seed: int) -> tuple[Tensor, Tensor]:
    """Groups [E, N, G], some of them none, and masks [E, N] with holes."""
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (PAGES, SLOTS, KEYS), generator=source)
    return groups, torch.rand(PAGES, SLOTS, generator=source) < 0.8


def drawn_repeats(seed: int) -> Repeats:
    torch.manual_seed(seed)
    repeats = Repeats(MEMBERS, KEYS).requires_grad_(False)
    for parameter in repeats.parameters():
        parameter.normal_()
    return repeats


def effect(repeats: Repeats, key: int, lag: int, keys: int = KEYS) -> Tensor:
    """[K] what one item of the same group does, `lag` slots above."""
    groups = torch.full((1, lag + 1, keys), -1)
    groups[0, [0, lag], key] = 5
    return repeats(groups, torch.ones(1, lag + 1, dtype=torch.bool), groups[:, :0])[:, 0, lag]


def test_repeats_are_counted_as_by_a_direct_loop(seed: int) -> None:
    groups, mask = drawn_groups(seed)
    counts = repeats_by_lag(groups, mask, groups[:, :0])
    lags = counts.size(-1) // KEYS
    for page in range(PAGES):
        for slot in range(SLOTS):
            expected = torch.zeros(KEYS, lags)
            for above in range(slot):
                for key in range(KEYS):
                    group = groups[page, slot, key]
                    both = mask[page, slot] and mask[page, above]
                    if both and group >= 0 and groups[page, above, key] == group:
                        expected[key, min(slot - above, lags) - 1] += 1
            assert torch.equal(counts[page, slot], expected.flatten())


def test_every_repeat_adds_the_effect_of_its_lag(seed: int) -> None:
    repeats, (groups, mask) = drawn_repeats(seed), drawn_groups(seed)
    logits = repeats(groups, mask, groups[:, :0])
    by_lag = {
        (key, lag): effect(repeats, key, lag) for key in range(KEYS) for lag in range(1, SLOTS)
    }
    for page in range(PAGES):
        for slot in range(SLOTS):
            expected = torch.zeros(MEMBERS)
            for above in range(slot):
                for key in range(KEYS):
                    group = groups[page, slot, key]
                    both = mask[page, slot] and mask[page, above]
                    if both and group >= 0 and groups[page, above, key] == group:
                        expected += by_lag[key, slot - above]
            torch.testing.assert_close(logits[:, page, slot], expected, atol=1e-4, rtol=0)


def test_lags_one_to_three_differ_and_farther_ones_are_alike(seed: int) -> None:
    repeats = drawn_repeats(seed)
    effects = torch.stack([effect(repeats, 0, lag) for lag in range(1, 7)])
    assert len(effects[:4].unique(dim=0)) == 4
    assert torch.equal(effects[3:], effects[3].expand(3, -1))


@pytest.mark.parametrize("unseen", [1, 2, 3])
def test_a_lag_that_was_never_logged_takes_the_effect_of_the_next(seed: int, unseen: int) -> None:
    """Fitted on pages on which a rule excludes the lag and all shorter ones."""
    source = torch.Generator().manual_seed(seed)
    pages, slots = 3000, 8
    groups = torch.randint(0, 8, (pages, slots, 1), generator=source)
    lags = torch.arange(slots)[:, None] - torch.arange(slots)
    near = (groups.unsqueeze(2) == groups.unsqueeze(1)).squeeze(-1) & (lags > 0) & (lags <= unseen)
    groups = groups[~near.any(2).any(1)]
    mask = torch.ones(groups.shape[:2], dtype=torch.bool)
    true_logits = -1.2 * repeats_by_lag(groups, mask, groups[:, :0]).sum(-1) + 0.5
    clicks = (torch.rand(true_logits.shape, generator=source) < torch.sigmoid(true_logits)).float()
    repeats = Repeats(1, 1)
    bias = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [*repeats.parameters(), bias], max_iter=60, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = repeats(groups, mask, groups[:, :0])[0] + bias
        fit = torch.nn.functional.binary_cross_entropy_with_logits(logits, clicks, reduction="sum")
        total = fit + repeats.prior().sum()
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        never, logged = (effect(repeats, 0, unseen + more, keys=1).item() for more in (0, 1))
    assert never == pytest.approx(logged, abs=0.05)
    assert -1.8 < logged < -0.6


def test_no_effect_is_most_likely_before_any_page_is_seen(seed: int) -> None:
    fresh, drawn = Repeats(MEMBERS, KEYS), drawn_repeats(seed)
    groups, mask = drawn_groups(seed)
    assert not fresh(groups, mask, groups[:, :0]).any()
    assert (fresh.prior() < drawn.prior()).all()


def drawn_neighbours(seed: int) -> tuple[Neighbours, Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    neighbours = Neighbours(MEMBERS).requires_grad_(False)
    for parameter in neighbours.parameters():
        parameter.normal_()
    strength = torch.randn(MEMBERS, PAGES, SLOTS)
    facets = torch.randn(MEMBERS, PAGES, SLOTS, 2 * FACET_WIDTH)
    return neighbours, strength, facets, torch.rand(PAGES, SLOTS) < 0.8


def test_fresh_neighbours_say_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    _, *page = drawn_neighbours(seed)
    assert not Neighbours(MEMBERS)(*page).any()


def test_an_item_with_nothing_above_has_no_neighbours(seed: int) -> None:
    neighbours, strength, facets, mask = drawn_neighbours(seed)
    logits = neighbours(strength, facets, mask)
    alone = mask.cumsum(1) - mask.long() == 0
    assert not logits[:, alone].any()
    assert logits[:, ~alone & mask].all()


def test_neighbours_see_the_slots_above_alone(seed: int) -> None:
    neighbours, strength, facets, mask = drawn_neighbours(seed)
    before = neighbours(strength, facets, mask)
    for slot in range(SLOTS - 1):
        others = strength.clone(), facets.clone(), mask.clone()
        others[0][..., slot + 1 :] += 3.0
        others[1][..., slot + 1 :, :] += 3.0
        others[2][..., slot + 1 :] ^= True
        torch.testing.assert_close(
            neighbours(*others)[..., : slot + 1], before[..., : slot + 1], atol=1e-5, rtol=0
        )


def test_what_would_stand_in_an_empty_slot_is_no_neighbour(seed: int) -> None:
    neighbours, strength, facets, mask = drawn_neighbours(seed)
    other = torch.where(mask, strength, 7.0), torch.where(mask.unsqueeze(-1), facets, 7.0)
    left, right = neighbours(strength, facets, mask), neighbours(*other, mask)
    assert torch.equal(left[:, mask], right[:, mask])


@pytest.mark.parametrize("part", ["strength", "facets"])
def test_both_strength_and_facets_of_the_item_above_matter(seed: int, part: str) -> None:
    neighbours, strength, facets, _ = drawn_neighbours(seed)
    full = torch.ones(PAGES, SLOTS, dtype=torch.bool)
    before = neighbours(strength, facets, full)
    if part == "strength":
        strength[..., 0] += 1.0
    else:
        facets[..., 0, :] += 1.0
    assert not torch.allclose(neighbours(strength, facets, full)[..., 1], before[..., 1])
