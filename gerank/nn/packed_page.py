"""A generator of the stock layers as one block of memory, for the op `rank_page`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gerank.nn.control import LinearHypernetwork, PolicyHypernetwork, WeightsAsInput
from gerank.nn.decoder import PointerDecoder
from gerank.nn.encoder import DeepSetEncoder
from gerank.nn.features import FeatureEncoder, IdEmbedding
from gerank.ops.page_packing import Packed, pack_page, read_offsets

_NO_CONTROL, _HYPERNETWORK, _LINEAR, _INPUT = range(4)
_NO_LIST, _MEAN, _SUM, _ATTENTION = range(4)


@dataclass(frozen=True)
class PageParts:
    """What a generator is made of.

    Attributes:
        features, encoder, decoder: The layers that every generator has.
        control: How weights reach the policy; None = they do not.
        weight_middle, weight_reach: [U]. Of the weights' ranges.
        flag_columns, group_columns: [Q] and [K] int64, among the candidates' id columns.
        context_window: Slots that "recent" looks back.
    """

    features: FeatureEncoder
    encoder: DeepSetEncoder
    decoder: PointerDecoder
    control: nn.Module | None
    weight_middle: Tensor
    weight_reach: Tensor
    flag_columns: Tensor
    group_columns: Tensor
    context_window: int


def pack_generator(parts: PageParts) -> Packed:
    """Packs a copy of the parameters as they are, in float32.

    Raises:
        ValueError: They have another dtype.
    """
    features, decoder = parts.features, parts.decoder
    users, candidates = features.user_embedding, features.candidate_embedding
    control, control_sizes, control_sections = _control(parts)
    dense = _dense_columns(features)
    places = dense.argsort()  # of each column of a request
    maps = features.calibration
    scale = features.candidate_scale
    sizes = {
        "user_dense": features.user_scale.mean.numel(),
        "user_ids": users.sizes.numel(),
        "candidate_dense": dense.numel(),
        "candidate_ids": candidates.sizes.numel(),
        "utilities": parts.weight_middle.numel(),
        "groups": parts.group_columns.numel(),
        "flags": parts.flag_columns.numel(),
        "width": parts.encoder.width,
        "attention_width": decoder.attention.size(1),
        "embedding_width": users.table.embedding_dim,
        "context_window": parts.context_window,
        "context": _context(features),
        "maps": maps.maps,
        "knots": maps.knots.size(1),
        "user_units": users.pooling.units,
        "candidate_units": candidates.pooling.units,
        "user_rows": users.table.num_embeddings,
        "candidate_rows": candidates.table.num_embeddings,
        "user_lists": _attended(users),
        "candidate_lists": _attended(candidates),
        "control": control,
    } | control_sizes
    sections: dict[str, list[Tensor]] = {
        "user_mean": [features.user_scale.mean],
        "user_deviation": [features.user_scale.deviation],
        "dense_columns": [dense],
        "candidate_mean": [scale.mean[dense]],
        "candidate_deviation": [scale.deviation[dense]],
        "map_columns": [places[maps.columns]],
        "knots": [maps.knots],
        "map_values": [maps.values],
        "list_queries": [_list_queries(features)],
        "flag_columns": [parts.flag_columns],
        "group_columns": [parts.group_columns],
        "weight_middle": [parts.weight_middle],
        "weight_reach": [parts.weight_reach],
        "decoder": [decoder.weights()],
        "attention": [decoder.attention_rows()],
        **_id_sections("user", users),
        **_id_sections("candidate", candidates),
        **control_sections,
        **_encoder_sections(parts),
    }
    return pack_page(sizes, sections)


def share_tables(features: FeatureEncoder, packed: Packed) -> None:
    """Makes the tables of embeddings views of the block that they were packed into."""
    for side, embedding in (
        ("user_table", features.user_embedding),
        ("candidate_table", features.candidate_embedding),
    ):
        weight = embedding.table.weight
        weight.data = packed.section(side, weight.shape).to(weight.device)


def rewrite_maps(blob: Tensor, knots: Tensor, values: Tensor) -> None:
    """Puts other maps of scores into a packed generator.

    Args:
        blob: [P]. Changed in place.
        knots: [S, K], of the sizes that it was packed with.
        values: Likewise.
    """
    packed = read_offsets(blob)
    with torch.no_grad():
        packed.section("knots", knots.shape).copy_(knots)
        packed.section("map_values", values.shape).copy_(values)


def _context(features: FeatureEncoder) -> int:
    """C, how many dense columns have a rank and a z-score."""
    columns = features.candidate_scale.mean.numel()
    return features.context_columns.numel() if features.any_alone else columns


def _dense_columns(features: FeatureEncoder) -> Tensor:
    """[F] int64: columns of a request, first those in context."""
    if features.any_alone:
        return torch.cat([features.context_columns, features.alone_columns])
    return torch.arange(features.candidate_scale.mean.numel())


def _by_page_order(features: FeatureEncoder, rows: Tensor) -> Tensor:
    """Rows that belong to values, ranks, z-scores, ...: with z-scores in front of ranks."""
    context = _context(features)
    order = torch.arange(rows.size(0))
    ranks, zscores = order[context : 2 * context], order[2 * context : 3 * context]
    return rows[torch.cat([order[:context], zscores, ranks, order[3 * context :]])]


def _units(embedding: IdEmbedding) -> list[tuple[list[int], int, int]]:
    """Columns, pooling and mark of no entry of every unit of one side."""
    pooling = embedding.pooling
    if not pooling.any_lists:
        return [([column], _NO_LIST, 0) for column in range(pooling.units)]
    units = []
    for unit in range(pooling.units):
        columns = (pooling.unit_of == unit).nonzero().flatten().tolist()
        first = columns[0]
        pool = _MEAN
        if not pooling.listed[first]:
            pool = _NO_LIST
        elif pooling.attends[first]:
            pool = _ATTENTION
        elif pooling.summed[unit]:
            pool = _SUM
        units.append((columns, pool, int(pooling.empty[first])))
    return units


def _attended(embedding: IdEmbedding) -> int:
    return sum(pool == _ATTENTION for _, pool, _ in _units(embedding))


def _id_sections(side: str, embedding: IdEmbedding) -> dict[str, list[Tensor]]:
    """The columns, units and table of one side."""
    units, rows, columns = _units(embedding), [], list[int]()
    for own, pool, empty in units:
        rows.append([len(columns), len(own), pool, empty])
        columns += own
    places = torch.stack([embedding.offsets, embedding.sizes, embedding.hashed.long()], dim=1)
    return {
        f"{side}_columns": [places],
        f"{side}_units": [torch.tensor(rows, dtype=torch.int64)],
        f"{side}_unit_columns": [torch.tensor(columns, dtype=torch.int64)],
        f"{side}_table": [embedding.table.weight],
    }


def _list_queries(features: FeatureEncoder) -> Tensor:
    """[dense + units * W, lists * W]: rows of the candidate's lists are 0."""
    width = features.candidate_embedding.table.embedding_dim
    units, dense = _units(features.candidate_embedding), features.dense_width
    queries: list[Tensor] = []
    if features.attends:
        queries.append(features.list_query)
    if features.user_attends:
        queries.append(features.user_list_query)
    if not queries:
        return torch.zeros(0)
    seen = torch.cat(queries).detach().transpose(0, 1).flatten(1)  # [inputs, lists * W]
    matrix = torch.zeros(dense + len(units) * width, seen.size(1), dtype=seen.dtype)
    matrix[:dense] = _by_page_order(features, seen[:dense])
    given = dense
    for place, (_, pool, _) in enumerate(units):
        if pool == _NO_LIST:
            first = dense + place * width
            matrix[first : first + width] = seen[given : given + width]
            given += width
    return matrix


