from __future__ import annotations

import pytest
import torch

from gerank.rl import novelty_bonus, predictor_loss


def test_bonus_and_loss_by_hand() -> None:
    target = torch.tensor([[[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]]])
    predicted = torch.tensor([[[1.0, 0.0], [3.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, True, False]])
    bonus = novelty_bonus(target, predicted, mask)
    assert bonus.tolist() == [[(0 + 4) / 2, (9 + 1) / 2, 0]]
    assert predictor_loss(target, predicted, mask).item() == (2 + 5) / 2


def test_the_bonus_carries_no_gradient_and_the_loss_trains_the_predictor_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    target = torch.randn(2, 3, 4, 5, generator=generator).requires_grad_()
    predicted = torch.randn(2, 3, 4, 5, generator=generator).requires_grad_()
    mask = torch.rand(2, 3, 4, generator=generator) < 0.6
    assert not novelty_bonus(target, predicted, mask).requires_grad
    predictor_loss(target, predicted, mask).backward()
    assert target.grad is None
    assert predicted.grad is not None
    assert (predicted.grad[~mask] == 0).all()
    assert (predicted.grad[mask] != 0).all()


def test_the_bonus_fades_where_the_predictor_is_trained_and_stays_elsewhere() -> None:
    generator = torch.Generator().manual_seed(5)
    random_network = torch.randn(6, 8, generator=generator)
    predictor = torch.zeros(6, 8, requires_grad=True)
    often, seldom = torch.eye(6)[:3], torch.eye(6)[3:]  # Two kinds of state and choice.
    mask = torch.ones(3, dtype=torch.bool)
    before = novelty_bonus(often @ random_network, often @ predictor, mask)
    for _ in range(60):
        loss = predictor_loss(often @ random_network, often @ predictor, mask)
        (gradient,) = torch.autograd.grad(loss, predictor)
        predictor = (predictor - 2.0 * gradient).detach().requires_grad_()
    familiar = novelty_bonus(often @ random_network, often @ predictor, mask)
    strange = novelty_bonus(seldom @ random_network, seldom @ predictor, mask)
    assert (familiar < 0.01 * before).all()
    assert strange.min() > 10 * familiar.max()


def test_a_batch_without_candidates_has_no_loss() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    target = torch.randn(2, 3, 4)
    assert predictor_loss(target, target + 1, nothing).item() == 0
    assert novelty_bonus(target, target + 1, nothing).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("function", [novelty_bonus, predictor_loss])
def test_wrong_shapes_are_named(function: object) -> None:
    assert callable(function)
    target, mask = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"predicted must be \[2, 3, 4\] like the others"):
        function(target, target[..., :2], mask)
    with pytest.raises(ValueError, match=r"slot_mask must be \[2, 3\] like the others, got \[2\]"):
        function(target, target, mask[:, 0])
    with pytest.raises(ValueError, match=r"target must be floating point, got torch.int64"):
        function(target.long(), target, mask)
