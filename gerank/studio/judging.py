"""What a slate is worth: the utilities that the artifact was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, pad_slots
from gerank.data.collate_requests import collate_requests
from gerank.data.contract import RequestContract
from gerank.data.pinned_above import parted
from gerank.data.simulator import SimulatorTruth
from gerank.studio.pages import Page
from gerank.train.conclusions import check_finished
from gerank.train.config import UtilityConfig
from gerank.train.device import CPU
from gerank.train.feedback import (
    EvaluatorFeedback,
    Feedback,
    FullFeedback,
    TrueFeedback,
    WithHeads,
)
from gerank.train.feedback_checkpoint import load_heads
from gerank.train.judged import JudgedSlates
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.utilities import Utility, build_utilities


@dataclass(frozen=True)
class UtilityRow:
    """One utility of the slates before and after.

    Attributes:
        name: Names the utility.
        weight: As asked for.
        scale: The weight is relative to it: R_w = sum_i w_i U_i / scale_i.
        before, after: U_i; None where it cannot be known.
        unknown: Why it cannot be known.
    """

    name: str
    weight: float
    scale: float
    before: float | None
    after: float | None
    unknown: str = ""


@dataclass(frozen=True)
class SlateJudge:
    """Scores slates of single pages. Gates over a batch stand open: a page is no batch.

    Attributes:
        contract: Comes from the artifact.
        functions: Utility name -> its function, or why there is none.
        scales: Utility name -> scale; 1 where not named.
        feedback: Who says how users react; None where nobody can.
    """

    contract: RequestContract
    functions: Mapping[str, Utility | str]
    scales: Mapping[str, float] = field(default_factory=dict)
    feedback: Feedback | None = None

    def rows(
        self,
        page: Page,
        before: tuple[int, ...],
        after: tuple[int, ...],
        weights: Mapping[str, float],
    ) -> tuple[UtilityRow, ...]:
        """The utilities of two slates of a page: candidate per slot, -1 where empty."""
        judged = self._judged(page, before, after)
        rows = []
        for name, weight in weights.items():
            values, unknown = self._values(name, judged)
            scale = self.scales.get(name, 1.0)
            rows.append(UtilityRow(name, weight, scale, *values, unknown))
        return tuple(rows)

    def _judged(self, page: Page, before: tuple[int, ...], after: tuple[int, ...]) -> JudgedSlates:
        width = max(len(before), len(after), 1)
        both = (
            pad_slots(torch.tensor(slate, dtype=torch.int64), width) for slate in (before, after)
        )
        slates = torch.stack([*both])[None]  # [1, 2, N]
        features, above = parted(collate_requests([page.request], self.contract))
        nothing = torch.zeros(1, width)
        pages = ExposureBatch(*features, slates[:, 0], nothing, nothing, nothing, *above)
        if self.feedback is None:  # what depends on clicks is then no number either
            unknown = torch.full(slates.shape, torch.nan)
            click, any_click = unknown, unknown[..., 0]
        else:
            click, any_click = self.feedback(np.array([page.row]), pages, slates)
        further: dict[str, Tensor] = {}
        if isinstance(self.feedback, FullFeedback):
            further = self.feedback.further(pages, slates, click)
        schema = self.contract.schema
        return JudgedSlates(schema, pages, slates, click, any_click, False, further)

    def _values(
        self, name: str, judged: JudgedSlates
    ) -> tuple[tuple[float | None, float | None], str]:
        function = self.functions[name]
        if isinstance(function, str):
            return (None, None), function
        values: Tensor = function(judged)  # [1, 2]
        before, after = values[0].tolist()
        if np.isnan(after):
            return (None, None), "needs clicks: pass --run, or --data with a simulated log"
        return (before, after), ""


def judge_of_artifact(
    contract: RequestContract, described: Mapping[str, Any], data: Path | None
) -> SlateJudge:
    """By what the manifest says of utilities; clicks by the truth, where the data is simulated.

    A function of the user's is not run because a file names it.

    Raises:
        TruthError: The truth beside the log is damaged.
    """
    functions: dict[str, Utility | str] = {}
    for name in contract.weights:
        entry = described.get(name, {})
        kind, options = entry.get("utility", ""), entry.get("options", {})
        if ":" in kind:
            functions[name] = f"{kind} is run with --run alone"
            continue
        functions[name] = _function(name, UtilityConfig(utility=kind, options=options), contract)
    scales = {name: entry.get("scale", 1.0) for name, entry in described.items()}
    truth = data is not None and (data / "truth.npz").exists()
    feedback = TrueFeedback(SimulatorTruth.read(data)) if truth and data else None
    return SlateJudge(contract, functions, scales, feedback)


def judge_of_run(contract: RequestContract, run: Path, device: torch.device = CPU) -> SlateJudge:
    """By the evaluator, which computes on `device`, and the utilities of a training run.

    Raises:
        RunError: `run` is no finished run, or one of another model.
        ConfigError: A utility cannot be built, a user's function among them.
    """
    folder = RunFolder.open(run, device)
    check_finished(folder)
    if set(folder.config.reward) != set(contract.weights):
        ours, theirs = sorted(contract.weights), sorted(folder.config.reward)
        raise RunError(f"{run}: its utilities are {theirs}, those of the artifact {ours}")
    built = build_utilities(folder.config.reward, folder.schema)
    scales = dict(zip(folder.config.reward, folder.scales.tolist(), strict=True))
    functions = dict(zip(folder.config.reward, built, strict=True))
    feedback = WithHeads(EvaluatorFeedback(folder.load_evaluator()), load_heads(folder))
    return SlateJudge(contract, functions, scales, feedback)


def _function(name: str, config: UtilityConfig, contract: RequestContract) -> Utility | str:
    try:
        return build_utilities({name: config}, contract.schema)[0]
    except ConfigError as error:
        return str(error)
