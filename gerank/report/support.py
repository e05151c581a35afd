"""Where the slates lie beside what the log has shown: no judge knows what was never tried."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from gerank.report.drawing import count_across, draw, plot_series, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, styles_of
from gerank.train.evidence import Evidence
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judge_run import share_outside, slate_strengths
from gerank.train.report import Cell, Table
from gerank.train.verdict import MOST_OUTSIDE

_WORDS = (
    "The log shows strong items on top. What a weak one would earn there it does not say, and no "
    "judge has seen it either. So the strengths of the items that the training pages showed at "
    "every slot are kept, from the first to the last hundredth, and slots whose item lies outside "
    f"of them are counted: beyond {100 * MOST_OUTSIDE:.0f} % no gain is believed."
)
_ITEM_WORDS = (
    "An item that the logged page did not show at all has no click in the log to be judged by."
)


def support_section(evidence: Evidence) -> Section:
    """Shares outside of the logged strengths, their spread by slot, and where items stood."""
    if evidence.evaluator is None:
        return Section("Support in the log", (_ITEM_WORDS,), [_places(evidence)])
    return Section(
        "Support in the log",
        (_WORDS, _ITEM_WORDS),
        [_by_slot(evidence, evidence.evaluator), _places(evidence)],
        [_shares(evidence, evidence.evaluator), _strengths(evidence, evidence.evaluator)],
    )


def _shares(evidence: Evidence, evaluator: EvaluatorFeedback) -> Drawing:
    """Bars of the share of slots outside, by policy."""
    shares = {
        name: 100 * share_outside(evaluator, evidence.log, order)
        for name, order in evidence.slates.items()
    }

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        rows = np.arange(len(shares))[::-1]
        for row, (name, share) in zip(rows, shares.items(), strict=True):
            panel.barh(row, share, color=styles_of(shares)[name].colour)
            panel.annotate(
                f"{share:.4g} %",
                (share, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        panel.axvline(100 * MOST_OUTSIDE, color=GREY, linewidth=1.0, linestyle=(0, (4.0, 2.0)))
        panel.set_yticks(rows, [*map(shortened, shares)])
        panel.set_xlim(0, 1.2 * max([*shares.values(), 100 * MOST_OUTSIDE]))
        set_labels(panel, "slots of a strength never logged there", "% of the filled slots")

    caption = (
        "Slots outside of what the log has shown; the dashed line is the most that is believed."
    )
    return draw(paint, caption, panel_in=(6.0, 2.4))


def _strengths(evidence: Evidence, evaluator: EvaluatorFeedback) -> Drawing:
    """The logged range of strengths by slot, and the middle nine tenths of two policies."""
    support = evaluator.evaluator.support
    spreads = {name: _spread(evidence, evaluator, name) for name in ("logged", "generator")}
    slots = np.arange(len(spreads["logged"]))

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        low, high = (end[: len(slots)].cpu().numpy() for end in (support.low, support.high))
        panel.fill_between(
            slots, low, high, color=GREY, alpha=0.25, linewidth=0, label="training pages, 1 to 99 %"
        )
        styles = styles_of(spreads)
        for shift, (name, spread) in zip((-0.12, 0.12), spreads.items(), strict=True):
            panel.vlines(slots + shift, spread[:, 0], spread[:, 2], color=styles[name].colour)
            plot_series(panel, slots + shift, spread[:, 1], name, styles[name], joined=False)
        count_across(panel)
        set_labels(panel, "strength of the items by slot", "slot, from 0", "logit")
        panel.legend(loc="upper right", ncols=3)

    caption = (
        "The items' own parts of the logit, as the training evaluator sees them: medians with 5 to "
        "95 %, of these pages as logged and as generated, over the range that the training pages "
        "showed at the slot."
    )
    return draw(paint, caption, panel_in=(7.6, 3.2))


def _spread(evidence: Evidence, evaluator: EvaluatorFeedback, policy: str) -> NDArray[np.float64]:
    """[N', 3] the 5, 50 and 95 % quantiles of the strengths at the slots that are filled."""
    order = evidence.slates[policy]
    strengths = slate_strengths(evaluator, evidence.log, order).double().numpy()
    filled = (order >= 0).numpy()
    quantiles = [
        np.quantile(strengths[filled[:, slot], slot], [0.05, 0.5, 0.95])
        for slot in range(filled_slots(evidence))
    ]
    return np.array(quantiles)


def filled_slots(evidence: Evidence) -> int:
    """The first slots, which both the logged and the generated pages fill somewhere."""
    logged, ours = ((evidence.slates[name] >= 0).any(0) for name in ("logged", "generator"))
    return int((logged & ours).sum())


def _by_slot(evidence: Evidence, evaluator: EvaluatorFeedback) -> Table:
    support = evaluator.evaluator.support
    order = evidence.slates["generator"]
    away = support.distance(slate_strengths(evaluator, evidence.log, order)) > 0
    filled = order >= 0
    spreads = [_spread(evidence, evaluator, name)[:, 1] for name in ("logged", "generator")]
    rows: list[tuple[Cell, ...]] = []
    for slot, (logged, ours) in enumerate(zip(*spreads, strict=True)):
        there = filled[:, slot]
        share = 100 * away[there, slot].double().mean().item()
        ends = support.low[slot].item(), support.high[slot].item()
        rows.append((f"{slot}", *ends, float(logged), float(ours), share))
    columns = (
        *("slot", "logged, 1 %", "logged, 99 %", "logged page, median", "generator, median"),
        "generator outside, %",
    )
    return Table("Strength of the items by slot", columns, tuple(rows))


def _places(evidence: Evidence) -> Table:
    """Where the items of every policy's slates stood on the logged page."""
    logged = evidence.slates["logged"]
    rows: list[tuple[Cell, ...]] = []
    for name, order in evidence.slates.items():
        rows.append((name, *place_shares(order, logged)))
    columns = ("slates", "same slot, %", "another slot, %", "not shown, %")
    return Table("Where the items stood on the logged page", columns, tuple(rows))


def place_shares(order: Tensor, logged: Tensor) -> tuple[float, float, float]:
    """Shares of the items of slates [E, N] in % by where they stood on the logged ones [E, N].

    Returns:
        Those in the same slot, in another one, and not shown at all.
    """
    filled = order >= 0
    shown = (order.unsqueeze(2) == logged.unsqueeze(1)).any(2) & filled
    same = (order == logged) & filled
    count = max(1, int(filled.sum()))
    parts = (same, shown & ~same, filled & ~shown)
    in_same, in_other, nowhere = (100 * int(some.sum()) / count for some in parts)
    return in_same, in_other, nowhere
