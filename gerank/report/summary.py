"""The first section: what to believe, in words, and what it was found on."""

from __future__ import annotations

import numpy as np

from gerank.report.page import Mood, Paragraph, Section
from gerank.train.conclusions import verdict_of, warnings_of
from gerank.train.evaluate import Evaluation
from gerank.train.evidence import Evidence
from gerank.train.reading_choice import ReadingChoice
from gerank.train.report import Cell, Table, mean_cell, show_cell
from gerank.train.slate_tables import TRUTH
from gerank.train.verdict import Judgement, Verdict

_MEANINGS = {
    Verdict.BETTER: "The generator's slates are believed to beat the logged pages: every judge "
    "sees a gain that is above zero beyond its own doubt, and the slates hardly leave what the log "
    "has shown.",
    Verdict.NOT_BETTER: "A gain of the generator's slates over the logged pages is not believed.",
    Verdict.NOTHING_TO_LEARN: "The log does not tell where on a page clicks fall, so that no order "
    "of its items can be believed to be better than another.",
}
_NO_VERDICT = (
    "The reward of this run was no learned evaluator's, so that there is no judge and no verdict. "
    "What else is known of its slates stands below."
)


def summary_section(evaluation: Evaluation) -> Section:
    """The verdict and its reasons, what was gained by whom, warnings, and facts of the run."""
    evidence = evaluation.evidence
    words = [
        _verdict(evaluation.judgement),
        *(Paragraph(reason) for reason in _reasons(evaluation.judgement)),
        *_gained(evidence),
        *_warnings(evidence),
    ]
    return Section("Summary", words, [_facts(evidence)])


def _verdict(judgement: Judgement | None) -> Paragraph:
    if judgement is None:
        return Paragraph(_NO_VERDICT, "no verdict", Mood.WARNING)
    mood = Mood.FINE if judgement.verdict is Verdict.BETTER else Mood.WARNING
    return Paragraph(_MEANINGS[judgement.verdict], f"verdict: {judgement.verdict}", mood)


def _reasons(judgement: Judgement | None) -> tuple[str, ...]:
    return () if judgement is None else judgement.reasons


def _gained(evidence: Evidence) -> list[Paragraph]:
    """A sentence for each who has a say."""
    people = evidence.log.person_ids
    said = []
    for judge, rewards in evidence.rewards.items():
        unit = "clicks" if judge == TRUTH else "reward"
        logged, ours, gain = (
            show_cell(mean_cell(values, people))
            for values in (
                rewards["logged"],
                rewards["generator"],
                evidence.gains(judge, "generator"),
            )
        )
        said.append(
            Paragraph(
                f"{unit} per page of the generator's slates {ours}, of the logged ones {logged}; "
                f"the difference is {gain}.",
                judge,
            )
        )
    return said


def _warnings(evidence: Evidence) -> list[Paragraph]:
    found = [
        Paragraph(f"{warning.text} {warning.advice}", warning.name, Mood.WARNING)
        for warning in warnings_of(evidence.folder)
    ]
    if not evidence.folder.finished:
        text = "Training has not ended: all figures are of the run as far as it came."
        found.append(Paragraph(text, "unfinished", Mood.WARNING))
    return found


def _facts(evidence: Evidence) -> Table:
    folder, log = evidence.folder, evidence.log
    weights = zip(folder.config.reward, evidence.asked.tolist(), strict=True)
    rows: list[tuple[Cell, ...]] = [
        ("run", str(folder.path)),
        ("log of the training", str(folder.config.data.log)),
        ("pages judged", f"{len(log)}"),
        ("people judged", f"{len(np.unique(log.person_ids))}"),
        ("clicks per page", f"{log.clicks.sum() / len(log):.4g}"),
        ("slots", f"{folder.config.data.slots}"),
        ("weights asked for", ", ".join(f"{name} {weight:g}" for name, weight in weights)),
        ("truth", "simulated" if evidence.truth is not None else "unknown"),
    ]
    if "reading" in folder.facts:
        choice = ReadingChoice.from_json(folder.facts["reading"])
        rows.append(
            ("how users read", f"{choice.chosen}, prior of strength {choice.prior_strength:g}")
        )
        others = [name for name in choice.tied if name != choice.chosen]
        if others:
            rows.append(("forms that tie with it", ", ".join(others)))
    trained = verdict_of(folder, unfinished=True)
    if trained is not None:
        rows.append(("verdict of the training", str(trained.verdict)))
    return Table("The run and the pages", ("", "what"), tuple(rows))
