"""CMR: the policy's parameters are an affine function of the preference weights."""

from __future__ import annotations

import numpy as np
import torch

from gerank.baselines.cmr import Cmr
from gerank.nn.control import LinearHypernetwork
from gerank.train.pages import as_requests
from tests.baselines.small_problem import SLOTS, pages_of, quality_log

SETTINGS = {"width": 8, "embedding_width": 2, "evaluator_steps": 60, "min_steps": 300}


def test_the_parameters_are_affine_in_the_weights_and_weights_move_the_slates() -> None:
    log = quality_log(5, pages=300)
    cmr = Cmr(SETTINGS | {"learning_rate": 1e-2}, seed=1)
    cmr.fit(pages_of(log))
    assert isinstance(cmr.network.hypernetwork, LinearHypernetwork)
    pages = log.batch(np.arange(1), SLOTS)
    attention = []
    for weights in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]):
        batch = as_requests(pages, torch.tensor([weights]), log.schema, slots=SLOTS)
        attention.append(cmr.network.encode_batch(batch).attention.detach())
    none, clicks, diversity, both = attention
    torch.testing.assert_close(both - diversity, clicks - none)
    assert (clicks - none).abs().max() > 1e-3
    for_clicks = cmr.slates(log, np.arange(300), SLOTS)
    cmr.settings["diversity_weight"] = 1.0
    for_both = cmr.slates(log, np.arange(300), SLOTS)
    assert distinct_groups(log, for_both) > distinct_groups(log, for_clicks)


def distinct_groups(log: object, slates: torch.Tensor) -> float:
    """The mean number of groups on a page."""
    groups, offsets = log.candidate["group"], log.candidate_offsets[:-1]  # type: ignore[attr-defined]
    counts = [
        len({int(groups[first + place]) for place in slate if place >= 0})
        for first, slate in zip(offsets, slates.tolist(), strict=True)
    ]
    return float(np.mean(counts))
