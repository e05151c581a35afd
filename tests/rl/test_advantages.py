from __future__ import annotations

import pytest
import torch

from gerank.rl import exposed_page, greedy_rollout, leave_one_out


@pytest.mark.parametrize("advantage", [exposed_page, greedy_rollout])
def test_a_baseline_per_request_is_taken_from_all_its_slates(advantage: object) -> None:
    reward = torch.tensor([[1.0, 2.0], [5.0, 3.0]])
    baseline = torch.tensor([1.5, 4.0])
    assert callable(advantage)
    assert advantage(reward, baseline).tolist() == [[1 - 1.5, 2 - 1.5], [5 - 4, 3 - 4]]


def test_leave_one_out_by_hand() -> None:
    advantage = leave_one_out(torch.tensor([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]]))
    expected = [[1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2], [0, 0, 0]]
    assert advantage.tolist() == expected


@pytest.mark.parametrize("slates", [2, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_leave_one_out_is_that_of_a_direct_loop_and_sums_to_zero(seed: int, slates: int) -> None:
    reward = torch.randn(5, slates, generator=torch.Generator().manual_seed(seed))
    advantage = leave_one_out(reward)
    for g in range(slates):
        others = [j for j in range(slates) if j != g]
        torch.testing.assert_close(advantage[:, g], reward[:, g] - reward[:, others].mean(dim=1))
    torch.testing.assert_close(advantage.sum(dim=1), torch.zeros(5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("advantage", [exposed_page, greedy_rollout])
def test_by_slot_a_baseline_is_taken_at_the_same_slot(advantage: object) -> None:
    returns = torch.tensor([[[5.0, 2.0], [4.0, 3.0], [6.0, 1.0]]])
    reference = torch.tensor([[1.5, 4.0]])
    assert callable(advantage)
    expected = [[[5 - 1.5, 2 - 4], [4 - 1.5, 3 - 4], [6 - 1.5, 1 - 4]]]
    assert advantage(returns, reference).tolist() == expected


def test_leave_one_out_by_slot_by_hand() -> None:
    returns = torch.tensor([[[5.0, 2.0], [4.0, 3.0], [6.0, 1.0]]])
    first = [5 - (4 + 6) / 2, 4 - (5 + 6) / 2, 6 - (5 + 4) / 2]
    second = [2 - (3 + 1) / 2, 3 - (2 + 1) / 2, 1 - (2 + 3) / 2]
    assert torch.equal(leave_one_out(returns), torch.tensor([[first, second]]).transpose(1, 2))


def test_advantages_carry_no_gradient() -> None:
    reward = torch.randn(2, 3, requires_grad=True)
    baseline = torch.randn(2, requires_grad=True)
    for advantage in (
        exposed_page(reward, baseline),
        greedy_rollout(reward, baseline),
        leave_one_out(reward),
    ):
        assert not advantage.requires_grad


def test_wrong_arguments_are_named() -> None:
    reward = torch.randn(2, 3)
    with pytest.raises(ValueError, match=r"exposed_page: exposed_reward must be \[2\].*got \[3\]"):
        exposed_page(reward, torch.randn(3))
    with pytest.raises(ValueError, match=r"greedy_rollout: greedy_reward must be \[2\]"):
        greedy_rollout(reward, torch.randn(2, 1))
    with pytest.raises(ValueError, match=r"greedy_rollout: greedy_reward must be floating point"):
        greedy_rollout(reward, torch.ones(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"exposed_page: reward must be \[B, G\]"):
        exposed_page(torch.randn(2), torch.randn(2))
    with pytest.raises(
        ValueError, match=r"exposed_page: exposed_reward must be \[2, 4\].*got \[2\]"
    ):
        exposed_page(torch.randn(2, 3, 4), torch.randn(2))
    with pytest.raises(ValueError, match=r"leave_one_out: reward must be \[B, G\]"):
        leave_one_out(torch.randn(2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"leave_one_out: needs G >= 2 slates per request, got 1"):
        leave_one_out(torch.randn(2, 1))
