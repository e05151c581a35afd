"""Random network distillation: a bonus for choices that were seldom made in similar states.

A fixed random network (the target) and a trained one (the predictor) see the same state and
choice; where the predictor is far off, training has seldom been there. Burda et al., "Exploration
by random network distillation", ICLR 2019. The networks themselves are not here: both functions
take what they answered.
"""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def novelty_bonus(target: Tensor, predicted: Tensor, slot_mask: Tensor) -> Tensor:
    """b_n = mean_d (target_nd - predicted_nd)^2, to be added to the reward. Carries no gradient.

    Args:
        target: [..., N, D]. The random network's answer to each slot's state and choice.
        predicted: [..., N, D]. The predictor's.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N]. >= 0; 0 where there is no candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    _check_features("novelty_bonus", target, predicted, slot_mask)
    return _squared_error(target, predicted).detach().masked_fill(~slot_mask, 0.0)


def predictor_loss(target: Tensor, predicted: Tensor, slot_mask: Tensor) -> Tensor:
    """Mean of the same error over the slots that hold a candidate; trains the predictor alone.

    Args:
        target: [..., N, D]. No gradient flows into it.
        predicted: [..., N, D]. With gradient.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        Scalar. 0 where no slot holds a candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    _check_features("predictor_loss", target, predicted, slot_mask)
    error = _squared_error(target.detach(), predicted).masked_fill(~slot_mask, 0.0)
    return error.sum() / slot_mask.sum().clamp(min=1)


def _squared_error(target: Tensor, predicted: Tensor) -> Tensor:
    return (target - predicted).square().mean(dim=-1)


def _check_features(function: str, target: Tensor, predicted: Tensor, slot_mask: Tensor) -> None:
    check_axes(function, "target", target, "...ND")
    check_floating(function, "target", target)
    check_floating(function, "predicted", predicted)
    check_shape(function, "predicted", predicted, target.shape)
    check_mask(function, "slot_mask", slot_mask, target.shape[:-1])
