"""Reinforcement learning: pure functions of tensors. They know no modules or configurations."""

from gerank.rl.baselines import exposed_page, greedy_rollout, leave_one_out
from gerank.rl.flow_control import (
    BatchTotals,
    batch_totals,
    flow_control,
    page_flow_control,
)
from gerank.rl.policy_losses import ppo_clipped, reinforce
from gerank.rl.random_network import novelty_bonus, predictor_loss
from gerank.rl.rewards import utility_scales, weighted_reward, weighted_terms
from gerank.rl.slot_credit import at_last_slot, slot_returns
from gerank.rl.utilities import (
    diversity_by_slot,
    err_ia_by_slot,
    expected_clicks_by_slot,
    group_ordering_by_slot,
    intra_list_distance_by_slot,
    page_click,
)

__all__ = [
    "BatchTotals",
    "at_last_slot",
    "batch_totals",
    "diversity_by_slot",
    "err_ia_by_slot",
    "expected_clicks_by_slot",
    "exposed_page",
    "flow_control",
    "greedy_rollout",
    "group_ordering_by_slot",
    "intra_list_distance_by_slot",
    "leave_one_out",
    "novelty_bonus",
    "page_click",
    "page_flow_control",
    "ppo_clipped",
    "predictor_loss",
    "reinforce",
    "slot_returns",
    "utility_scales",
    "weighted_reward",
    "weighted_terms",
]
