"""A comparison from its configuration to its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.compare.cells import Cell, CellKind, cells_of, read_cell, rows_of, seeds_of
from gerank.compare.config import CompareConfig
from gerank.compare.differences import Differences, differences
from gerank.compare.foreign import read_slates
from gerank.compare.optimum import SlateValue, best_known
from gerank.compare.processes import run_cells
from gerank.compare.results import TRUE_CLICKS, Policy, Results, gather
from gerank.compare.tables import (
    Best,
    measure_table,
    off_policy_tables,
    optimum_table,
    settings_table,
)
from gerank.compare.workspace import CompareError, Workspace
from gerank.data.batch import pad_slots
from gerank.only_writer import only_writer
from gerank.rl.rewards import weighted_reward
from gerank.train.evaluate import default_weights
from gerank.train.judge import mean_feedback
from gerank.train.judge_run import judges_of
from gerank.train.logged_click_tables import propensity_gap
from gerank.train.page_batches import at_most
from gerank.train.report import Table, to_json
from gerank.train.reward import UtilityReward
from gerank.train.writing import write_text


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        space: The pages and settings.
        results: What was found of every re-ranker, page by page.
        differences: The reference against the others, by every measure.
        best: The best slates; None where they were not looked for.
        off_policy: Tables of what logged clicks estimate; empty where propensities are unknown.
        fit_seconds: Name -> seconds of the fits whose slates are compared, by seed.
    """

    space: Workspace
    results: Results
    differences: list[Differences]
    best: Best | None
    off_policy: list[Table]
    fit_seconds: dict[str, list[float]]

    @property
    def tables(self) -> list[Table]:
        """All of it, for people."""
        tables = [measure_table(found) for found in self.differences]
        if self.best is not None:
            tables.append(optimum_table(self.best, self.results))
        gap = propensity_gap(self.space.test)
        tables += self.off_policy if gap is None else [gap]
        return [*tables, settings_table(self.results, self.space.lacking)]

    def to_json(self) -> dict[str, Any]:
        """All figures as numbers."""
        return {"tables": to_json(self.tables), "fit_seconds": self.fit_seconds}


def compare(
    config: CompareConfig,
    test: Path,
    out: Path,
    *,
    slates: Mapping[str, Path] | None = None,
    resume: bool = False,
    plan: Callable[[list[Cell]], None] = lambda cells: None,
    watch: Callable[[Cell, bool], None] = lambda cell, is_done: None,
) -> Comparison:
    """Trains, tunes and judges re-rankers, each in cells that are kept as they are done.

    Args:
        config: The comparison.
        test: Folder of an exposure log of other people.
        out: Folder of the comparison.
        slates: Name -> file of slates that another system chose for the test pages.
        resume: Go on with the comparison that `out` holds.
        plan: Is told of all cells before the first begins.
        watch: Is told of every cell that begins (False) and that is done (True).

    Raises:
        CompareError: The logs do not fit, `out` holds another comparison, a name is there twice, or
            the pages are unfit for the reference.
        ForeignSlatesError: A file of slates does not fit the test pages.
        CellError: The work of a cell failed.
        FolderInUseError: Another process writes into `out`.
    """
    space = Workspace.read(config, test, out)
    config = space.config
    foreign = {
        name: read_slates(path, space.test, config.data.slots)
        for name, path in (slates or {}).items()
    }
    for name in foreign:
        if name in rows_of(config):
            raise CompareError(f"slates {name!r}: a comparator has this name; choose another one")
    with only_writer(out):
        space.begin(resume=resume)
        plan(list(cells_of(config)))
        run_cells(config, test, out, watch)
        results = gather(space, foreign)
        comparison = _compared(space, results)
        write_text(out / "tables.json", json.dumps(comparison.to_json(), indent=2) + "\n")
    return comparison


def _compared(space: Workspace, results: Results) -> Comparison:
    config, policies, reference = space.config, results.policies, space.config.reference
    if reference not in policies:
        raise CompareError(
            f"reference {reference!r} was left out: {results.left_out[reference]}; choose another "
            "one and pass --resume"
        )
    people = np.asarray(space.test.person_ids).astype(np.str_)
    drawn = {"seed": config.seed, "resamples": config.resamples}
    found = [
        differences(measure, policies, reference, people, **drawn)
        for measure in policies[reference].measures
    ]
    shown = space.test.shown(space.test_rows, config.data.slots)
    clicks = pad_slots(shown.clicks, config.data.slots, 0).double().numpy()
    off_policy = off_policy_tables(policies, clicks, people, seed=config.seed)
    best, seconds = _best(space, policies), _fit_seconds(space, results)
    return Comparison(space, results, found, best, off_policy, seconds)


def _best(space: Workspace, policies: Mapping[str, Policy]) -> Best | None:
    """The best slates by the truth, or where it is unknown by the first judge."""
    measure, value = _value(space)
    if not space.config.optimum_pages or value is None:
        return None
    rows = at_most(space.test_rows, space.config.optimum_pages)
    slates = np.concatenate([policy.slates[:, rows] for policy in policies.values()])
    with torch.no_grad():
        values, enumerated = best_known(value, space.test, rows, torch.from_numpy(slates))
    return Best(measure, rows, values.numpy(), enumerated)


def _value(space: Workspace) -> tuple[str, SlateValue | None]:
    if space.truth is not None:
        return TRUE_CLICKS, space.truth.expected_clicks
    run = space.judges
    judges = judges_of(run)
    if not judges:
        return "", None
    name = next(iter(judges))
    reward = UtilityReward(mean_feedback(judges[name]), space.test.schema, run.config.reward)
    weights = default_weights(run) / run.scales

    def judged(rows: NDArray[np.int64], slates: Tensor) -> Tensor:
        utilities = reward(rows, space.test.batch(rows), slates)  # [B, G, U]
        return weighted_reward(utilities, weights.expand(len(rows), -1))

    return name, judged


def _fit_seconds(space: Workspace, results: Results) -> dict[str, list[float]]:
    found = {}
    for name, policy in results.policies.items():
        if policy.settings is not None:
            seeds = seeds_of(space.config, name)
            cells = (Cell(CellKind.SEED, name, seed).file(space.out) for seed in seeds)
            found[name] = [read_cell(path)[0]["fit_seconds"] for path in cells]
    return found
