"""The generator, the policy that is served: it is scriptable, and every decode is one fused op."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.data.batch import RerankBatch, Slates
from gerank.data.pinned_above import below_above, own_slots
from gerank.data.schema import FeatureSchema
from gerank.nn.control import Control, extra_user_width, new_control
from gerank.nn.decoder import PointerDecoder
from gerank.nn.encoder import DeepSetEncoder
from gerank.nn.features import FeatureEncoder
from gerank.nn.own_encoder import new_encoder
from gerank.nn.packed_page import PageParts, pack_generator, share_tables


@dataclass(frozen=True)
class GeneratorShape:
    """The sizes of a generator.

    Attributes:
        width: D, of candidate vectors and GRU state.
        attention_width: H.
        embedding_width: Is the width of each id feature's embedding.
        context_window: Slots that "recent" looks back in the local context.
        utilities: U, the number of preference weights.
        controllable: Whether the policy depends on the weights.
        control: In which way, where it does.
        weight_ranges: (smallest, largest) weight per utility, scaled to -1..1 for the control;
            empty = weights are taken as they are.
        calibrated: Dense candidate features with a monotone map.
        encoder: `package.module:Class` of an encoder of one's own; empty = `DeepSetEncoder`.
    """

    width: int = 64
    attention_width: int = 64
    embedding_width: int = 8
    context_window: int = 3
    utilities: int = 1
    controllable: bool = False
    control: Control = Control.HYPERNETWORK
    weight_ranges: tuple[tuple[float, float], ...] = ()
    calibrated: tuple[str, ...] = ()
    encoder: str = ""
    local_context: bool = True


class Encoded(NamedTuple):
    """B requests after the encoder: all that decoding needs beside the rules.

    Attributes:
        candidates: [B, M, D]. e_m.
        set_vector: [B, D]. e_c.
        mask: [B, M] bool.
        weights: [P]. Packed decoder weights.
        attention: [B or 1, C + 3, H].
        flags: [B, M, Q] bool.
        groups: [B, M, K] int64.
    """

    candidates: Tensor
    set_vector: Tensor
    mask: Tensor
    weights: Tensor
    attention: Tensor
    flags: Tensor
    groups: Tensor


class Generator(nn.Module):
    """Encoder (DeepSet, or one's own) + pointer decoder over the features of one schema.

    Frozen, a float32 generator without an encoder of one's own answers with one op, `rank_page`,
    from `page`, its parameters as one block.
    """

    __constants__ = ("controllable", "context_window", "paged")
    page: Tensor
    flag_columns: Tensor
    group_columns: Tensor
    weight_middle: Tensor
    weight_reach: Tensor

    def __init__(self, schema: FeatureSchema, shape: GeneratorShape) -> None:
        super().__init__()
        flags, groups = len(schema.flags), len(schema.groups)
        self.features = FeatureEncoder(schema, shape.embedding_width, shape.calibrated, sparse=True)
        self.controllable = shape.controllable
        user_width = self.features.user_width
        if shape.controllable:
            user_width += extra_user_width(shape.control, shape.utilities)
        widths = (self.features.candidate_width, user_width, shape.width)
        self.encoder = new_encoder(shape.encoder, *widths)
        self.decoder = PointerDecoder(
            shape.width, shape.attention_width, flags, groups, local_context=shape.local_context
        )
        if shape.controllable:
            rows = self.decoder.context + 3
            sizes = (shape.utilities, rows, shape.attention_width, shape.width)
            self.hypernetwork = new_control(shape.control, *sizes)
        limits = shape.weight_ranges or ((-1.0, 1.0),) * shape.utilities
        ranges = torch.tensor(limits, dtype=torch.float32)  # [U, 2]
        self.register_buffer("weight_middle", ranges.mean(1))
        reach = (ranges[:, 1] - ranges[:, 0]) / 2
        self.register_buffer("weight_reach", torch.where(reach > 0, reach, 1.0))
        self.context_window = shape.context_window
        self.paged = False
        self.register_buffer("page", torch.zeros(0), persistent=False)
        flag_columns = torch.tensor(schema.flag_columns, dtype=torch.int64)
        self.register_buffer("flag_columns", flag_columns, persistent=False)
        group_columns = torch.tensor(schema.group_columns, dtype=torch.int64)
        self.register_buffer("group_columns", group_columns, persistent=False)

    @torch.jit.export
    def encode(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
    ) -> Encoded:
        """Everything that is computed once per request; shapes as in `RerankBatch`."""
        users = self.features.users(user_dense, user_ids)
        vectors = self.features.candidates(candidate_dense, candidate_ids, candidate_mask, user_ids)
        attention = self.decoder.attention_rows().unsqueeze(0)
        if self.controllable:
            terms = self.hypernetwork((weights - self.weight_middle) / self.weight_reach)
            users = torch.cat([users, terms.user], dim=-1)
            candidates, set_vector = self.encoder(vectors, users, candidate_mask)
            attention = attention + terms.attention * self.decoder.seen_attention
            set_vector = set_vector + terms.set_vector
        else:
            candidates, set_vector = self.encoder(vectors, users, candidate_mask)
        return Encoded(
            candidates,
            set_vector,
            candidate_mask,
            self.decoder.weights(),
            attention,
            candidate_ids.index_select(2, self.flag_columns) > 0,
            candidate_ids.index_select(2, self.group_columns),
        )

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> Slates:
        """Answers B requests; each with one slate; arguments as in `RerankBatch`."""
        if self.paged:
            chosen, chosen_log_prob, chosen_relaxed = torch.ops.gerank.rank_page(
                self.page,
                user_dense,
                user_ids,
                candidate_dense,
                candidate_ids,
                candidate_mask,
                weights,
                pins,
                dedup_keys,
                spacing,
                quotas,
                slots,
                temperature,
                seeds,
                greedy,
            )
            return Slates(chosen, chosen_log_prob, chosen_relaxed)
        encoded = self.encode(
            user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask, weights
        )
        slates, log_prob, relaxed = torch.ops.gerank.decode_slates(
            encoded.candidates,
            encoded.set_vector,
            encoded.mask,
            encoded.weights,
            encoded.attention,
            encoded.flags,
            encoded.groups,
            pins,
            dedup_keys,
            spacing,
            quotas,
            slots,
            temperature,
            seeds,
            greedy,
            1,
            self.context_window,
        )
        return Slates(slates.squeeze(1), log_prob.squeeze(1), relaxed.squeeze(1))

    @torch.jit.unused
    def freeze(self) -> None:
        """Packs the weights for serving: later changes of parameters have no effect.

        The tables of embeddings become views of the block, so that a file holds them once.
        """
        freeze = getattr(self.encoder, "freeze", None)
        if freeze is not None:
            freeze()
        self.decoder.freeze()
        if type(self.encoder) is DeepSetEncoder and self.decoder.packed.dtype == torch.float32:
            parts = PageParts(
                self.features,
                self.encoder,
                self.decoder,
                self.hypernetwork if self.controllable else None,
                self.weight_middle,
                self.weight_reach,
                self.flag_columns,
                self.group_columns,
                self.context_window,
            )
            packed = pack_generator(parts)
            share_tables(self.features, packed)
            self.page, self.paged = packed.blob, True

    @torch.jit.unused
    def encode_batch(self, batch: RerankBatch) -> Encoded:
        """`encode` of a batch's request tensors."""
        encoded: Encoded = self.encode(*batch.features, batch.weights)
        return encoded

    @torch.jit.unused
    def rollout(self, encoded: Encoded, batch: RerankBatch, num_slates: int) -> Tensor:
        """Samples `num_slates` slates per request, without gradient: [B, G, N] int64.

        N are the slots of the page itself, without what is pinned above it.
        """
        with torch.no_grad():
            slates, _, _ = torch.ops.gerank.decode_slates(
                *encoded, *batch.rules, batch.seeds, batch.greedy, num_slates, self.context_window
            )
        return own_slots(batch, slates)

    @torch.jit.unused
    def page_slates(self, batch: RerankBatch) -> Tensor:
        """What `forward` answers, of the slots of the page itself: [B, N] int64."""
        return own_slots(batch, self(*batch).slates)

    @torch.jit.unused
    def slate_log_prob(
        self, encoded: Encoded, batch: RerankBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Teacher forcing: log_prob and entropy [B, G, N] of `slates` [B, G, N]; differentiable.

        N are the slots of the page itself; those pinned above it are seen and not scored.
        """
        log_prob, entropy = torch.ops.gerank.slate_log_prob(
            *encoded, *batch.rules, below_above(batch, slates), self.context_window
        )
        return own_slots(batch, log_prob), own_slots(batch, entropy)
