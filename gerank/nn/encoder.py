"""DeepSet encoder: a vector per candidate and one for the set, blind to the candidates' order."""

import torch
from torch import Tensor, nn

from gerank.nn.layers import FeatureLinear, mlp
from gerank.ops.packing import pack_encoder_weights


class DeepSetEncoder(nn.Module):
    """e_i = MLP1([x_i; x_u; P x_i * Q x_u]), e_c = MLP2(sum_i e_i / sqrt(M)).

    Source: Zaheer et al., "Deep Sets", 2017. The product term represents user-item affinity, which
    an MLP of a concatenation learns slowly. The sum is scaled by sqrt(M), so that sets of 20 and
    of 500 both train. Served, it is the op `encode_set`.
    """

    __constants__ = ("frozen", "width")
    packed: Tensor

    def __init__(self, candidate_width: int, user_width: int, width: int) -> None:
        super().__init__()
        self.candidate_side = FeatureLinear(candidate_width, width)
        self.user_side = FeatureLinear(user_width, width)
        self.item_mlp = mlp(candidate_width + user_width + width, 2 * width, width)
        self.set_mlp = mlp(width, width, width)
        self.width = width
        self.frozen = False
        self.register_buffer("packed", torch.zeros(0), persistent=False)

    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes B candidate sets.

        Args:
            candidates: [B, M, X] float. x_i.
            users: [B, Xu] float. x_u.
            mask: [B, M] bool. True = real.

        Returns:
            e: [B, M, D], padding 0; e_c: [B, D].
        """
        if self.frozen:
            items, set_vector = torch.ops.gerank.encode_set(
                candidates, users, mask, self.packed, self.width
            )
            return items, set_vector
        tiled = users.unsqueeze(1).expand(-1, candidates.size(1), -1)
        product = self.candidate_side(candidates) * self.user_side(users).unsqueeze(1)
        encoded = self.item_mlp(torch.cat([candidates, tiled, product], dim=-1))  # [B, M, D]
        real = mask.unsqueeze(-1)
        encoded = torch.where(real, encoded, torch.zeros_like(encoded))
        count = mask.sum(1, keepdim=True).clamp(min=1).to(encoded.dtype)
        return encoded, torch.tanh(self.set_mlp(encoded.sum(1) / count.sqrt()))

    @torch.jit.unused
    def freeze(self) -> None:
        """Packs the weights once, for serving: later changes of parameters have no effect."""
        layers = [
            (layer.weight, layer.bias)
            for part in (self.candidate_side, self.user_side, self.item_mlp, self.set_mlp)
            for layer in part.modules()
            if isinstance(layer, nn.Linear)
        ]
        self.packed = pack_encoder_weights(layers).detach().clone()
        self.frozen = True
