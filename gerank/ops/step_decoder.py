"""The decoding loop slot by slot: for decoders that choose for themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class StepDecoder:
    """`decode_slates` taken apart: shows the logits of a slot, and lets the caller fill it.

    For nucleus sampling, penalties, a rule of your own. Network, local context and
    hard rules are those of `decode_slates`; left alone, `step` makes the same choices, bit for bit:

        decoder = StepDecoder(...)
        for _ in range(slots):
            logits = decoder.logits()
            choice, log_prob = decoder.step(logits=logits - penalty)
        slates, log_prob, relaxed = decoder.slates()

    TorchScript code calls `torch.classes.gerank.StepDecoder`, which has the same methods. It keeps
    its state between the calls, so it cannot be saved or traced, and one thread at a time may use
    it. It works on the CPU only (on a GPU, loop over `pointer_step`) and is not differentiable, as
    `slate_log_prob` is.

    Args:
        candidates, ..., greedy: As in `decode_slates`; must not change while the decoder is used.
        context_window: As in `decode_slates`.

    Raises:
        RuntimeError: A shape, dtype or value is wrong, or the pins contradict each other; the
            message names it.
    """

    def __init__(
        self,
        candidates: Tensor,
        set_vector: Tensor,
        mask: Tensor,
        weights: Tensor,
        attention: Tensor,
        flags: Tensor,
        groups: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
        context_window: int,
    ) -> None:
        self._loop: Any = torch.classes.gerank.StepDecoder(
            candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
            spacing, quotas, slots, temperature, seeds, greedy, context_window,
        )  # fmt: skip

    @property
    def slot(self) -> int:
        """The open slot, 0..N; N: all are filled."""
        return int(self._loop.slot())

    def begin(self, slate: int = 0) -> None:
        """Starts over at slot 0.

        Args:
            slate: Index of the slate among its request's, >= 0: which noise it is sampled
                with, as along the axis G of `decode_slates`.
        """
        self._loop.begin(slate)

    def logits(self) -> Tensor:
        """[B, M] of the open slot, not divided by the temperature.

        -inf for who may not take it; at a pinned slot 0 for the pin and -inf for all others; all
        -inf where the slot stays empty.

        Raises:
            RuntimeError: All slots are filled.
        """
        result: Tensor = self._loop.logits()
        return result

    def relaxed(self) -> Tensor:
        """[B] int64. Rules dropped at the open slot, as of `decode_slates`.

        Raises:
            RuntimeError: All slots are filled.
        """
        result: Tensor = self._loop.relaxed()
        return result

    def step(
        self, forced: Tensor | None = None, logits: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Fills the open slot of every request and opens the next.

        Args:
            forced: [B] int64. The candidate to take; -1, or no tensor = choose. Not looked at
                where the slot stays empty.
            logits: [B, M]. Instead of the own ones: finite, or -inf to rule a candidate out. Who
                has -inf in `logits()` must keep it. A request that has only -inf leaves the slot
                empty.

        Returns:
            choice: [B] int64. -1 where the slot stays empty.
            log_prob: [B]. Is the choice's, under softmax(logits / temperature); 0 at pinned and
                empty slots.

        Raises:
            RuntimeError: All slots are filled, or an argument is wrong: the message names it, the
                slot and the request. The slot stays open then.
        """
        choice, log_prob = self._loop.step(forced, logits)
        return choice, log_prob

    def slates(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the slots were filled with since `begin`, as `decode_slates` returns it.

        Returns:
            slates: [B, N] int64. -1 where a slot stays empty or is not filled yet.
            log_prob: [B, N]. 0 there.
            relaxed: [B, N] int64. 0 there.
        """
        slates, log_prob, relaxed = self._loop.slates()
        return slates, log_prob, relaxed
