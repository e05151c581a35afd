"""The pipeline that a re-ranker replaces: sort by score, then greedy rule passes in sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from simulated import Pages
from torch import Tensor

from gerank.metrics.control import pareto_front


@dataclass(frozen=True)
class Pipeline:
    """One setting of the pipeline.

    Attributes:
        boost: Ordering pass: added to the logit of the score per unit of priority.
        window: Diversity pass: slots in which a group is looked for; 0 = no such pass.
        penalty: Diversity pass: taken from the logit per time the group stands in the window.
        order_last: Whether a last pass sorts the chosen items by priority, score within.
    """

    boost: float
    window: int
    penalty: float
    order_last: bool


def grid(slots: int) -> list[Pipeline]:
    """Every setting that is tried; the tuned pipeline is the best of them for its purpose."""
    passes = [(0, 0.0), *((w, p) for w in (2, 3, slots) for p in (0.25, 0.5, 1.0, 2.0, 8.0))]
    return [
        Pipeline(boost, window, penalty, last)
        for boost in (0.0, 0.15, 0.3, 0.6, 1.2, 8.0)
        for window, penalty in passes
        for last in (False, True)
    ]


def rank(pages: Pages, pipeline: Pipeline, priority: dict[str, float], slots: int) -> Tensor:
    """[E, N] slates; every page has the same number of candidates."""
    score, category, rank_of = columns(pages, priority)
    value = np.log(score / (1 - score)) + pipeline.boost * rank_of
    free = np.ones(value.shape, dtype=bool)
    chosen = np.empty((len(value), slots), dtype=np.int64)
    everyone = np.arange(len(value))
    for slot in range(slots):
        recent = chosen[:, max(0, slot - pipeline.window) : slot]
        groups = np.take_along_axis(category, recent, axis=1)
        repeats = (category[:, :, None] == groups[:, None, :]).sum(2)
        adjusted = np.where(free, value - pipeline.penalty * repeats, -np.inf)
        chosen[:, slot] = adjusted.argmax(1)
        free[everyone, chosen[:, slot]] = False
    slates = torch.from_numpy(chosen)
    return final_sort(pages, slates, priority) if pipeline.order_last else slates


def final_sort(pages: Pages, slates: Tensor, priority: dict[str, float]) -> Tensor:
    """[E, N] the same items by falling priority; what is alike stays in its order."""
    rank_of = torch.from_numpy(columns(pages, priority)[2])
    order = rank_of.gather(1, slates).argsort(dim=1, descending=True, stable=True)
    return slates.gather(1, order)


def columns(
    pages: Pages, priority: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Upstream score, category and priority of the content type, each [E, M]."""
    log = pages.log
    shape = (len(log), -1)
    (content,) = (f for f in log.schema.candidate if f.name == "content_type")
    table = np.array([priority[value] for value in content.values])
    return (
        log.candidate["ctr_score"].reshape(shape).astype(np.float64),
        log.candidate["category"].reshape(shape),
        table[log.candidate["content_type"]].reshape(shape),
    )


def pareto(points: dict[Pipeline, list[float]]) -> list[Pipeline]:
    """Settings that no other beats in all utilities."""
    front = pareto_front([*points.values()]).tolist()
    return [setting for setting, kept in zip(points, front, strict=True) if kept]
