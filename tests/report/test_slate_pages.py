"""Ten pages as slates: the generator's own choices, with the probabilities that they had."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gerank.report.slate_pages import slates_section
from tests.report.conftest import Reported
from tests.report.outline import Outline

CAPTION = re.compile(r"Page (\S+) of (\S+): by (.+) (-?[\d.]+) as logged, (-?[\d.]+) as generated")


def tables(reported: Reported, title: str) -> list[list[list[str]]]:
    return [rows for caption, rows in reported.outline.tables if caption == title]


def told(reported: Reported) -> list[tuple[str, float, float]]:
    """Page, reward as logged and reward as generated, in the order of the report."""
    found = CAPTION.findall(reported.text)
    return [(page, float(before), float(after)) for page, _, _, before, after in found]


def test_pages_run_from_the_largest_gain_to_the_largest_loss(full: Reported) -> None:
    evidence = full.evaluation.evidence
    gains = evidence.gains("judge (examination)", "generator")
    shown = told(full)
    assert len(shown) == 10
    own = [after - before for _, before, after in shown]
    assert own == sorted(own, reverse=True)
    assert own[0] == pytest.approx(gains.max(), abs=2e-4)
    assert own[-1] == pytest.approx(gains.min(), abs=2e-4)


def test_slates_are_the_logged_and_the_generated_ones(full: Reported) -> None:
    evidence = full.evaluation.evidence
    log, rows = evidence.log, {str(name): row for row, name in enumerate(evidence.log.page_ids)}
    for name, title in (("logged", "as logged"), ("generator", "generator")):
        drawn = tables(full, title)
        assert len(drawn) == 10
        for (page, *_), (_, *slots) in zip(told(full), drawn, strict=True):
            first = log.candidate_offsets[rows[page]]
            slate = evidence.slates[name][rows[page]].tolist()
            items = [str(log.candidate_names[first + place]) for place in slate if place >= 0]
            assert [slot[1] for slot in slots] == items


def test_clicks_and_earlier_slots_are_told(full: Reported) -> None:
    evidence = full.evaluation.evidence
    log, rows = evidence.log, {str(name): row for row, name in enumerate(evidence.log.page_ids)}
    logged = tables(full, "as logged")
    for (page, *_), before, after in zip(
        told(full), logged, tables(full, "generator"), strict=True
    ):
        clicks = log.shown(np.array([rows[page]])).clicks[0].tolist()
        assert [slot[-1] == "clicked" for slot in before[1:]] == [click > 0 for click in clicks]
        stood = {slot[1]: slot[0] for slot in before[1:]}
        for slot in after[1:]:
            there = stood.get(slot[1])
            expected = "new" if there is None else "same" if there == slot[0] else f"slot {there}"
            assert slot[-1] == expected
    assert "clicked" in full.text


def test_a_column_is_a_distribution_whose_largest_part_was_chosen(full: Reported) -> None:
    steps = tables(full, "probability by slot, %")
    assert len(steps) == 10
    for (_, *slots), (_, *rows) in zip(tables(full, "generator"), steps, strict=True):
        chances = np.array([[float(cell or 0) for cell in row[1:]] for row in rows])
        assert chances.sum(0) == pytest.approx(100, abs=len(rows))  # each is rounded to 1 %
        names = [row[0] for row in rows]
        for slot, (_, item, *_rest) in enumerate(slots):
            assert chances[names.index(item), slot] >= chances[:, slot].max() - 1
    assert full.page.count('class="chosen"') == sum(len(s) - 1 for s in tables(full, "generator"))


def test_a_page_with_many_candidates_leaves_some_out_and_says_so(
    full: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank.report.slate_pages._MOST_ROWS", 4)
    monkeypatch.setattr("gerank.report.slate_pages._MOST_WORK", 6 * 6 * 3 * 2)
    section = slates_section(full.evaluation.evidence)
    outline = Outline(f"<div>{''.join(figure.markup for figure in section.figures)}</div>")
    said = "probability by slot, %; left out: 2 less probable candidates, the last 1 slots"
    drawn = [rows for caption, rows in outline.tables if caption == said]
    assert len(drawn) == 10
    assert {(len(rows), len(rows[0])) for rows in drawn} == {(1 + 4, 1 + 2)}
