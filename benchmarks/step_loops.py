"""Scripted loops around StepDecoder: the fused decoder slot by slot."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.ops import load_library

load_library()


@torch.jit.script
def choose_by_decoder(
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
    for _ in range(pins.size(1)):
        decoder.step()
    slates, log_prob, _ = decoder.slates()
    return slates, log_prob


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
    for _ in range(pins.size(1)):
        decoder.step(decoder.logits().argmax(1))
    slates, log_prob, _ = decoder.slates()
    return slates, log_prob
