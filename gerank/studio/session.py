"""From a page and its controls to everything that is shown; no browser in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gerank.data.contract import RequestContract
from gerank.data.request import Request
from gerank.data.request_check import check_request
from gerank.data.slate import Slate
from gerank.studio.answering import Answer
from gerank.studio.controls import Controls, controlled, default_controls
from gerank.studio.judging import SlateJudge, UtilityRow
from gerank.studio.pages import Page, PageSource
from gerank.studio.steps import Obstacle, StepExplainer, Steps

LOGGED = "as logged"
DEFAULTS = "model, default weights, no rules"
_BY = "by "


@dataclass(frozen=True, eq=False)
class Outcome:
    """A page before and after.

    Attributes:
        page: The page.
        request: What was asked.
        before: The candidate in each slot, -1 where empty.
        answer: What came back.
        utilities: Compare both slates.
    """

    page: Page
    request: Request
    before: tuple[int, ...]
    answer: Slate
    utilities: tuple[UtilityRow, ...]

    @property
    def after(self) -> tuple[int, ...]:
        """The candidate in each slot that was asked for, -1 where empty."""
        return _by_slot(self.answer, self.request.slots or 0)

    @property
    def rewards(self) -> tuple[float, float] | None:
        """R_w before and after; None where a utility with a weight is unknown."""
        before = after = 0.0
        for row in self.utilities:
            if row.weight == 0:
                continue
            if row.before is None or row.after is None:
                return None
            before += row.weight * row.before / row.scale
            after += row.weight * row.after / row.scale
        return before, after


@dataclass(frozen=True)
class BoundRule:
    """A rule that changed what could be chosen at a slot.

    Attributes:
        slot: Where.
        rule: `pin`, `spacing` or `quotas`.
        relaxed: Whether the rule had to be dropped there; otherwise it ruled candidates out.
        ruled_out: How many candidates.
        withheld: The share of probability that they would have had.
    """

    slot: int
    rule: str
    relaxed: bool = False
    ruled_out: int = 0
    withheld: float = 0.0


@dataclass(frozen=True)
class Session:
    """All that the page needs to know of one artifact. Thread-safe.

    Attributes:
        contract: What requests must satisfy.
        pages: To pick from.
        answer: Who re-ranks.
        judge: Who scores.
        explain: Who says why.
        presets: By name.
        model_version: Names the artifact in this process.
        served_by: Who answers, for people.
    """

    contract: RequestContract
    pages: PageSource
    answer: Answer
    judge: SlateJudge
    explain: StepExplainer
    presets: Mapping[str, Mapping[str, Any]]
    model_version: str
    served_by: str

    def orders(self, page: Page) -> tuple[str, ...]:
        """What the slate can be compared with, likeliest first."""
        features = self.contract.schema.candidate_scores
        scores = tuple(_BY + feature.name for feature in features)
        return (*((LOGGED,) if page.shown is not None else ()), DEFAULTS, *scores)

    def rerank(self, page: Page, controls: Controls, order: str) -> Outcome:
        """Re-ranks a page.

        Args:
            page: One of `pages`.
            controls: Weights and rules.
            order: One of `orders(page)`.

        Raises:
            RequestError: The artifact cannot answer such a request.
            ServerError: The server cannot be asked.
            ValueError: There is no such order.
        """
        request = controlled(page.request, controls)
        check_request(request, self.contract)  # an emptied number field never reaches a server
        answer = self.answer(request)
        before = self._before(page, controls.slots, order)
        after = _by_slot(answer, controls.slots)
        utilities = self.judge.rows(page, before, after, controls.weights)
        return Outcome(page, request, before, answer, utilities)

    def warning(self, outcome: Outcome) -> str:
        """What is amiss with an outcome: a server may serve another model; empty if nothing is."""
        answered_by = outcome.answer.model_version
        if answered_by == self.model_version:
            return ""
        return (
            f"{self.served_by} answers with {answered_by}; the probabilities and bound rules "
            f"are those of {self.model_version}"
        )

    def steps(self, outcome: Outcome) -> Steps:
        """The probabilities behind an outcome, by the artifact in this process."""
        return self.explain(outcome.request, outcome.answer)

    def _before(self, page: Page, slots: int, order: str) -> tuple[int, ...]:
        if order not in self.orders(page):
            raise ValueError(f"order: no {order!r} for page {page.request.id!r}")
        if order == DEFAULTS:
            plain = controlled(page.request, default_controls(self.contract))
            return _by_slot(self.answer(plain), self.contract.max_slots)[:slots]
        if order == LOGGED and page.shown is not None:
            return page.shown[:slots]
        scores = np.asarray(page.request.candidates[order.removeprefix(_BY)])
        return tuple(np.argsort(-scores, kind="stable")[:slots].tolist())


def bound_rules(outcome: Outcome, steps: Steps | None) -> tuple[BoundRule, ...]:
    """The rules that mattered, by slot: pins, what was ruled out, what had to be relaxed.

    Without `steps`, what was ruled out is not known.
    """
    pinned = [BoundRule(pin.slot, "pin") for pin in outcome.request.pins]
    relaxed = [
        BoundRule(slot, rule, relaxed=True)
        for slot, rules in zip(outcome.answer.slots, outcome.answer.relaxed, strict=True)
        for rule in rules
    ]
    barred = _barred(steps) if steps is not None else []
    return tuple(sorted([*pinned, *relaxed, *barred], key=lambda bound: (bound.slot, bound.rule)))


def _barred(steps: Steps) -> list[BoundRule]:
    counts = {rule: (steps.obstacles == rule).sum(1) for rule in steps.withheld}
    return [
        BoundRule(slot, _NAMES[rule], False, int(counts[rule][slot]), float(shares[slot]))
        for rule, shares in steps.withheld.items()
        for slot in np.flatnonzero(counts[rule]).tolist()
    ]


_NAMES = {Obstacle.SPACING: "spacing", Obstacle.QUOTAS: "quotas"}


def _by_slot(slate: Slate, slots: int) -> tuple[int, ...]:
    placed = dict(zip(slate.slots, slate.candidates, strict=True))
    return tuple(placed.get(slot, -1) for slot in range(slots))
