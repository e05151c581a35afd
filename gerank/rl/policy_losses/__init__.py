"""Policy-gradient losses of sampled slates, one file each.

All take `log_prob`, `advantage`, `slot_mask` and `behavior_log_prob`, sum over the slots of a slate
and average over requests and slates. An advantage is of whole slates, [B, G], and then weighs all
choices of a slate alike, or by slot, [B, G, N]. All
treat a choice of log-probability -inf (a teacher-forced slate that the rules forbid) alike: no
gradient can make it possible, so it counts as nothing, where -inf times an advantage of zero would
have been NaN.
"""

from gerank.rl.policy_losses.ppo import ppo_clipped
from gerank.rl.policy_losses.reinforce import reinforce

__all__ = ["ppo_clipped", "reinforce"]
