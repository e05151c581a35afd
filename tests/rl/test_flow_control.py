from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gerank.rl import BatchTotals, batch_totals, flow_control, page_flow_control


def random_pages(seed: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(membership, slot mask with holes)."""
    generator = torch.Generator().manual_seed(seed)
    member = torch.rand(shape, generator=generator) < 0.4
    return member, torch.rand(shape, generator=generator) < 0.8


def loop_flow_control(
    member: Tensor, mask: Tensor, share: float | None, position: float | None, gated: bool
) -> list[float]:
    """U_p of every page of one batch [B, N], page by page and slot by slot."""
    pages = [
        [(n + 1, bool(member[b, n])) for n in range(mask.shape[1]) if mask[b, n]]
        for b in range(len(mask))
    ]
    everything = [slot for page in pages for slot in page]

    def low_share(slots: list[tuple[int, bool]]) -> bool:
        belongs = [inside for _, inside in slots]
        return share is not None and len(slots) > 0 and sum(belongs) / len(slots) <= share

    def low_position(slots: list[tuple[int, bool]]) -> bool:
        places = [place for place, inside in slots if inside]
        return position is not None and len(places) > 0 and sum(places) / len(places) >= position

    return [
        -float(low_share(page) and (not gated or low_share(everything)))
        - float(low_position(page) and (not gated or low_position(everything)))
        for page in pages
    ]


def test_both_forms_by_hand() -> None:
    # Page 0: g in slot 1 of 2, so share 1/2 and position 1. Page 1: g nowhere.
    member = torch.tensor([[True, False], [False, False]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    # The batch has a share of 1/4.
    assert page_flow_control(member, mask, share_target=0.3).tolist() == [0, -1]
    assert flow_control(member, mask, share_target=0.3).tolist() == [0, -1]
    assert flow_control(member, mask, share_target=0.2).tolist() == [0, 0]  # The gate is shut.
    assert page_flow_control(member, mask, share_target=0.2).tolist() == [0, -1]
    # The page without g pays nothing for its position, the other does from t_p = 1 down.
    assert page_flow_control(member, mask, position_target=1.0).tolist() == [-1, 0]
    assert page_flow_control(member, mask, position_target=1.5).tolist() == [0, 0]
    assert page_flow_control(member, mask, position_target=0.0).tolist() == [-1, 0]
    assert flow_control(member, mask, share_target=0.5, position_target=1.0).tolist() == [-2, -1]


def test_the_mean_over_the_batch_is_the_formula() -> None:
    member, mask = random_pages(1, (9, 5))
    present = member & mask
    share, all_share = present.sum(1) / mask.sum(1), present.sum() / mask.sum()
    assert (mask.sum(1) > 0).all()
    for target in (0.1, 0.4, 0.9):
        expected = -1 / 9 * float(all_share <= target) * float((share <= target).sum())
        result = flow_control(member, mask, share_target=target).mean().item()
        assert result == pytest.approx(expected)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize(
    ("share", "position"),
    [(0.2, None), (0.35, None), (0.6, 2.0), (0.35, 3.2), (None, 2.0), (None, 3.2)],
)
@pytest.mark.parametrize("seed", range(3))
def test_both_forms_are_those_of_a_direct_loop(
    seed: int, share: float | None, position: float | None, gated: bool
) -> None:
    member, mask = random_pages(seed, (6, 5))
    form = flow_control if gated else page_flow_control
    expected = loop_flow_control(member, mask, share, position, gated)
    assert form(member, mask, share, position).tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_every_g_of_sampled_slates_is_a_batch_of_its_own(seed: int) -> None:
    member, mask = random_pages(seed, (4, 3, 6))
    together = flow_control(member, mask, 0.35, 3.0)
    apart = [flow_control(member[:, g], mask[:, g], 0.35, 3.0) for g in range(3)]
    assert torch.equal(together, torch.stack(apart, dim=1))
    assert together.shape == (4, 3)


@pytest.mark.parametrize("seed", range(5))
def test_two_devices_that_add_their_totals_see_the_gate_of_the_global_batch(seed: int) -> None:
    member, mask = random_pages(seed, (8, 2, 5))
    halves = [(member[rows], mask[rows]) for rows in (slice(0, 3), slice(3, 8))]
    local = [batch_totals(*half) for half in halves]
    added = BatchTotals(*(left + right for left, right in zip(*local, strict=True)))
    separate = [flow_control(*half, 0.33, 3.0, totals=added) for half in halves]
    assert torch.equal(torch.cat(separate), flow_control(member, mask, 0.33, 3.0))


@pytest.mark.parametrize(("more", "paid"), [(0, -1.0), (1, 0.0)])
def test_one_slot_in_a_thousand_million_decides_the_gate(more: int, paid: float) -> None:
    totals = BatchTotals(
        torch.tensor(300_000_000 + more), torch.tensor(1_000_000_000), torch.tensor(0)
    )
    member, mask = torch.zeros(1, 10, dtype=torch.bool), torch.ones(1, 10, dtype=torch.bool)
    assert flow_control(member, mask, share_target=0.3, totals=totals).tolist() == [paid]


def test_batch_totals_by_hand() -> None:
    member = torch.tensor([[True, True, False], [False, True, True]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert [total.item() for total in batch_totals(member, mask)] == [3, 5, 1 + 2 + 2]


def test_a_share_equal_to_its_target_counts_as_missed() -> None:
    for size in range(1, 51):
        mask = torch.ones(size, size, dtype=torch.bool)
        member = mask.tril()  # Page b has b + 1 members.
        for members in range(1, size + 1):
            result = page_flow_control(member, mask, share_target=members / size)
            assert result.sum().item() == -members


def test_a_page_without_candidates_pays_nothing() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    everyone = torch.ones(2, 3, dtype=torch.bool)
    assert page_flow_control(everyone, nothing, 1.0, 1.0).tolist() == [0, 0]
    assert flow_control(everyone, nothing, 1.0, 1.0).tolist() == [0, 0]


def test_wrong_arguments_are_named() -> None:
    member, mask = random_pages(0, (4, 3))
    with pytest.raises(ValueError, match="share_target and position_target are both None"):
        flow_control(member, mask)
    with pytest.raises(ValueError, match="share_target and position_target are both None"):
        page_flow_control(member, mask)
    with pytest.raises(ValueError, match=r"flow_control: member must be bool, got torch.int64"):
        flow_control(member.long(), mask, 0.5)
    with pytest.raises(ValueError, match=r"flow_control: slot_mask must be \[4, 3\]"):
        page_flow_control(member, mask[:, :2], 0.5)
    with pytest.raises(ValueError, match=r"batch_totals: slot_mask must be \[4, 3\]"):
        batch_totals(member, mask[:2])
    other = batch_totals(*random_pages(0, (4, 2, 3)))
    with pytest.raises(ValueError, match=r"totals.members must be \[\] like the others, got \[2\]"):
        flow_control(member, mask, 0.5, totals=other)
