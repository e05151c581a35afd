"""Scripted loops around StepDecoder: the fused decoder slot by slot."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.ops import load_library

load_library()


@torch.jit.script
def let_it_choose(
    candidates: Tensor, set_vector: Tensor, mask: Tensor, weights: Tensor, attention: Tensor,
    flags: Tensor, groups: Tensor, pins: Tensor, dedup_keys: Tensor, spacing: Tensor,
    quotas: Tensor, slots: Tensor, temperature: Tensor, seeds: Tensor, greedy: Tensor,
    context_window: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Slates and their log_prob, [B, N] each, as of `decode_slates`."""
    decoder = torch.classes.gerank.StepDecoder(
        candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
        spacing, quotas, slots, temperature, seeds, greedy, context_window,
    )  # fmt: skip
    slates: list[Tensor] = []
    log_probs: list[Tensor] = []
    for _ in range(pins.size(1)):
        choice, log_prob = decoder.step()
        slates.append(choice)
        log_probs.append(log_prob)
    return torch.stack(slates, dim=1), torch.stack(log_probs, dim=1)


@torch.jit.script
def choose_by_logits(
    candidates: Tensor, set_vector: Tensor, mask: Tensor, weights: Tensor, attention: Tensor,
    flags: Tensor, groups: Tensor, pins: Tensor, dedup_keys: Tensor, spacing: Tensor,
    quotas: Tensor, slots: Tensor, temperature: Tensor, seeds: Tensor, greedy: Tensor,
    context_window: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The same, with an argmax over the logits in torch."""
    decoder = torch.classes.gerank.StepDecoder(
        candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
        spacing, quotas, slots, temperature, seeds, greedy, context_window,
    )  # fmt: skip
    slates: list[Tensor] = []
    log_probs: list[Tensor] = []
    for _ in range(pins.size(1)):
        choice, log_prob = decoder.step(decoder.logits().argmax(1))
        slates.append(choice)
        log_probs.append(log_prob)
    return torch.stack(slates, dim=1), torch.stack(log_probs, dim=1)
