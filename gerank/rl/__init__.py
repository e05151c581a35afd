"""Reinforcement learning: pure functions of tensors. They know no modules or configurations."""

from gerank.rl.advantages import exposed_page, greedy_rollout, leave_one_out
from gerank.rl.exploration import novelty_bonus, predictor_loss
from gerank.rl.flow_control import BatchTotals, batch_totals, flow_control, page_flow_control
from gerank.rl.policy_losses import entropy_loss, ppo_clipped, reinforce
from gerank.rl.rewards import weighted_reward, weighted_terms
from gerank.rl.utilities import diversity, expected_clicks, group_ordering, page_click

__all__ = [
    "BatchTotals",
    "batch_totals",
    "diversity",
    "entropy_loss",
    "expected_clicks",
    "exposed_page",
    "flow_control",
    "greedy_rollout",
    "group_ordering",
    "leave_one_out",
    "novelty_bonus",
    "page_click",
    "page_flow_control",
    "ppo_clipped",
    "predictor_loss",
    "reinforce",
    "weighted_reward",
    "weighted_terms",
]
