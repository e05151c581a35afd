"""Reinforcement learning: pure functions of tensors. They know no modules or configurations."""

from gerank.rl.baselines import exposed_page, greedy_rollout, leave_one_out
from gerank.rl.err_ia import err_ia
from gerank.rl.flow_control import (
    BatchTotals,
    batch_totals,
    flow_control,
    global_totals,
    page_flow_control,
)
from gerank.rl.intra_list_distance import intra_list_distance
from gerank.rl.policy_losses import entropy_loss, ppo_clipped, reinforce
from gerank.rl.random_network import novelty_bonus, predictor_loss
from gerank.rl.rewards import utility_scales, weighted_reward, weighted_terms
from gerank.rl.utilities import diversity, expected_clicks, group_ordering, page_click

__all__ = [
    "BatchTotals",
    "batch_totals",
    "diversity",
    "entropy_loss",
    "err_ia",
    "expected_clicks",
    "exposed_page",
    "flow_control",
    "global_totals",
    "greedy_rollout",
    "group_ordering",
    "intra_list_distance",
    "leave_one_out",
    "novelty_bonus",
    "page_click",
    "page_flow_control",
    "ppo_clipped",
    "predictor_loss",
    "reinforce",
    "utility_scales",
    "weighted_reward",
    "weighted_terms",
]
