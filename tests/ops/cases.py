"""Random requests for the decode ops: the one generator of all op tests.

`make_case` fills given sizes; `random_sizes` draws sizes, extremes included. Rules are drawn per
request, many of them impossible to keep, so that every branch of relaxation is walked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from gerank.reference.decoder import Request
from tests.ops.rule_draws import LARGE_KEY, chance, draw_rules, normal


@dataclass(frozen=True)
class Sizes:
    """The axes of a case: B, M, N, D, H, K, Q, G, and the window W of the local context."""

    batch: int = 8
    candidates: int = 12
    slots: int = 6
    width: int = 16
    attention_width: int = 16
    groups: int = 2
    flags: int = 2
    slates: int = 1
    context_window: int = 3

    @property
    def context(self) -> int:
        """C, the local-context features."""
        return self.flags + 2 * self.groups

    @property
    def weights(self) -> int:
        """P, the numbers in the packed weights."""
        d, h = self.width, self.attention_width
        return d + d * 3 * d + d * (3 * d + h) + 6 * d + d * h + (self.flags + 1) * h


@dataclass(frozen=True)
class DecodeCase:
    """The arguments of `decode_slates`, in their order; shapes as in `gerank.reference`."""

    candidates: Tensor
    set_vector: Tensor
    mask: Tensor
    weights: Tensor
    attention: Tensor
    flags: Tensor
    groups: Tensor
    pins: Tensor
    dedup_keys: Tensor
    spacing: Tensor
    quotas: Tensor
    slots: Tensor
    temperature: Tensor
    seeds: Tensor
    greedy: Tensor
    num_slates: int
    context_window: int

    def arguments(self) -> tuple[Tensor | int, ...]:
        """For `decode_slates(*case.arguments())`."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def along(self, slates: Tensor) -> tuple[Tensor | int, ...]:
        """For `slate_log_prob(*case.along(slates))`; `slates` is [B, G, N]."""
        return (*self.request(), slates, self.context_window)

    def request(self) -> Request:
        """What both decode ops take."""
        return Request(*(getattr(self, name) for name in Request._fields))

    def to(self, dtype: torch.dtype) -> DecodeCase:
        """The same numbers in another floating dtype."""
        return self._map(lambda _, value: value.to(dtype) if value.is_floating_point() else value)

    def rows(self, index: list[int] | Tensor) -> DecodeCase:
        """Some of the requests, in any order."""
        shared = {"weights"} if self.attention.shape[0] > 1 else {"weights", "attention"}
        return self._map(lambda name, value: value if name in shared else value[index])

    def with_unseen_padding(self, value: float) -> DecodeCase:
        """The same requests, with vectors full of `value` where padding is not pinned either."""
        candidates = torch.arange(self.mask.shape[1])
        seen = self.mask | (self.pins[:, :, None] == candidates).any(1)  # [B, M]
        return replace(self, candidates=torch.where(seen[:, :, None], self.candidates, value))

    def padded(self, candidates: int, slots: int) -> DecodeCase:
        """The same requests with more padding candidates and more unused slots."""
        extra_candidates = candidates - self.mask.shape[1]
        extra_slots = slots - self.pins.shape[1]

        def pad(name: str, value: Tensor) -> Tensor:
            if name in {"candidates", "flags", "groups"}:
                return torch.nn.functional.pad(value, (0, 0, 0, extra_candidates), value=0)
            if name == "mask":
                return torch.nn.functional.pad(value, (0, extra_candidates), value=False)
            if name == "dedup_keys":
                return torch.nn.functional.pad(value, (0, extra_candidates), value=-1)
            if name == "pins":
                return torch.nn.functional.pad(value, (0, extra_slots), value=-1)
            return value

        return self._map(pad)

    def permuted(self, order: Tensor) -> DecodeCase:
        """The same requests with candidate order[b, m] of the original at place m of request b."""
        position = torch.argsort(order, dim=1)  # [B, M]: where each original candidate went

        def permute(name: str, value: Tensor) -> Tensor:
            if name in {"candidates", "flags", "groups"}:
                return value.gather(1, order[:, :, None].expand(-1, -1, value.shape[2]))
            if name in {"mask", "dedup_keys"}:
                return value.gather(1, order)
            if name == "pins":
                return torch.where(value >= 0, position.gather(1, value.clamp(min=0)), -1)
            return value

        return self._map(permute)

    def _map(self, change: Callable[[str, Tensor], Tensor]) -> DecodeCase:
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        changed = {n: change(n, v) for n, v in tensors.items() if isinstance(v, Tensor)}
        return replace(self, **changed)


def random_sizes(seed: int) -> Sizes:
    """Sizes of a small case: one slot, one candidate, no groups, more slots than candidates, ..."""
    source = torch.Generator().manual_seed(seed)

    def draw(*choices: int) -> int:
        return choices[int(torch.randint(len(choices), (), generator=source))]

    return Sizes(
        batch=draw(1, 8, 17, 70),
        candidates=draw(1, 2, 3, 5, 8, 13, 20, 33),
        slots=draw(1, 2, 4, 6, 10, 13),
        width=draw(1, 3, 8, 16, 24, 33, 64),
        attention_width=draw(1, 4, 8, 16, 20, 32, 64),
        groups=draw(0, 1, 2, 3, 6),
        flags=draw(0, 1, 2, 3),
        slates=draw(1, 1, 2, 3),
        context_window=draw(1, 2, 3, 20),
    )


