"""What the cells of a comparison found, put together: per policy, per seed, per test page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.compare.cells import Cell, CellKind, read_cell, rows_of, seeds_of
from gerank.compare.judging import logged_ndcg
from gerank.compare.tuning import Tuning, first_values
from gerank.compare.work import PREDICTED, SLATES, TRUTH, judged, shown_slates
from gerank.compare.workspace import Workspace
from gerank.train.logged_clicks import PageValues, WeightedValues, page_values
from gerank.train.orders import exposed_slates

Floats = NDArray[np.float64]

TRUE_CLICKS = "true clicks"
_REPEATS = "repeats of"


@dataclass(frozen=True)
class Policy:
    """One row of the tables.

    Attributes:
        name: As in the configuration, or of foreign slates.
        settings: As chosen; None of foreign slates.
        firsts: The first value of every setting.
        is_logged: Whether its slates are what the log showed, on every page.
        slates: [S, E, N] int64. By seed, cut to the length that was shown.
        measures: Name -> [S, E] values; larger is better unless `fewer_is_better` says otherwise.
        weighted: By the log's propensities, averaged over the seeds: what a policy that draws a
            seed would earn. None where propensities are unknown.
    """

    name: str
    settings: dict[str, Any] | None
    firsts: dict[str, Any]
    is_logged: bool
    slates: NDArray[np.int64]
    measures: dict[str, Floats]
    weighted: WeightedValues | None


@dataclass(frozen=True)
class Results:
    """All policies, and who could not take part.

    Attributes:
        policies: Name -> what was found.
        left_out: Name -> why.
        tunings: Name of every comparator -> the settings that it was tried with.
        logged: What the log showed, whether or not it is one of the rows.
    """

    policies: dict[str, Policy]
    left_out: dict[str, str]
    tunings: dict[str, Tuning]
    logged: Policy

    @property
    def first_measure(self) -> str:
        """What counts most: the truth where it is known, else the first judge or logged clicks."""
        measures = self.logged.measures
        return TRUE_CLICKS if TRUE_CLICKS in measures else next(iter(measures))


def fewer_is_better(measure: str) -> bool:
    """Whether a measure counts repeats."""
    return measure.startswith(_REPEATS)


def gather(space: Workspace, foreign: dict[str, NDArray[np.int64]]) -> Results:
    """Reads all cells; judges foreign slates [E, N].

    Raises:
        CellError: A cell is missing or damaged.
    """
    policies: dict[str, Policy] = {}
    left_out: dict[str, str] = {}
    tunings: dict[str, Tuning] = {}
    for name in rows_of(space.config):
        tunings[name] = Tuning.from_json(read_cell(Cell(CellKind.CHOICE, name).file(space.out))[0])
        seeds = seeds_of(space.config, name)
        document, _ = _read(space, CellKind.SEED, name, seeds[0])
        if "left_out" in document:
            left_out[name] = document["left_out"]
            continue
        slates = [_read(space, CellKind.SEED, name, seed)[1][SLATES] for seed in seeds]
        rewards = [_read(space, CellKind.JUDGED, name, seed)[1] for seed in seeds]
        policies[name] = _policy(space, name, document["settings"], slates, rewards)
    for name, order in foreign.items():
        policies[name] = _policy(space, name, None, [order], [judged(space, order)])
    return Results(policies, left_out, tunings, _logged(space, policies))


def _logged(space: Workspace, policies: dict[str, Policy]) -> Policy:
    for policy in policies.values():
        if policy.is_logged:
            return policy
    order = exposed_slates(space.test, space.config.data.slots).numpy()
    return _policy(space, "logged", None, [order], [judged(space, order)])


def _read(
    space: Workspace, kind: CellKind, name: str, seed: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    return read_cell(Cell(kind, name, seed).file(space.out))


def _policy(
    space: Workspace,
    name: str,
    settings: dict[str, Any] | None,
    slates: list[NDArray[np.int64]],
    rewards: list[dict[str, NDArray[Any]]],
) -> Policy:
    cut = [shown_slates(space, order) for order in slates]
    measures: dict[str, Floats] = {}
    for judge in rewards[0]:
        if judge == PREDICTED:
            continue
        title = TRUE_CLICKS if judge == TRUTH else judge
        measures[title] = np.stack([found[judge] for found in rewards])
    slots = space.config.data.slots
    measures[f"NDCG@{slots} of logged clicks"] = np.stack(
        [logged_ndcg(space.test, order.numpy()) for order in cut]
    )
    for key, column in zip(space.test.schema.groups, space.test.schema.group_columns, strict=True):
        measures[f"{_REPEATS} {key} in neighbouring slots"] = np.stack(
            [neighbouring_repeats(space, column, order.numpy()) for order in cut]
        )
    predicted = [found[PREDICTED] for found in rewards if PREDICTED in found]
    logged = exposed_slates(space.test, slots)
    is_logged = all(torch.equal(order, logged) for order in cut)
    return Policy(
        name,
        settings,
        {} if settings is None else _first_values(space, name),
        is_logged,
        np.stack([order.numpy() for order in cut]),
        measures,
        _weighted(space, cut, predicted, is_logged=is_logged),
    )


def _first_values(space: Workspace, name: str) -> dict[str, Any]:
    """The first values of a row, as the cells have them."""
    firsts: dict[str, Any] = json.loads(json.dumps(first_values(name, rows_of(space.config)[name])))
    return firsts


def neighbouring_repeats(space: Workspace, column: int, slates: NDArray[np.int64]) -> Floats:
    """[E] in how many slots of slates [E, N] the group is that of the slot above."""
    feature = space.test.schema.candidate_ids[column].name
    places = space.test.candidate_offsets[:-1, None] + np.maximum(slates, 0)
    groups = np.where(slates >= 0, space.test.candidate[feature][places], -1)
    same = (groups[:, 1:] == groups[:, :-1]) & (groups[:, 1:] >= 0)
    repeats: Floats = same.sum(1).astype(np.float64)
    return repeats


def _weighted(
    space: Workspace,
    slates: list[Tensor],
    predicted: list[NDArray[np.float32]],
    *,
    is_logged: bool,
) -> WeightedValues | None:
    """Estimates from logged clicks; what was logged has weights of one, for it drew the slates."""
    slates, predicted = (slates[:1], predicted[:1]) if is_logged else (slates, predicted)
    keys = ["logged"] if is_logged else list(map(str, range(len(slates))))
    orders = dict(zip(keys, slates, strict=True))
    expected = None
    if predicted:
        expected = dict(zip(keys, map(torch.from_numpy, predicted), strict=True))
    found: list[PageValues] = list(page_values(orders, expected, space.test).values())
    known = [values.weighted for values in found if values.weighted is not None]
    if len(known) < len(found):
        return None
    robust = [each.doubly_robust for each in known if each.doubly_robust is not None]
    return WeightedValues(
        np.mean([each.ips for each in known], axis=0),
        (
            np.mean([each.snips[0] for each in known], axis=0),
            np.mean([each.snips[1] for each in known], axis=0),
        ),
        None if not robust else np.mean(robust, axis=0),
        np.mean([each.weights for each in known], axis=0),
        np.mean([each.target_slots for each in known], axis=0),
    )
