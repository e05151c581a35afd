"""Small pages whose utilities can be worked out by hand, and random ones."""

from __future__ import annotations

from dataclasses import replace

import torch

from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.data.schema import FeatureSchema
from gerank.train.judged import JudgedSlates
from tests.train.tiny import tiny_log

SCHEMA: FeatureSchema = replace(
    tiny_log(1)[0].schema,
    feedback=(
        FurtherFeedback("purchase", FeedbackKind.FLAG),
        FurtherFeedback("dwell", FeedbackKind.AMOUNT),
    ),
)


def by_hand(slates: list[list[list[int]]], **columns: list[list[float]]) -> JudgedSlates:
    """Slates [B, G, N] of the simulator's candidates, whose features are 0 but for `columns`.

    Args:
        slates: Candidates; -1 = empty.
        columns: Candidate feature -> [B, M]; `click` -> [B, M] click probabilities; a kind of
            further feedback -> [B, M] its expected values.
    """
    import numpy as np

    size = len(next(iter(columns.values()))[0])
    pages = tiny_log(len(slates))[0].batch(np.arange(len(slates)))
    dense = torch.zeros(len(slates), size, len(SCHEMA.candidate_dense))
    ids = torch.zeros(len(slates), size, len(SCHEMA.candidate_ids), dtype=torch.int64)
    click = torch.tensor(columns.pop("click", [[0.0] * size] * len(slates)))
    kinds = [kind.name for kind in SCHEMA.feedback if kind.name in columns]
    expected = {name: torch.tensor(columns.pop(name)) for name in kinds}
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
    further = {name: judged.placed(values, 0.0) for name, values in expected.items()}
    any_click = 1 - (1 - slot_click).prod(-1)
    return replace(judged, slot_click=slot_click, page_click=any_click, expected=further)
