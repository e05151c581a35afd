"""The five channels: logits of slots from whole pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from gerank.data.batch import RerankBatch
from gerank.nn.channel_residual import (
    ChannelItems,
    ChannelResidual,
    group_repeats,
    keep_dropout,
)
from gerank.nn.channels import Channel
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import (
    RESIDUAL,
    moved,
    padded,
    permuted,
    random_batch,
    random_orders,
    random_residual,
    random_slates,
    without_gradient,
)


def judge(residual: ChannelResidual, batch: RerankBatch, slates: Tensor) -> Tensor:
    """[E, N] logits, those of empty slots (which mean nothing) set to 0."""
    with torch.no_grad():
        logits = residual(residual.items(*batch.features), slates)
    return without_empty(logits, slates)


def without_empty(logits: Tensor, slates: Tensor) -> Tensor:
    return logits * (slates.flatten(0, 1) >= 0)


def same(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, atol=1e-5)


def drawn_items(seed: int, candidates: int) -> ChannelItems:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (1, candidates, 2), generator=source)
    vectors = torch.randn(1, candidates, RESIDUAL.width, generator=source)
    return ChannelItems(vectors, groups, groups[:, :0])


def test_there_is_a_logit_per_slate_and_slot(seed: int) -> None:
    batch = random_batch(seed, requests=5)
    slates = random_slates(batch, seed, group=3)
    assert judge(random_residual(seed), batch, slates).shape == (15, slates.size(2))


def test_a_fresh_residual_adds_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    residual, batch = ChannelResidual(CONTRACT.schema, RESIDUAL), random_batch(seed)
    assert not judge(residual, batch, random_slates(batch, seed)).any()


def test_the_order_of_candidates_does_not_matter(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed)
    slates, order = random_slates(batch, seed), random_orders(batch, seed)
    there = moved(slates.squeeze(1), order.argsort(1)).unsqueeze(1)
    assert same(judge(residual, batch, slates), judge(residual, permuted(batch, order), there))


def test_the_order_of_slots_matters(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed, requests=100)
    slates = random_slates(batch, seed)
    full = (slates >= 0).all(-1).squeeze(1)
    assert full.any()
    upright, upside_down = (judge(residual, batch, s)[full] for s in (slates, slates.flip(-1)))
    assert not same(upright, upside_down.flip(-1))


def test_padding_candidates_do_not_matter(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    wide = padded(batch, candidates=6, slots=0)
    assert same(judge(residual, batch, slates), judge(residual, wide, slates))


def test_padding_slots_do_not_matter(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed)
    short = random_slates(batch, seed)[..., :3]
    long = pad(short, (0, MAX_SLOTS - 3), value=-1)
    assert same(judge(residual, batch, short), judge(residual, batch, long)[:, :3])


def test_what_is_not_on_the_page_does_not_matter(seed: int) -> None:
    residual = random_residual(seed)
    items = drawn_items(seed, 8)
    slates = torch.tensor([[[5, 2, -1, 7, -1, -1]]])  # holes, and candidate 0 is not shown
    hidden = torch.tensor([True, True, False, True, True, False, True, False]).view(1, 8, 1)
    vectors = items.vectors.masked_fill(hidden, 100.0)
    other = ChannelItems(vectors, items.groups.masked_fill(hidden, 2), items.above)
    left, right = (without_empty(residual(x, slates), slates) for x in (items, other))
    assert torch.equal(left, right)


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_every_item_on_the_page_matters(seed: int, shown: int) -> None:
    residual = random_residual(seed)
    items = drawn_items(seed, 3)
    slates = torch.tensor([[[2, 0, 1]]])
    other = items._replace(vectors=items.vectors.clone())
    other.vectors[:, shown] += 1.0
    assert not same(residual(items, slates), residual(other, slates))


@pytest.mark.parametrize("channel", Channel)
def test_a_channel_alone_tells_every_slot_of_the_whole_page(seed: int, channel: Channel) -> None:
    residual = random_residual(seed, replace(RESIDUAL, channels=(str(channel),)))
    items = drawn_items(seed, 6)
    slates = torch.arange(6).view(1, 1, 6)
    other = items._replace(vectors=items.vectors.clone())
    other.vectors[:, 5] += 1.0  # four slots below the neighbour of the first one
    assert not same(residual(items, slates)[:, 0], residual(other, slates)[:, 0])


def test_without_a_channel_its_parameters_are_gone_and_no_others() -> None:
    modules = {"slot_mlp": "slot_mlp", "attention": "attention", "gru": "recurrent"}
    every = dict(random_residual(0).named_parameters())
    for left_out in Channel:
        kept = tuple(str(channel) for channel in Channel if channel is not left_out)
        names = dict(random_residual(0, replace(RESIDUAL, channels=kept)).named_parameters())
        module = modules.get(str(left_out))
        gone = {name for name in every if name.split(".")[0] == module}
        assert every.keys() - names.keys() == gone and names.keys() <= every.keys()
        assert bool(gone) is (module is not None)


def test_a_repeated_group_matters_though_no_item_changes(seed: int) -> None:
    residual = random_residual(seed)
    items = drawn_items(seed, 3)
    slates = torch.tensor([[[0, 1, 2]]])
    left, right = (
        residual(
            items._replace(groups=torch.tensor(groups).view(1, 3, 1).expand(-1, -1, 2)), slates
        )
        for groups in ([0, 1, 2], [0, 1, 0])
    )
    assert not same(left, right)


def test_group_repeats_are_those_of_a_direct_loop(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, (40, 7, 2), generator=source)
    mask = torch.rand(40, 7, generator=source) < 0.8
    repeats = group_repeats(groups, mask, groups[:, :0])
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
    residual, batch = random_residual(seed), random_batch(seed)
    slates = random_slates(batch, seed, group=4)
    together = judge(residual, batch, slates)
    for g in range(4):
        assert same(judge(residual, batch, slates[:, g : g + 1]), together[g::4])


def test_a_page_without_anything_is_judged_finitely(seed: int) -> None:
    batch = random_batch(seed, requests=2)
    empty = torch.full((2, 1, MAX_SLOTS), -1)
    residual = random_residual(seed)
    assert residual(residual.items(*batch.features), empty).isfinite().all()


def test_too_long_a_slate_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="slates have 7 slots, not at most 6"):
        random_residual(0)(drawn_items(0, 9), torch.zeros(1, 1, 7, dtype=torch.int64))


def test_dropout_is_for_training_only(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed)
    slates = random_slates(batch, seed)
    assert same(judge(residual, batch, slates), judge(residual, batch, slates))
    residual.train()
    assert not same(judge(residual, batch, slates), judge(residual, batch, slates))


def test_features_are_dropped_alike_in_all_slots(seed: int) -> None:
    torch.manual_seed(seed)
    dropped = keep_dropout(torch.ones(50, 4, 20), torch.nn.Dropout(0.3))
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 4, -1))
    values = torch.tensor([0.0, 1 / 0.7])
    assert torch.isclose(dropped.unsqueeze(-1), values).any(-1).all()
    assert 0.5 < (dropped > 0).float().mean().item() < 0.9


def test_gradients_reach_every_parameter(seed: int) -> None:
    residual, batch = random_residual(seed), random_batch(seed, requests=40)
    slates = random_slates(batch, seed)
    logits = residual(residual.items(*batch.features), slates)
    (logits * (slates.squeeze(1) >= 0)).square().sum().backward()
    assert without_gradient(residual) == []


def test_shorter_slates_than_the_shape_says_get_as_many_logits(seed: int) -> None:
    batch = random_batch(seed, requests=3)
    slates = random_slates(batch, seed)[..., :2]
    assert judge(random_residual(seed), batch, slates).shape == (3, 2)
