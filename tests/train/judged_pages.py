"""Small pages whose utilities can be worked out by hand, and random ones."""

from __future__ import annotations

from dataclasses import replace

import torch

from gerank.data.schema import FeatureSchema
from gerank.train.judged import JudgedSlates
from tests.train.tiny import tiny_log

SCHEMA: FeatureSchema = tiny_log(1)[0].schema


def by_hand(slates: list[list[list[int]]], **columns: list[list[float]]) -> JudgedSlates:
    """Slates [B, G, N] of the simulator's candidates, whose features are 0 but for `columns`.

    Args:
        slates: Candidates; -1 = empty.
        columns: Candidate feature -> [B, M]; `click` -> [B, M] click probabilities.
    """
    import numpy as np

    size = len(next(iter(columns.values()))[0])
    pages = tiny_log(len(slates))[0].batch(np.arange(len(slates)))
    dense = torch.zeros(len(slates), size, len(SCHEMA.candidate_dense))
    ids = torch.zeros(len(slates), size, len(SCHEMA.candidate_ids), dtype=torch.int64)
    click = torch.tensor(columns.pop("click", [[0.0] * size] * len(slates)))
    for name, values in columns.items():
        for features, tensor in ((SCHEMA.candidate_dense, dense), (SCHEMA.candidate_ids, ids)):
            names = [feature.name for feature in features]
            if name in names:
                tensor[..., names.index(name)] = torch.tensor(values).to(tensor.dtype)
    mask = torch.ones(len(slates), size, dtype=torch.bool)
    pages = pages._replace(candidate_dense=dense, candidate_ids=ids, candidate_mask=mask)
    chosen = torch.tensor(slates)
    nothing = torch.zeros(chosen.shape)
    judged = JudgedSlates(SCHEMA, pages, chosen, nothing, nothing[..., 0])
    slot_click = judged.placed(click, 0.0)
    return replace(judged, slot_click=slot_click, page_click=1 - (1 - slot_click).prod(-1))
