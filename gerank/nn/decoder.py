"""Pointer-network decoder: holds the parameters; the loop itself is one fused op."""

import math

import torch
from torch import Tensor, nn

from gerank.ops.packing import pack_decoder_weights


class PointerDecoder(nn.Module):
    """GRU + additive attention with local context (Vinyals et al., "Pointer Networks", 2015).

    Axes: D state width, H attention width, C = Q + 2K local-context features of Q flags and K
    group keys. `attention` [C + 3, H] holds W_c, v, b and the scale of W_s h: the parameters that
    a hypernetwork may shift per request. Without local context its part of them counts as zero, so
    that the ops know nothing of the choice.
    """

    __constants__ = ("frozen",)
    packed: Tensor
    seen_attention: Tensor
    seen_shared: Tensor

    def __init__(
        self,
        width: int,
        attention_width: int,
        flags: int,
        groups: int,
        *,
        local_context: bool = True,
    ) -> None:
        super().__init__()
        context = flags + 2 * groups
        self.context = context
        self.start = nn.Parameter(torch.zeros(width))
        self.cell = nn.GRUCell(width, width)
        self.w_candidate = nn.Parameter(_uniform(attention_width, width))
        self.w_state = nn.Parameter(_uniform(attention_width, width))
        self.w_shared = nn.Parameter(_uniform(attention_width, flags + 1))
        self.attention = nn.Parameter(torch.zeros(context + 3, attention_width))
        with torch.no_grad():
            self.attention[: context + 1] = _uniform(context + 1, attention_width)
            self.attention[context + 2] = 1.0
        seen_attention, seen_shared = torch.ones(context + 3, 1), torch.ones(flags + 1)
        if not local_context:
            seen_attention[:context] = 0.0
            seen_shared[:flags] = 0.0  # the last column is the slot's place
        self.register_buffer("seen_attention", seen_attention, persistent=False)
        self.register_buffer("seen_shared", seen_shared, persistent=False)
        self.frozen = False
        self.register_buffer("packed", torch.zeros(0), persistent=False)

    def attention_rows(self) -> Tensor:
        """[C + 3, H] `attention` as it counts."""
        return self.attention * self.seen_attention

    def weights(self) -> Tensor:
        """[P] the shared parameters in the layout of the decode ops; differentiable."""
        if self.frozen:
            return self.packed
        packed: Tensor = pack_decoder_weights(
            self.start,
            self.cell.weight_ih,
            self.cell.weight_hh,
            self.cell.bias_ih,
            self.cell.bias_hh,
            self.w_candidate,
            self.w_state,
            self.w_shared * self.seen_shared,
        )
        return packed

    @torch.jit.unused
    def freeze(self) -> None:
        """Packs the weights once, for serving: later changes of parameters have no effect."""
        self.packed = self.weights().detach().clone()
        self.frozen = True


def _uniform(rows: int, columns: int) -> Tensor:
    bound = 1.0 / math.sqrt(columns)
    return torch.empty(rows, columns).uniform_(-bound, bound)
