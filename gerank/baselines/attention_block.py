"""The transformer's block, which four of the comparators are made of."""

import math

from torch import Tensor, nn

from gerank.nn.layers import mlp


class AttentionBlock(nn.Module):
    """MAB(Q, K) = LN(B + FFN(B)), B = LN(Q + MultiHead(Q, K, K)).

    Vaswani et al., "Attention is all you need", NeurIPS 2017; as a map of sets Lee et al., "Set
    transformer", ICML 2019.
    """

    __constants__ = ("head_width", "heads")

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        """`heads` divide `width`."""
        super().__init__()
        if width % heads:
            raise ValueError(f"heads is {heads}, not a divisor of width = {width}")
        self.heads, self.head_width = heads, width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.feed_forward = mlp(width, 2 * width, width)
        self.first_norm = nn.LayerNorm(width)
        self.second_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor) -> Tensor:
        """[B, Q, D] of queries [B, Q, D], who look at keys [B, K, D] with the mask [B, K].

        Where a mask is empty, all its keys count alike, so that nothing becomes NaN.
        """
        looked = self.out(self.dropout(self._attend(queries, keys, key_mask)))
        seen = self.first_norm(queries + looked)
        answer: Tensor = self.second_norm(seen + self.dropout(self.feed_forward(seen)))
        return answer

    def _attend(self, queries: Tensor, keys: Tensor, key_mask: Tensor) -> Tensor:
        asked = self._split(self.query(queries))  # [B, heads, Q, D / heads]
        held = self._split(self.key(keys))
        values = self._split(self.value(keys))
        logits = asked @ held.transpose(2, 3) / math.sqrt(self.head_width)
        masked = logits.masked_fill(~key_mask.unsqueeze(1).unsqueeze(1), -1e9)
        looked = masked.softmax(dim=-1) @ values
        return looked.transpose(1, 2).flatten(2)

    def _split(self, vectors: Tensor) -> Tensor:
        requests, rows = vectors.size(0), vectors.size(1)
        return vectors.view(requests, rows, self.heads, self.head_width).transpose(1, 2)
