"""The first section: who is above and below the reference, by whom, and what that was found on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gerank.compare.compare import Comparison
from gerank.compare.differences import Differences, Told
from gerank.compare.results import fewer_is_better
from gerank.report.page import Mood, Paragraph, Section
from gerank.train.report import Cell, Table, show_cell

_OPPOSITE = {Told.HIGHER: Told.LOWER, Told.LOWER: Told.HIGHER}
_WHAT_IS_SURE = (
    "What is told apart here is sure in this sense: all comparisons of one measure are corrected "
    "together, so that with a probability of 95 % none of them errs."
)


def summary_section(comparison: Comparison) -> Section:
    """The verdict, the same by every measure, disagreements, who was left out, and facts."""
    words = [
        _verdict(comparison),
        *(
            Paragraph(f"{each.text} {each.advice}", each.name, Mood.WARNING)
            for each in comparison.space.warnings
        ),
        Paragraph(_WHAT_IS_SURE),
        *(_by_measure(found) for found in _first_comes_first(comparison)),
        *_disagreements(comparison),
        *_left_out(comparison),
    ]
    return Section("Summary", words, [_facts(comparison)])


def _verdict(comparison: Comparison) -> Paragraph:
    """Whether anybody is above the reference, by the measure that counts most."""
    found = _first(comparison)
    if not found.against:
        text = f"Nobody can be told apart from {found.reference} by {found.measure}."
        return Paragraph(text, "no verdict", Mood.WARNING)
    above, below = found.names(Told.LOWER), found.names(Told.HIGHER)
    count = len(found.against)
    if above:
        text = f"By {found.measure} {_listed(above)} {_is_or_are(above)} above {found.reference}."
        return Paragraph(text, "verdict: the reference is beaten", Mood.WARNING)
    text = f"By {found.measure} nobody is above {found.reference}, which is above {len(below)} of "
    return Paragraph(f"{text}{count} others.", "verdict: the reference is not beaten", Mood.FINE)


def _by_measure(found: Differences) -> Paragraph:
    if not found.against:
        return Paragraph("Too few people or re-rankers for a comparison.", found.measure)
    said = [
        f"{found.reference} is {word} {_listed(found.names(told))}"
        for told, word in (
            (Told.HIGHER, "higher than"),
            (Told.LOWER, "lower than"),
            (Told.NEITHER, "not told apart from"),
        )
        if found.names(told)
    ]
    fewer = " Less of it is better." if fewer_is_better(found.measure) else ""
    mean = show_cell(found.means[found.reference])
    text = f"{'; '.join(said)}. The mean of {found.reference} is {mean}.{fewer}"
    return Paragraph(text, found.measure)


def _disagreements(comparison: Comparison) -> Iterator[Paragraph]:
    """Where another measure says the opposite of the one that counts most, or more than it."""
    first = _first(comparison)
    for other in comparison.differences:
        if other is first or fewer_is_better(other.measure) or not other.against:
            continue
        both = [
            (name, first.against[name].told, other.against[name].told) for name in first.against
        ]
        opposite = [name for name, one, two in both if _OPPOSITE.get(one) is two]
        alone = [name for name, one, two in both if one is Told.NEITHER and two is not one]
        named = f"{other.measure} against {first.measure}"
        if opposite:
            text = f"They say the opposite of each other of {_listed(opposite)}."
            yield Paragraph(text, named, Mood.WARNING)
        elif alone:
            text = f"{other.measure} alone tells {_listed(alone)} apart from {first.reference}."
            yield Paragraph(text, named)


def _left_out(comparison: Comparison) -> Iterator[Paragraph]:
    for name, reason in comparison.results.left_out.items():
        yield Paragraph(f"It could not take part: {reason}.", name, Mood.WARNING)


def _facts(comparison: Comparison) -> Table:
    space, results = comparison.space, comparison.results
    config, log = space.config, space.test
    tried = [trial for tuning in results.tunings.values() for trial in tuning.trials]
    tries = sum(not trial.left_out for trial in tried)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("comparison", str(space.out)),
        ("log of the training", str(config.data.log)),
        ("pages that taught", f"{len(space.split.train)}"),
        ("pages that chose settings", f"{len(space.split.validation)}"),
        ("pages that taught the judges", f"{len(space.split.judge)}"),
        ("pages compared on", f"{len(log)}"),
        ("people compared on", f"{len(np.unique(log.person_ids))}"),
        ("slots", f"{config.data.slots}"),
        ("re-rankers", f"{len(results.policies)}"),
        ("reference", config.reference),
        ("seeds", ", ".join(map(str, config.seeds))),
        ("settings tried", f"{tries}, at most {config.tuning.budget} of each re-ranker"),
        ("settings chosen by", str(config.tuning.by)),
        ("truth", "simulated" if space.truth is not None else "unknown"),
    )
    return Table("The comparison and its pages", ("", "what"), rows)


def _first(comparison: Comparison) -> Differences:
    measure = comparison.results.first_measure
    return next(found for found in comparison.differences if found.measure == measure)


def _first_comes_first(comparison: Comparison) -> list[Differences]:
    first = _first(comparison)
    return [first, *(found for found in comparison.differences if found is not first)]


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _is_or_are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
