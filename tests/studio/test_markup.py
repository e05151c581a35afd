"""What an outcome looks like as HTML."""

from __future__ import annotations

import re
from dataclasses import replace

from gerank.studio import markup
from gerank.studio.controls import default_controls
from gerank.studio.session import DEFAULTS, LOGGED, Outcome, Session, bound_rules


def outcome_of(session: Session, **changes: object) -> Outcome:
    controls = replace(default_controls(session.contract), **changes)
    return session.rerank(session.pages.page(0), controls, LOGGED)


def test_names_in_a_log_are_text_and_never_markup(session: Session) -> None:
    page = session.pages.page(0)
    names = tuple(f"<img src=x onerror=alert({place})>" for place in range(14))
    document = page.document | {
        "candidates": [
            candidate | {"id": name, "seller": name}
            for candidate, name in zip(page.document["candidates"], names, strict=True)
        ]
    }
    hostile = replace(page, document=document, request=replace(page.request, candidate_ids=names))
    outcome = session.rerank(hostile, default_controls(session.contract), DEFAULTS)
    shown = markup.slates(outcome, session.contract.schema)
    shown += markup.heat_map(outcome, session.steps(outcome))
    assert "<img" not in shown
    assert "&lt;img" in shown


def test_the_map_has_a_column_per_slot_and_a_row_per_candidate(session: Session) -> None:
    outcome = outcome_of(session, slots=4)
    cells = re.findall(r'data-cell="(\d+) (\d+)"', markup.heat_map(outcome, session.steps(outcome)))
    assert len(cells) == len({*cells}) == 4 * 14
    assert {int(slot) for slot, _ in cells} == set(range(4))


def test_the_map_says_which_rule_ruled_a_candidate_out(session: Session) -> None:
    outcome = outcome_of(session, spacing={"category": (4, 1)}, quotas={"fresh": (0, 0)})
    shown = markup.heat_map(outcome, session.steps(outcome))
    assert "ruled out by spacing" in shown
    assert "ruled out by a quota" in shown


def test_every_bound_rule_has_a_line(session: Session) -> None:
    outcome = outcome_of(session, pins={0: 3}, spacing={"content_type": (6, 1)})
    bound = bound_rules(outcome, session.steps(outcome))
    shown = markup.rules(bound)
    assert shown.count("<li>") == len(bound) > 2
    assert "pinned" in shown
    assert "relaxed" in shown
    assert "<li>" not in markup.rules(())


def test_an_empty_slot_is_shown_as_such(session: Session) -> None:
    outcome = outcome_of(session)
    answer = replace(outcome.answer, slots=outcome.answer.slots[:-1])
    short = replace(answer, candidates=answer.candidates[:-1])
    shown = markup.slates(replace(outcome, answer=short), session.contract.schema)
    assert shown.count('data-candidate="-1"') == 1
