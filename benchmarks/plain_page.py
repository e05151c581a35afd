"""A generator's page as one would write it in PyTorch: plain layers and the eager decode loop."""

from __future__ import annotations

import torch
from eager_decoder import EagerDecoder, Shape
from torch import Tensor, nn

from gerank.nn.generator import Generator


class PlainPage(nn.Module):
    """The layers of a generator, without an op of ours. It knows no rules, and chooses greedily.

    Args:
        generator: Has no lists, no maps and no control; its parameters are shared.
        slots: N, that every slate has.
        requests, candidates: B and M.
    """

    def __init__(self, generator: Generator, slots: int, requests: int, candidates: int) -> None:
        super().__init__()
        own = generator.decoder
        flags, groups = len(generator.flag_columns), len(generator.group_columns)
        self.features, self.encoder = generator.features, generator.encoder
        self.register_buffer("flag_columns", generator.flag_columns)
        self.register_buffer("group_columns", generator.group_columns)
        shape = Shape(requests, candidates, slots, len(own.start), flags, groups)
        assert shape.window == generator.context_window
        self.decoder = EagerDecoder(shape)
        with torch.no_grad():
            self.decoder.start.copy_(own.start)
            self.decoder.gru.load_state_dict(own.cell.state_dict())
            self.decoder.w_candidate.weight.copy_(own.w_candidate)
            self.decoder.w_state.weight.copy_(own.w_state)
            self.decoder.w_shared.weight.copy_(own.w_shared)
            rows, v, bias, scale = own.attention.split([own.context, 1, 1, 1])
            assert (scale == 1).all()
            self.decoder.w_context.copy_(rows)
            self.decoder.v.copy_(v[0])
            self.decoder.bias.copy_(bias[0])

    def set_vectors(self, dense: Tensor, mask: Tensor) -> Tensor:
        """Values, ranks and z-scores, [B, M, 3F]."""
        scale, real = self.features.candidate_scale, mask.unsqueeze(-1)
        count = mask.sum(1)[:, None, None]  # [B, 1, 1]
        mine, other = dense[:, :, None], torch.where(real, dense, torch.inf)[:, None]
        less = (other < mine).sum(2)  # [B, M, F]
        equal = (other == mine).sum(2)
        ranks = (less + 0.5 * (equal - 1)) / (count - 1).clamp(min=1)
        ranks = 2 * torch.where(count == 1, 0.5, ranks) - 1
        kept = torch.where(real, dense, 0.0)
        mean = kept.sum(1, keepdim=True) / count
        centred = torch.where(real, dense - mean, 0.0)
        deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
        zscores = centred / (deviation + 1e-12)
        vectors = torch.cat([scale(dense), ranks, zscores], dim=-1)
        return torch.where(real, vectors, 0.0)

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Slates [B, N] and their log_prob [B, N]; arguments as in `RerankBatch`."""
        users = self.features.users(user_dense, user_ids)
        vectors = self.set_vectors(candidate_dense, candidate_mask)
        embedded = self.features.candidate_embedding(candidate_ids)
        vectors = torch.cat([vectors, embedded], dim=-1)
        candidates, set_vector = self.encoder(vectors, users, candidate_mask)
        flags = (candidate_ids.index_select(2, self.flag_columns) > 0).float()
        groups = candidate_ids.index_select(2, self.group_columns)
        answer: tuple[Tensor, Tensor] = self.decoder(candidates, set_vector, flags, groups)
        return answer
