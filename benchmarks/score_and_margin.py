"""Pages where the value of the upstream score counts: an item's margin is earned with its clicks.

All that these pages tell of an item's appeal is its click score (and who sells it, and what); what
a click on it earns is a feature of its own. The best order goes by the product of the two, which
the rank of a score within its page does not tell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from simulated import Pages
from torch import Tensor

from gerank.data.schema import Feature, FeatureKind
from gerank.train.config import UtilityConfig
from gerank.train.judged import JudgedSlates

SPREAD = 1.0
"""Deviation of the margin's logarithm."""

REWARD = {
    "clicks": UtilityConfig(0.5, 0.5, 0.5),
    "margin": UtilityConfig(0.5, 0.5, 0.5, "score_and_margin:earned", {"feature": "margin"}),
}
_KEPT = ("ctr_score", "seller", "category")


def earned(judged: JudgedSlates, feature: str) -> Tensor:
    """[B, G] expected margin of the page's clicks."""
    return (judged.feature(feature) * judged.slot_click).sum(-1)


def with_margin(pages: Pages, seed: int) -> Pages:
    """The same pages, their candidates known by score, seller, category and a margin drawn here."""
    log = pages.log
    normal = np.random.default_rng([seed, 3]).standard_normal(len(log.candidate_names))
    margin = np.exp(SPREAD * normal).astype(np.float32)
    schema = replace(
        log.schema,
        candidate=(
            *(feature for feature in log.schema.candidate if feature.name in _KEPT),
            Feature("margin", FeatureKind.DENSE),
        ),
        groups=("seller", "category"),
        flags=(),
    )
    candidate = {name: log.candidate[name] for name in _KEPT} | {"margin": margin}
    return Pages(replace(log, schema=schema, candidate=candidate).with_ranges(), pages.truth)
