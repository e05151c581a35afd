"""Random arguments for `pointer_step`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class StepCase(NamedTuple):
    """The arguments of `pointer_step`, in their order; shapes as in `gerank.reference`."""

    keys: Tensor
    query: Tensor
    context: Tensor
    w_context: Tensor
    v: Tensor
    mask: Tensor
    temperature: Tensor
    seeds: Tensor
    greedy: Tensor
    forced: Tensor
    slot: int
    slate: int

    def to(self, dtype: torch.dtype) -> StepCase:
        """The same numbers in another floating dtype."""
        return StepCase(*(_cast(value, dtype) for value in self))

    def requiring_grad(self) -> StepCase:
        """Fresh leaves for what is differentiable."""
        leaves = {
            name: getattr(self, name).detach().clone().requires_grad_()
            for name in ("keys", "query", "w_context", "v")
        }
        return self._replace(**leaves)

    @property
    def differentiable(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.keys, self.query, self.w_context, self.v


def make_step(
    seed: int,
    batch: int = 8,
    candidates: int = 12,
    attention_width: int = 16,
    context: int = 6,
    *,
    per_request_attention: bool = False,
    dtype: torch.dtype = torch.float32,
) -> StepCase:
    """Random rows: half greedy, a third forced, masks from empty to full."""
    source = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source)

    def chance(probability: Tensor | float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=source) < probability

    leading = batch if per_request_attention else 1
    density = torch.tensor([0.0, 0.5, 1.0])[torch.randint(3, (batch, 1), generator=source)]
    density[0] = 1.0  # at least one row that is not empty
    forced = torch.randint(candidates, (batch,), generator=source)
    return StepCase(
        keys=normal(batch, candidates, attention_width),
        query=normal(batch, attention_width),
        context=normal(batch, candidates, context).round(decimals=1),
        w_context=normal(leading, context, attention_width),
        v=2 * normal(leading, attention_width) / attention_width**0.5,
        mask=chance(density, batch, candidates),
        temperature=0.3 + 2 * torch.rand((batch,), generator=source),
        seeds=torch.randint(-(2**63), 2**63 - 1, (batch,), generator=source),
        greedy=chance(0.5, batch),
        forced=torch.where(chance(0.3, batch), forced, -1),
        slot=int(torch.randint(128, (), generator=source)),
        slate=int(torch.randint(5, (), generator=source)),
    ).to(dtype)


def without_impossible(case: StepCase) -> StepCase:
    """Every row with something allowed, and nothing forced that is not: all outputs are finite."""
    mask = case.mask | ~case.mask.any(1, keepdim=True)
    allowed = mask.gather(1, case.forced.clamp(min=0)[:, None])[:, 0]
    return case._replace(mask=mask, forced=torch.where(allowed, case.forced, -1))


def _cast(value: Tensor | int, dtype: torch.dtype) -> Tensor | int:
    is_float = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if is_float else value
