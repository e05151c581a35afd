"""Advantages: the reward of a sampled slate, less what could be had anyway.

A baseline that does not depend on the sampled slate leaves the expected policy gradient as it
is and takes away variance. One file each; all are called as `baseline(reward, reference)` with the
rewards [B, G] of sampled slates and of one slate [B] to compare with, and answer the advantage
[B, G], which carries no gradient. With credit by slot the same holds of returns to go
(`gerank.rl.slot_credit`): [B, G, N] and [B, N] give [B, G, N], slot by slot; and what does not
depend on the choices from slot n on is a baseline of slot n.
"""

from gerank.rl.baselines.exposed_page import exposed_page
from gerank.rl.baselines.greedy_rollout import greedy_rollout
from gerank.rl.baselines.leave_one_out import leave_one_out

__all__ = ["exposed_page", "greedy_rollout", "leave_one_out"]