def make_case(
    seed: int,
    sizes: Sizes | None = None,
    *,
    rules: bool = True,
    ragged: bool = True,
    per_request_attention: bool = False,
    greedy: bool | None = None,
    scale: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> DecodeCase:
    """A random case of given sizes.

    Args:
        seed: Seeds all that is random here.
        sizes: The axes; `Sizes()` if None.
        rules: Pins, dedup keys, spacing and quotas; none of them otherwise.
        ragged: Requests with fewer than M candidates and N slots, even with no candidate at all.
        per_request_attention: Attention parameters for each request instead of shared ones.
        greedy: All greedy, all sampled, or (None) each as it falls.
        scale: Multiplies what enters the tanh of the attention.
        dtype: Is the type of all floating tensors.
    """
    sizes = sizes or Sizes()
    source = torch.Generator().manual_seed(seed)
    batch, candidates, slots = sizes.batch, sizes.candidates, sizes.slots
    mask, asked = _ragged(source, sizes) if ragged else _full(sizes)
    flags = chance(source, (batch, candidates, sizes.flags), 0.4)
    case = DecodeCase(
        candidates=normal(source, (batch, candidates, sizes.width)),
        set_vector=normal(source, (batch, sizes.width)),
        mask=mask,
        weights=_weights(source, sizes, scale),
        attention=_attention(source, sizes, batch if per_request_attention else 1, scale),
        flags=flags,
        groups=_groups(source, (batch, candidates, sizes.groups)),
        pins=torch.full((batch, slots), -1),
        dedup_keys=torch.full((batch, candidates), -1),
        spacing=torch.tensor([0, 0]).repeat(batch, sizes.groups, 1),
        quotas=torch.tensor([0, -1]).repeat(batch, sizes.flags, 1),
        slots=asked,
        temperature=_temperature(source, batch),
        seeds=torch.randint(-(2**63), 2**63 - 1, (batch,), generator=source),
        greedy=chance(source, (batch,), 0.5 if greedy is None else float(greedy)),
        num_slates=sizes.slates,
        context_window=sizes.context_window,
    )
    if rules:
        case = replace(case, **draw_rules(source, mask, asked, slots, sizes.groups, sizes.flags))
    return case.to(dtype)


def _ragged(source: torch.Generator, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Masks that are full, cut at the end, or full of holes; 1..N slots."""
    shape = (sizes.batch, sizes.candidates)
    cut = torch.randint(0, sizes.candidates + 1, (sizes.batch, 1), generator=source)
    holes = chance(source, shape, 0.7)
    kind = torch.rand((sizes.batch, 1), generator=source)
    mask = torch.where(kind < 0.3, torch.arange(sizes.candidates) < cut, kind < 0.7)
    mask = torch.where(kind > 0.7, holes, mask)
    asked = torch.randint(1, sizes.slots + 1, (sizes.batch,), generator=source)
    all_slots = chance(source, (sizes.batch,), 0.5)
    return mask, torch.where(all_slots, sizes.slots, asked)


def _full(sizes: Sizes) -> tuple[Tensor, Tensor]:
    mask = torch.ones(sizes.batch, sizes.candidates, dtype=torch.bool)
    return mask, torch.full((sizes.batch,), sizes.slots)


def _weights(source: torch.Generator, sizes: Sizes, scale: float) -> Tensor:
    """Packed weights of the size a trained layer has; `scale` for W_e, W_s and W_g."""
    d, h = sizes.width, sizes.attention_width
    w_hs_t = torch.cat([normal(source, (d, 3 * d)), scale * normal(source, (d, h))], dim=1)
    parts = [
        normal(source, (d,)),
        normal(source, (d, 3 * d)) / d**0.5,
        w_hs_t / d**0.5,
        0.3 * normal(source, (6 * d,)),
        scale * normal(source, (d, h)) / d**0.5,
        scale * normal(source, (sizes.flags + 1, h)),
    ]
    return torch.cat([part.flatten() for part in parts])


def _attention(source: torch.Generator, sizes: Sizes, leading: int, scale: float) -> Tensor:
    """Rows of W_c, v, bias and scale; v such that logits of some candidates lie 1-3 nats apart."""
    h = sizes.attention_width
    w_context = scale * normal(source, (leading, sizes.context, h))
    v = 2 * normal(source, (leading, 1, h)) / h**0.5
    bias = 0.5 * scale * normal(source, (leading, 1, h))
    state_scale = 1 + 0.3 * normal(source, (leading, 1, h))
    return torch.cat([w_context, v, bias, state_scale], dim=1)


def _groups(source: torch.Generator, shape: tuple[int, int, int]) -> Tensor:
    """From one group for all to a group each; -1 for some candidates of some requests."""
    batch, candidates, keys = shape
    count = torch.randint(1, candidates + 1, (batch, 1, keys), generator=source)
    groups = (torch.rand(shape, generator=source) * count).long()
    groups += LARGE_KEY * chance(source, (batch, 1, keys), 0.2)
    none = chance(source, shape, 0.3) & chance(source, (batch, 1, keys), 0.5)
    return torch.where(none, -1, groups)


def _temperature(source: torch.Generator, batch: int) -> Tensor:
    drawn = 0.3 + 2.7 * torch.rand((batch,), generator=source)
    return torch.where(chance(source, (batch,), 0.5), 1.0, drawn)
