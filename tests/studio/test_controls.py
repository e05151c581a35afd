"""Presets and controls as requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gerank.data.request_check import check_request, parse_request
from gerank.studio.controls import controlled, default_controls, preset_controls
from gerank.studio.session import Session
from tests.data.preset_reference import with_preset


def test_default_controls_ask_for_nothing(session: Session) -> None:
    page = session.pages.page(0)
    asked = controlled(page.request, default_controls(session.contract))
    assert session.answer(asked) == session.answer(replace(page.request, seed=0))


def test_a_preset_asks_for_what_it_would_add_to_a_request(session: Session) -> None:
    page, preset = session.pages.page(1), session.presets["calm page"]
    ours = controlled(page.request, preset_controls(preset, session.contract))
    theirs = parse_request(with_preset(page.document, preset), session.contract)
    for field in ("slots", "spacing", "quotas", "greedy", "temperature", "pins"):
        assert getattr(ours, field) == getattr(theirs, field)
    defaults = {name: weight.default for name, weight in session.contract.weights.items()}
    assert ours.weights == defaults | dict(theirs.weights)


@pytest.mark.parametrize("window", [0, 3])
def test_a_window_of_none_is_no_rule(session: Session, window: int) -> None:
    start = default_controls(session.contract)
    controls = replace(start, spacing={**start.spacing, "seller": (window, 1)})
    request = controlled(session.pages.page(0).request, controls)
    check_request(request, session.contract)
    assert [rule.group for rule in request.spacing] == ["seller"] * bool(window)
