"""Which form of reading, and which strength of the prior, the held-out pages speak for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIE_ERRORS = 1.0
"""Two forms tie where their held-out losses differ by at most so many standard errors."""
LEARNT_ERRORS = 3.0
"""Items tell something where their association with clicks is above zero by more than so many
standard errors."""
SURE_ERRORS = 2.0
"""What is added to an evaluator must lower its held-out loss by more than so many errors."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Margin:
    """A difference of held-out losses per page.

    Attributes:
        difference: Mean over pages; positive = the other one is worse.
        error: Its standard error, over people; 0 of a single person, of whom nothing is known.
    """

    difference: float
    error: float

    @property
    def errors(self) -> float:
        """The difference in standard errors; 0 where no error is known: then nothing is certain."""
        return self.difference / self.error if self.error > 0 else 0.0


@dataclass(frozen=True)
class FormResult:
    """One form of reading on held-out pages.

    Attributes:
        loss: Minus the log-likelihood of a page's clicks, each given those above, per page.
        behind: By how much it is worse than the chosen one.
        tied: Whether the held-out pages cannot tell it from the chosen one.
    """

    loss: float
    behind: Margin
    tied: bool


@dataclass(frozen=True)
class ReadingChoice:
    """What the held-out pages said; kept in run.json.

    Attributes:
        chosen: Name of the form.
        forms: Name -> how it did.
        prior_strength: The strength of the prior of the chosen form.
        items: Association of the items' logits with clicks within pages, see
            `gerank.metrics.association`: what there is to learn.
        pages: Held-out pages that it was decided on.
    """

    chosen: str
    forms: dict[str, FormResult]
    prior_strength: float
    items: Margin
    pages: int

    @property
    def tied(self) -> list[str]:
        """Names of the forms that the verdict must hold under, the chosen one first."""
        others = [name for name, form in self.forms.items() if form.tied and name != self.chosen]
        return [self.chosen, *others]

    @property
    def learnt(self) -> bool:
        """Whether items tell anything about clicks at all."""
        return self.items.errors > LEARNT_ERRORS

    def to_json(self) -> dict[str, Any]:
        """The document that run.json holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ReadingChoice:
        """The inverse of `to_json`."""
        forms = {
            name: FormResult(form["loss"], Margin(**form["behind"]), form["tied"])
            for name, form in document["forms"].items()
        }
        return cls(
            document["chosen"],
            forms,
            document["prior_strength"],
            Margin(**document["items"]),
            document["pages"],
        )


def paired_margin(worse: Floats, better: Floats, people: NDArray[Any]) -> Margin:
    """Mean of `worse` - `better` over pages [E], its error over people (clustered by person)."""
    difference = np.asarray(worse, np.float64) - np.asarray(better, np.float64)
    mean = float(difference.mean())
    codes = np.unique(people, return_inverse=True)[1]
    by_person = np.bincount(codes, weights=difference - mean)
    persons = len(by_person)
    if persons < 2:
        return Margin(mean, 0.0)
    spread = np.sqrt((by_person**2).sum() * persons / (persons - 1))
    return Margin(mean, float(spread / len(difference)))


def compare_forms(losses: dict[str, Floats], people: NDArray[Any]) -> dict[str, FormResult]:
    """Results of all forms from their losses per held-out page [E], the best one first."""
    ranked = sorted(losses, key=lambda name: losses[name].mean())
    best = losses[ranked[0]]
    results = {}
    for name in ranked:
        behind = paired_margin(losses[name], best, people)
        tied = name == ranked[0] or behind.difference <= TIE_ERRORS * behind.error
        results[name] = FormResult(float(losses[name].mean()), behind, tied)
    return results


def strongest_prior(losses: dict[float, Floats], people: NDArray[Any]) -> float:
    """The strongest prior whose held-out loss is within one standard error of the best one."""
    best = min(losses, key=lambda strength: losses[strength].mean())
    within = []
    for strength, loss in losses.items():
        behind = paired_margin(loss, losses[best], people)
        if strength == best or behind.difference <= behind.error:
            within.append(strength)
    return max(within)
