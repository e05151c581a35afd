"""Before, after, utilities and bound rules of a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.client import RerankClient, ServerError
from gerank.data.exposure_log import ExposureLog
from gerank.data.request import RequestError
from gerank.data.simulator import SimulatorTruth
from gerank.studio.answering import remote
from gerank.studio.application import open_session
from gerank.studio.controls import default_controls
from gerank.studio.session import DEFAULTS, LOGGED, BoundRule, Session, bound_rules
from gerank_server import Front, serve
from tests.studio.conftest import Feed
from tests.studio.feed import PAGES, SLOTS, UTILITIES


def test_the_logged_order_is_that_of_the_log(session: Session, feed: Feed) -> None:
    log = ExposureLog.read(feed.data)
    assert len(session.pages) == PAGES
    for row in (0, PAGES - 1):
        page = session.pages.page(row)
        outcome = session.rerank(page, default_controls(session.contract), LOGGED)
        logged = log.batch(np.array([row]))
        assert list(outcome.before) == logged.slates[0].tolist()
        assert list(page.clicked) == (logged.clicks[0] > 0).tolist()


def test_a_score_order_descends(session: Session) -> None:
    page = session.pages.page(3)
    outcome = session.rerank(page, default_controls(session.contract), "by ctr_score")
    scores = np.asarray(page.request.candidates["ctr_score"])
    shown = scores[list(outcome.before)]
    assert (np.diff(shown) <= 0).all()
    assert shown.min() >= np.delete(scores, list(outcome.before)).max()


def test_defaults_against_defaults_change_nothing(session: Session) -> None:
    outcome = session.rerank(session.pages.page(4), default_controls(session.contract), DEFAULTS)
    assert outcome.before == outcome.after
    assert all(row.before == row.after for row in outcome.utilities)


def test_an_unknown_order_is_named(session: Session) -> None:
    with pytest.raises(ValueError, match="'by magic'"):
        session.rerank(session.pages.page(0), default_controls(session.contract), "by magic")


def test_utilities_are_those_of_design_on_the_shown_slates(session: Session, feed: Feed) -> None:
    truth = SimulatorTruth.read(feed.data)
    outcome = session.rerank(session.pages.page(5), default_controls(session.contract), LOGGED)
    clicks, diversity = outcome.utilities
    slates = torch.tensor([[outcome.before, outcome.after]])
    expected = truth.click_probability(np.array([5]), slates).sum(-1)[0]
    assert (clicks.before, clicks.after) == pytest.approx(expected.tolist())
    seller = np.asarray(outcome.page.request.candidates["seller"])
    assert diversity.after == pytest.approx(len({*seller[list(outcome.after)]}) / SLOTS)
    expected_reward = sum(
        row.weight * row.after / UTILITIES[row.name]["scale"] for row in outcome.utilities
    )
    assert outcome.rewards is not None
    assert outcome.rewards[1] == pytest.approx(expected_reward)


def test_without_a_truth_clicks_are_unknown_and_the_rest_is_not(feed: Feed) -> None:
    with open_session(feed.model) as drawn:
        outcome = drawn.rerank(drawn.pages.page(0), default_controls(drawn.contract), DEFAULTS)
    clicks, diversity = outcome.utilities
    assert clicks.after is None
    assert "--run" in clicks.unknown
    assert diversity.after is not None
    assert outcome.rewards is None


def test_a_page_without_data_is_the_same_at_every_call(feed: Feed) -> None:
    with open_session(feed.model) as drawn:
        assert drawn.pages.page(1).document == drawn.pages.page(1).document
        assert drawn.pages.page(1).document != drawn.pages.page(2).document
        assert LOGGED not in drawn.orders(drawn.pages.page(0))


def test_weights_move_the_slate(session: Session) -> None:
    start = default_controls(session.contract)
    changed = 0
    for row in range(10):
        page = session.pages.page(row)
        least, most = (
            session.rerank(page, replace(start, weights={**start.weights, "clicks": w}), LOGGED)
            for w in (0.0, 1.0)
        )
        changed += least.after != most.after
    assert changed > 0


def test_pins_and_rules_that_could_not_be_kept_are_told(session: Session) -> None:
    start = default_controls(session.contract)
    rules = replace(start, pins={2: 1}, spacing={"content_type": (SLOTS, 1)})
    outcome = session.rerank(session.pages.page(0), rules, LOGGED)
    told = bound_rules(outcome, session.steps(outcome))
    assert outcome.after[2] == 1
    assert BoundRule(2, "pin") in told
    kinds = {*outcome.page.request.candidates["content_type"].tolist()}
    assert len(kinds) < SLOTS  # so that one of each cannot fill the slate
    last = BoundRule(SLOTS - 1, "spacing", relaxed=True)
    assert last in told
    barred = [bound for bound in told if bound.ruled_out]
    assert barred
    assert all(0 <= bound.withheld <= 1 for bound in barred)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("pins", {"pins": {SLOTS: 0}}),
        ("temperature", {"temperature": "hot"}),
        ("spacing", {"spacing": {"seller": (2, None)}}),
        ("quotas", {"quotas": {"fresh": (3, 2)}}),
        ("weights.clicks", {"weights": {"clicks": 7.0}}),
    ],
)
def test_controls_that_no_request_can_have_are_refused_with_their_field(
    session: Session, field: str, changes: dict[str, Any]
) -> None:
    controls = replace(default_controls(session.contract), **changes)
    unasked = replace(session, answer=lambda _: pytest.fail("asked all the same"))
    with pytest.raises(RequestError, match=field):
        unasked.rerank(session.pages.page(0), controls, LOGGED)


def test_a_server_gives_the_page_what_the_embedded_engine_does(
    session: Session, feed: Feed
) -> None:
    controls = replace(
        default_controls(session.contract), greedy=False, seed=5, spacing={"seller": (3, 1)}
    )
    with (
        serve(feed.model, "127.0.0.1:0", front=Front.GRPCIO) as server,
        RerankClient(f"127.0.0.1:{server.port}") as client,
    ):
        asking = replace(session, answer=remote(client))
        for row in range(3):
            page = session.pages.page(row)
            theirs = asking.rerank(page, controls, LOGGED).answer
            ours = session.rerank(page, controls, LOGGED).answer
            assert theirs.log_prob == pytest.approx(ours.log_prob, abs=1e-5)
            assert replace(theirs, log_prob=ours.log_prob) == ours
        server.stop(grace_s=1)
        with pytest.raises(ServerError, match="UNAVAILABLE"):
            asking.rerank(page, controls, LOGGED)


def test_a_log_of_other_features_is_refused_at_the_start(feed: Feed, tmp_path: Path) -> None:
    log = ExposureLog.read(feed.data)
    kept = tuple(f for f in log.schema.candidate if f.name != "ctr_score")
    columns = {name: log.candidate[name] for name in log.candidate if name != "ctr_score"}
    schema = replace(log.schema, candidate=kept)
    replace(log, schema=schema, candidate=columns).write(tmp_path)
    with pytest.raises(RequestError, match="ctr_score"), open_session(feed.model, tmp_path):
        pass


def test_a_server_of_another_model_is_told(session: Session) -> None:
    controls = default_controls(session.contract)
    outcome = session.rerank(session.pages.page(0), controls, LOGGED)
    assert session.warning(outcome) == ""
    foreign = replace(outcome, answer=replace(outcome.answer, model_version="other-1"))
    assert "other-1" in session.warning(foreign)
    assert session.model_version in session.warning(foreign)
