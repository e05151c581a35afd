"""What may be wrong with a run: named checks, each with a figure, a threshold and an advice.

All thresholds stand here. The figures are taken in `gerank.train.warning_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gerank.train.verdict import MOST_OUTSIDE, Judgement, believes, disagree

FEWEST_OF_A_CLASS = 30
"""Slots with a click, and slots without, that training pages should have."""
FEWEST_PAGES = 500
"""Training pages below which next to nothing is learnt, whatever the sizes."""
NUMBERS_PER_PAGE = 100
"""Numbers that a generator may have for every training page: a rule of thumb."""
LEAST_AUC = 0.5
"""Within-page slot AUC that a coin has."""
MOST_CALIBRATION_ERROR = 0.03
"""Calibration error of a page head beyond what chance alone gives at so many pages."""
LEAST_SHARE_SHOWN = 0.01
"""Share of the training pages that should show a slot that is asked for."""
MOST_SORTED = 0.95
"""Mean rank correlation of slot and feature within pages from which a log is taken as a sort. A
sort of simulated pages under a spacing rule has .97, with a tenth of the pages shuffled .89."""


@dataclass(frozen=True)
class RunWarning:
    """One thing that may be wrong.

    Attributes:
        name: The name of the check.
        figure: What was measured.
        threshold: What it was compared with.
        text: What was found, in a sentence.
        advice: What to do about it.
    """

    name: str
    figure: float
    threshold: float
    text: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """The document that run.json holds."""
        return asdict(self)

    def sentence(self) -> str:
        """In one line."""
        return f"{self.name}: {self.text} {self.advice}"


def one_class_feedback(clicked: int, shown: int) -> RunWarning | None:
    """Feedback that is nearly always the same teaches nothing.

    Args:
        clicked: Training slots with a click.
        shown: All training slots.
    """
    fewer = min(clicked, shown - clicked)
    if fewer >= FEWEST_OF_A_CLASS:
        return None
    return RunWarning(
        "one-class feedback",
        fewer,
        FEWEST_OF_A_CLASS,
        f"{clicked} of {shown} shown slots of the training pages are clicked; at least "
        f"{FEWEST_OF_A_CLASS} of either kind are needed.",
        "Check how clicks were logged, or log for longer.",
    )


def too_few_pages(pages: int, numbers: int) -> RunWarning | None:
    """A generator with many numbers learns few pages by heart.

    Args:
        pages: Training pages.
        numbers: That the generator learns, tables of ids left out.
    """
    needed = max(FEWEST_PAGES, numbers / NUMBERS_PER_PAGE)
    if pages >= needed:
        return None
    return RunWarning(
        "too few pages",
        pages,
        needed,
        f"There are {pages} training pages for a generator of {numbers} numbers; {needed:.0f} "
        "would be few.",
        "Log more pages, or lower generator.width and generator.attention_width.",
    )


def too_few_to_compare(pages: int) -> RunWarning | None:
    """Re-rankers and judges that learn from few pages differ by chance.

    Args:
        pages: Training pages.
    """
    if pages >= FEWEST_PAGES:
        return None
    return RunWarning(
        "too few pages",
        pages,
        FEWEST_PAGES,
        f"{pages} pages teach the re-rankers, and fewer the judges; {FEWEST_PAGES} would be few.",
        "Do not choose by these tables; log more pages.",
    )


def too_few_resamples(resamples: int, comparisons: int) -> RunWarning | None:
    """Few resamples bound the p-values of many comparisons, so that none can be told apart.

    Args:
        resamples: R; no p-value is below 2 / (R + 1).
        comparisons: How many are corrected together.
    """
    fewest = 40 * comparisons  # 2 / (R + 1) times the comparisons is then below 5 %
    if resamples >= fewest:
        return None
    return RunWarning(
        "too few resamples",
        resamples,
        fewest,
        f"With {resamples} resamples no p-value of {comparisons} comparisons can be below 5 %.",
        f"Set resamples to {10 * fewest} or more.",
    )


def auc_of_a_coin(auc: float | None) -> RunWarning | None:
    """The evaluator does not know which slot of a page is clicked.

    Args:
        auc: Mean within-page slot AUC on held-out pages; None where no page has both kinds of
            slots, which is another warning's.
    """
    if auc is None or auc > LEAST_AUC:
        return None
    return RunWarning(
        "AUC at or below one half",
        auc,
        LEAST_AUC,
        f"On held-out pages the evaluator's AUC among the slots of a page is {auc:.3f}, no better "
        "than a coin's.",
        "Do not use the generator; look at the features of the candidates.",
    )


def miscalibration(head: str, error: float, by_chance: float) -> RunWarning | None:
    """Predictions of a page head do not mean what they say.

    Args:
        head: What it predicts.
        error: Expected calibration error on held-out pages, 0..1.
        by_chance: What a calibrated head would show on as many pages.
    """
    beyond = error - by_chance
    if beyond <= MOST_CALIBRATION_ERROR:
        return None
    return RunWarning(
        f"miscalibration ({head})",
        beyond,
        MOST_CALIBRATION_ERROR,
        f"On held-out pages P({head}) is off by {error:.3f} on average, {beyond:.3f} more than "
        "chance explains.",
        "Do not read gains as clicks; check that training and held-out people are alike.",
    )


def unlogged_slots(shares: Sequence[float]) -> RunWarning | None:
    """Slots that few pages show are guessed.

    Args:
        shares: Per slot of data.slots, the share of the training pages that show it.
    """
    if min(shares) >= LEAST_SHARE_SHOWN:
        return None
    unseen = [str(slot) for slot, share in enumerate(shares) if share < LEAST_SHARE_SHOWN]
    return RunWarning(
        "unlogged slots",
        min(shares),
        LEAST_SHARE_SHOWN,
        f"Slots {', '.join(unseen)} (0-based) are shown on less than {LEAST_SHARE_SHOWN:.0%} of "
        "the training pages: what happens there is a guess.",
        "Set data.slots to what is shown, or log longer pages.",
    )


def unseen_above(share: float, network: str) -> RunWarning | None:
    """Pages follow others in a feed, and the evaluator sees each of them alone.

    Args:
        share: The share of training pages that something stands above.
        network: Names the evaluator's network of one's own; empty = it has none, and sees it.
    """
    if not network or share <= 0:
        return None
    return RunWarning(
        "unseen above",
        share,
        0,
        f"Something stands above {share:.0%} of the training pages, and the evaluator's network "
        f"{network} sees pages alone.",
        "Leave evaluator.network out to learn what repeats across pages do.",
    )


def no_exploration(sorted_by: Mapping[str, float]) -> RunWarning | None:
    """A log that is a sort never shows what would happen otherwise.

    Args:
        sorted_by: Dense candidate feature -> mean rank correlation of the slot and it within the
            pages; of either sign.
    """
    if not sorted_by:
        return None
    feature = max(sorted_by, key=lambda name: abs(sorted_by[name]))
    correlation = abs(sorted_by[feature])
    if correlation <= MOST_SORTED:
        return None
    return RunWarning(
        "no exploration",
        correlation,
        MOST_SORTED,
        f"Training pages are sorted by {feature}: the mean rank correlation of slot and {feature} "
        f"within a page is {correlation:.3f}.",
        "Show a share of the pages in another order; without it a gain cannot be known from the "
        "log.",
    )


def disagreement(judgement: Judgement) -> RunWarning | None:
    """Some judges are sure of a gain and others are not."""
    doubters = [opinion.name for opinion in judgement.opinions if not believes(opinion)]
    if not disagree(judgement.opinions):
        return None
    return RunWarning(
        "judges disagree",
        len(doubters),
        0,
        f"{len(doubters)} of {len(judgement.opinions)} judges do not believe in a gain: "
        f"{', '.join(doubters)}.",
        "Do not serve the generator on this evidence; more pages, or a tenth of them in random "
        "order, can settle it.",
    )


def off_support(judgement: Judgement) -> RunWarning | None:
    """The generator goes where the log has no data."""
    if judgement.outside <= MOST_OUTSIDE:
        return None
    return RunWarning(
        "off support",
        judgement.outside,
        MOST_OUTSIDE,
        f"{100 * judgement.outside:.1f} % of the generator's slots hold items of a strength that "
        "the log never showed there.",
        "Raise generator.support_price, or log such pages.",
    )
