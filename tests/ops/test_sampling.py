"""Sampled choices follow the probabilities, and the design's uniforms decide them exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from gerank import ops
from gerank.reference.philox import uniforms
from tests.ops.cases import Sizes, make_case
from tests.ops.step_cases import make_step

NEVER = 1e-9
"""A p-value that a correct sampler does not reach in a lifetime of test runs."""


def chi_squared_p_value(counts: Tensor, probs: Tensor) -> float:
    """Tests counts against the probabilities they were drawn from.

    Rare cells are merged into one.
    """
    expected = probs.double() * counts.sum()
    rare = expected < 10
    counts = torch.cat([counts[~rare].double(), counts[rare].sum()[None].double()])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    seen = expected > 0
    assert (counts[~seen] == 0).all()
    statistic = ((counts - expected)[seen] ** 2 / expected[seen]).sum()
    degrees = torch.tensor((int(seen.sum()) - 1) / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(degrees, statistic / 2))


def test_the_chi_squared_test_tells_a_wrong_distribution(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    probs = torch.rand(10, generator=source) + 0.1
    probs /= probs.sum()
    drawn = torch.multinomial(probs, 20_000, replacement=True, generator=source).bincount(
        minlength=10
    )
    assert chi_squared_p_value(drawn, probs) > NEVER
    assert chi_squared_p_value(drawn, probs.roll(1)) < NEVER


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("over", ["seeds", "slots", "slates"])
def test_frequencies_are_the_probabilities(seed: int, temperature: float, over: str) -> None:
    draws = 20_000
    one = make_step(seed, batch=1, candidates=23)
    mask = torch.arange(23) % 5 > 0
    case = one._replace(
        keys=one.keys.expand(draws, -1, -1),
        query=one.query.expand(draws, -1),
        context=one.context.expand(draws, -1, -1),
        mask=mask.expand(draws, -1),
        temperature=torch.full((draws,), temperature),
        seeds=torch.arange(seed, seed + draws) if over == "seeds" else one.seeds.expand(draws),
        greedy=torch.zeros(draws, dtype=torch.bool),
        forced=torch.full((draws,), -1),
    )
    if over == "seeds":
        choice, _, _, probs = ops.pointer_step(*case)
        counts = choice.bincount(minlength=23)
    else:
        rows = [one._replace(mask=mask[None], temperature=torch.full((1,), temperature))] * 4000
        rows = [
            row._replace(
                greedy=torch.tensor([False]), forced=torch.tensor([-1]),
                **{"slot" if over == "slots" else "slate": index},
            )
            for index, row in enumerate(rows)
        ]  # fmt: skip
        counts = torch.stack([ops.pointer_step(*row)[0][0] for row in rows]).bincount(minlength=23)
        probs = ops.pointer_step(*rows[0])[3]
    assert not counts[~mask].any()
    assert chi_squared_p_value(counts, probs[0]) > NEVER


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_slates_come_with_the_frequency_that_their_log_prob_says(
    seed: int, temperature: float
) -> None:
    case = make_case(seed, Sizes(1, 4, 3, slates=20_000), rules=False, ragged=False, greedy=False)
    every = torch.tensor(list(permutations(range(4), 3)))  # [24, 3]
    case = replace(case, temperature=torch.tensor([temperature]))
    drawn = ops.decode_slates(*case.arguments())[0][0]  # [G, 3]
    log_prob, _ = ops.slate_log_prob(*case.along(every[None]))
    probs = log_prob.sum(2).exp()[0]
    torch.testing.assert_close(probs.sum(), torch.tensor(1.0))
    counts = (drawn[:, None] == every).all(2).sum(0)
    assert counts.sum() == len(drawn)
    assert chi_squared_p_value(counts, probs) > NEVER


def test_with_equal_logits_the_largest_uniform_wins(seed: int) -> None:
    for slot, slate in ((0, 0), (5, 2), (127, 1000)):
        case = make_step(seed, batch=200, candidates=101)
        case = case._replace(
            v=torch.zeros_like(case.v),
            mask=torch.ones_like(case.mask),
            greedy=torch.zeros_like(case.greedy),
            forced=torch.full_like(case.forced, -1),
            slot=slot,
            slate=slate,
        )
        drawn = uniforms(case.seeds, 101, slot, slate)
        chosen = drawn.gather(1, ops.pointer_step(*case)[0][:, None])[:, 0]
        # Float32 logarithms may merge uniforms that lie within a few steps of 2^-24.
        assert (chosen >= drawn.amax(1) - 4 * 2.0**-24).all()


# Found by search: (seed, candidate) whose uniform at slot 0 of slate 0 is 1 - 2^-25, or 2^-25.
LARGEST = [(4696, 376), (5947, 166), (13045, 138)]
SMALLEST = [(42591, 93), (62739, 372)]


def step_choice(drawn_seed: int, candidate: int, advantage: float) -> int:
    """pointer_step among 400 candidates, all with one logit but for one that has more, or less."""
    case = make_step(0, batch=1, candidates=400, attention_width=1, context=0)
    keys = torch.zeros(1, 400, 1)
    keys[0, candidate] = 20.0  # tanh is 1 there, and 0 for the rest
    case = case._replace(
        keys=keys,
        query=torch.zeros(1, 1),
        v=torch.full((1, 1), advantage),
        mask=torch.ones(1, 400, dtype=torch.bool),
        temperature=torch.ones(1),
        seeds=torch.tensor([drawn_seed]),
        greedy=torch.tensor([False]),
        forced=torch.tensor([-1]),
        slot=0,
        slate=0,
    )
    return int(ops.pointer_step(*case)[0])


def decode_choice(drawn_seed: int, candidate: int, advantage: float) -> int:
    """The same choice made by decode_slates, with a network of zeros around it."""
    sizes = Sizes(1, 400, 1, width=1, attention_width=1, groups=0, flags=0)
    case = make_case(0, sizes, rules=False, ragged=False, greedy=False)
    candidates = torch.zeros(1, 400, 1)
    candidates[0, candidate] = 20.0
    weights = torch.zeros_like(case.weights)
    weights[-2] = 1.0  # W_e; behind it only W_g
    case = replace(
        case,
        candidates=candidates,
        set_vector=torch.zeros(1, 1),
        weights=weights,
        attention=torch.tensor([advantage, 0.0, 1.0])[None, :, None],  # v, bias, scale
        temperature=torch.ones(1),
        seeds=torch.tensor([drawn_seed]),
    )
    return int(ops.decode_slates(*case.arguments())[0])


@pytest.mark.parametrize("choose", [step_choice, decode_choice])
@pytest.mark.parametrize(("uniform", "found"), [(1 - 2**-25, LARGEST), (2**-25, SMALLEST)])
def test_the_outermost_uniforms_are_neither_zero_nor_one(
    uniform: float, found: list[tuple[int, int]], choose: Callable[[int, int, float], int]
) -> None:
    for drawn_seed, candidate in found:
        drawn = uniforms(torch.tensor([drawn_seed]), 400, 0, 0)[0]
        assert drawn[candidate] == uniform
        noise = -torch.log(-torch.log(drawn))
        rest = torch.cat([noise[:candidate], noise[candidate + 1 :]]).amax()
        needed = float(rest - noise[candidate])  # the advantage that makes it a tie
        assert choose(drawn_seed, candidate, needed + 0.01) == candidate
        assert choose(drawn_seed, candidate, needed - 0.01) != candidate
