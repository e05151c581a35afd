from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from gerank.nn.random_network import RandomNetworks
from gerank.train.exploration import PlainSampling, RandomNetworkDistillation
from tests.train.tiny import SLOTS, tiny_log

LOG, _ = tiny_log(64)
PAGES = LOG.batch(np.arange(64))


def explorer(seed: int, weight: float = 1.0) -> RandomNetworkDistillation:
    torch.manual_seed(seed)
    return RandomNetworkDistillation(RandomNetworks(LOG.schema, SLOTS, 16, 2), weight, 3e-3)


def slates(seed: int, first: int | None = None) -> torch.Tensor:
    """[64, 2, 3] random ones of 6 candidates; `first` never, or only it, on top."""
    drawn = torch.rand(64, 2, 6, generator=torch.Generator().manual_seed(seed))
    if first is not None:
        drawn[..., first] = 2.0
    return drawn.argsort(-1, descending=True)[..., :SLOTS]


def test_plain_sampling_adds_nothing() -> None:
    assert not PlainSampling().bonus(PAGES, slates(0)).any()
    assert PlainSampling().state_dict() == {}


def test_the_bonus_starts_at_its_weight_and_fades(seed: int) -> None:
    explore = explorer(seed, weight=0.7)
    bonus = [explore.bonus(PAGES, slates(seed + step)) for step in range(200)]
    assert bonus[0].shape == (64, 2)
    assert bonus[0].mean().item() == pytest.approx(0.7, rel=1e-4)
    assert not bonus[0].requires_grad
    assert bonus[-1].mean() < 0.7 * bonus[0].mean()


def test_choices_that_were_never_made_get_more_than_those_made_often(seed: int) -> None:
    """One pair of networks gives a ratio of 1.2 to 1.7: four of them are asked."""
    ratios = []
    for place in range(4):
        explore = explorer(seed + place)
        for step in range(300):
            explore.bonus(PAGES, slates(seed + step, first=0))
        usual = explore.bonus(PAGES, slates(seed + 1, first=0)).mean()
        ratios.append(float(explore.bonus(PAGES, slates(seed + 1, first=5)).mean() / usual))
    assert np.mean(ratios) > 1.2 and min(ratios) > 1.1


def test_the_random_network_never_learns(seed: int) -> None:
    explore = explorer(seed)
    before = {name: value.clone() for name, value in explore.networks.state_dict().items()}
    for step in range(3):
        explore.bonus(PAGES, slates(seed + step))
    after = explore.networks.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("predictor.") for name in changed)


def test_what_stands_before_and_where_matter_to_the_bonus(seed: int) -> None:
    networks = RandomNetworks(LOG.schema, SLOTS)
    one, other = torch.tensor([[[0, 1, 2]]]), torch.tensor([[[3, 1, 2]]])
    page = LOG.batch(np.arange(1))
    with torch.no_grad():
        (left, _), (right, _) = networks(page, one), networks(page, other)
    assert not torch.allclose(left[0, 0, 1], right[0, 0, 1])
    empty, _ = networks(page, torch.tensor([[[0, -1, -1]]]))
    assert empty.isfinite().all()


def test_a_restored_explorer_goes_on_as_if_never_stopped(seed: int) -> None:
    first, second = explorer(seed), explorer(seed + 1)
    for step in range(5):
        first.bonus(PAGES, slates(step))
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # as a file would
    for step in range(5, 8):
        assert torch.equal(first.bonus(PAGES, slates(step)), second.bonus(PAGES, slates(step)))
