"""Pointer-network decoder: holds the parameters; the loop itself is one fused op."""

import math

import torch
from torch import Tensor, nn

from gerank.ops.packing import pack_decoder_weights


class PointerDecoder(nn.Module):
    """GRU + additive attention with local context (Vinyals et al., "Pointer Networks", 2015).

    Axes: D state width, H attention width, C = Q + 2K local-context features of Q flags and K
    group keys. `attention` [C + 3, H] holds W_c, v, b and the scale of W_s h: the parameters that
    a hypernetwork may shift per request.
    """

    __constants__ = ("frozen",)
    packed: Tensor

    def __init__(self, width: int, attention_width: int, flags: int, groups: int) -> None:
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
        self.frozen = False
        self.register_buffer("packed", torch.zeros(0), persistent=False)

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
            self.w_shared,
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