def _layer(weight: Tensor, bias: Tensor) -> list[Tensor]:
    """A layer [outputs, inputs] as the block has it."""
    return [weight.detach().t(), bias]


def _encoder_sections(parts: PageParts) -> dict[str, list[Tensor]]:
    """The first layer is cut into what candidate, user and product give to it."""
    encoder, features = parts.encoder, parts.features
    item, out, hidden, last = (
        layer
        for part in (encoder.item_mlp, encoder.set_mlp)
        for layer in part
        if isinstance(layer, nn.Linear)
    )
    widths = [features.candidate_width, encoder.user_side.in_features, encoder.width]
    of_candidate, of_user, of_product = torch.split(item.weight.detach(), widths, dim=1)
    first = torch.cat([encoder.candidate_side.weight.detach(), of_candidate]).t()  # [X, 3D]
    user = torch.cat([encoder.user_side.weight.detach(), of_user])
    return {
        "candidate_first": [_by_page_order(features, first)],
        "candidate_bias": [encoder.candidate_side.bias],
        "user_first": _layer(user, torch.cat([encoder.user_side.bias, item.bias])),
        "product": [of_product.t()],
        "item": _layer(out.weight, out.bias),
        "set_hidden": _layer(hidden.weight, hidden.bias),
        "set_out": _layer(last.weight, last.bias),
    }


def _control(parts: PageParts) -> tuple[int, dict[str, int], dict[str, list[Tensor]]]:
    """The kind of control, its sizes and its sections."""
    control, hidden = parts.control, 0
    none: dict[str, list[Tensor]] = {"control_input": [], "control_hidden": [], "control_head": []}
    if control is None or isinstance(control, WeightsAsInput):
        kind = _NO_CONTROL if control is None else _INPUT
        return kind, {"control_hidden": 0}, none
    sections = dict(none)
    kind = _LINEAR
    assert isinstance(control, PolicyHypernetwork | LinearHypernetwork)
    decoder, of_attention = parts.decoder, control.attention_head
    seen = decoder.seen_attention.repeat(1, control.attention_width).view(-1)  # [(C + 3) H]
    seen_rows = of_attention.weight * seen.unsqueeze(1)
    head = torch.cat([seen_rows, control.set_head.weight]).detach()
    shared = decoder.attention_rows().reshape(-1)
    bias = torch.cat([of_attention.bias * seen + shared, control.set_head.bias])
    if isinstance(control, PolicyHypernetwork):
        kind = _HYPERNETWORK
        given = [layer for layer in control.hidden if isinstance(layer, nn.Linear)]
        hidden = given[0].out_features
        sections["control_input"] = _layer(given[0].weight, given[0].bias)
        sections["control_hidden"] = _layer(given[1].weight, given[1].bias)
        utilities = parts.weight_middle.numel()
        head = torch.cat([head[:, :utilities], head[:, utilities:] / hidden], dim=1)
    sections["control_head"] = _layer(head, bias)
    return kind, {"control_hidden": hidden}, sections
