from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.simulator import best_slates
from gerank.metrics.intervals import Interval
from gerank.train import evaluate as module
from gerank.train.config import UtilityConfig
from gerank.train.enumerated import enumerated_table
from gerank.train.evaluate import (
    Evaluation,
    compared_slates,
    default_weights,
    evaluate,
    weights_of,
)
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judge_run import judge_policy
from gerank.train.judges import PageJudge, true_clicks
from gerank.train.orders import exposed_slates, shown_length
from gerank.train.report import Cell, Table, to_json
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log
from tests.train.uniform_log import uniform_log

CLICKS = {"clicks": UtilityConfig()}
POLICIES = [
    *("logged", "sort by score", "behavior clone", "greedy on evaluator", "shuffle"),
    "generator",
]
EVALUATORS = ["training evaluator", "judge (examination)"]
LOG, TRUTH = tiny_log(80, seed=1)


def column(table: Table, name: str, *of: str) -> list[Cell]:
    """Cells of the rows that begin with `of`."""
    place = table.columns.index(name)
    return [row[place] for row in table.rows if row[: len(of)] == of]


def estimate(cell: Cell) -> float:
    """The number of a cell, with or without an interval."""
    assert isinstance(cell, Interval | float)
    return cell.estimate if isinstance(cell, Interval) else cell


def titled(evaluation: Evaluation, title: str) -> Table:
    """The one table whose title begins so."""
    (table,) = (table for table in evaluation.tables if table.title.startswith(title))
    return table


ORDER, CALIBRATION = "Evaluators on logged pages", "Calibration on logged pages"
SLATES, SUPPORT = "Slates by their judges", "Slates and what the log has shown"
CLICKED, SUPPORT_SHARE = "Order of logged clicks", "slots of a strength never logged there, %"


def answer_with(slates: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for every generator that is asked, the clone too."""
    monkeypatch.setattr(module, "generated_slates", lambda *_: slates)


def test_the_tables_name_judges_and_policies(run: RunFolder) -> None:
    evaluation = evaluate(run, LOG, TRUTH)
    for title in (ORDER, CALIBRATION):
        assert [row[0] for row in titled(evaluation, title).rows] == EVALUATORS
    judges = [*EVALUATORS, "truth (clicks)"]
    rows = titled(evaluation, SLATES).rows
    assert [row[:2] for row in rows] == [(j, p) for j in judges for p in POLICIES]
    for title in (SUPPORT, CLICKED):
        assert [row[0] for row in titled(evaluation, title).rows] == POLICIES
    for table in evaluation.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert to_json(evaluation.tables)[0]["columns"] == list(evaluation.tables[0].columns)


def test_without_a_truth_nothing_is_said_of_it(run: RunFolder) -> None:
    slates = titled(evaluate(run, LOG, None), SLATES)
    assert "truth (clicks)" not in {row[0] for row in slates.rows}


def test_the_verdict_is_the_one_on_the_generators_slates(run: RunFolder) -> None:
    found = evaluate(run, LOG, None)
    assert found.judgement is not None
    slates = shown_length(found.slates, exposed_slates(LOG, SLOTS))
    expected = judge_policy(run, LOG, slates, exposed_slates(LOG, SLOTS))
    assert found.judgement == expected
    outside = column(titled(found, SUPPORT), SUPPORT_SHARE, "generator")
    assert outside == [pytest.approx(100 * expected.outside)]


def test_the_lower_bound_of_every_policy_is_its_judges(run: RunFolder) -> None:
    table = titled(evaluate(run, LOG, None), SLATES)
    logged = exposed_slates(LOG, SLOTS)
    for name, order in compared_slates(run, LOG).items():
        (low,) = column(table, "lower bound", EVALUATORS[1], name)
        if name == "logged":
            assert low is None
            continue
        (said,) = judge_policy(run, LOG, order, logged).opinions
        assert low == pytest.approx(said.low)
        (gain,) = column(table, "minus logged", EVALUATORS[1], name)
        assert estimate(gain) == pytest.approx(said.gain, rel=1e-4, abs=1e-6)
    assert set(column(table, "lower bound", EVALUATORS[0])) == {None}


def test_a_run_with_a_reward_of_its_own_is_judged_by_truth_and_clicks(
    log_folder: Path, tmp_path: Path
) -> None:
    def nothing(_rows: object, _pages: object, slates: Tensor) -> Tensor:
        return torch.zeros(*slates.shape[:2], 1)

    folder = train(tiny_config(log_folder), tmp_path / "run", reward=nothing)
    found = evaluate(folder, LOG, TRUTH)
    assert found.judgement is None
    assert found.tables[0].title == SLATES
    policies = [row[0] for row in titled(found, CLICKED).rows]
    assert policies == ["logged", "sort by score", "shuffle", "generator"]
    clicks, order = (table.title for table in evaluate(folder, LOG, None).tables)
    assert clicks.endswith("from logged clicks") and order.startswith("Order of logged clicks")


def test_slates_are_compared_at_the_length_that_was_shown(bare_run: RunFolder) -> None:
    """A page of which two slots were shown gives no policy a third one to win by."""
    log = uniform_log(0, pages=40, candidates=(5, 6), slots=2)
    evaluation = evaluate(bare_run, log, None)
    assert (evaluation.slates >= 0).all()
    table = titled(evaluation, SLATES)
    judge = PageJudge(EvaluatorFeedback(bare_run.load_evaluator()), log, CLICKS)
    cut = evaluation.slates.clone()
    cut[:, 2] = -1
    expected = judge.rewards(cut, torch.ones(1)).mean().item()
    (reward,) = column(table, "reward per page", EVALUATORS[0], "generator")
    assert estimate(reward) == pytest.approx(expected, rel=1e-5)


def test_the_chosen_slates_are_given_back(run: RunFolder) -> None:
    slates = evaluate(run, LOG, None).slates
    assert slates.shape == (len(LOG), SLOTS)
    assert torch.equal(slates, compared_slates(run, LOG)["generator"])


def test_slates_equal_to_the_logged_are_never_better(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(exposed_slates(LOG, SLOTS), monkeypatch)
    table = titled(evaluate(run, LOG, TRUTH), SLATES)
    for judge in (*EVALUATORS, "truth (clicks)"):
        assert column(table, "better, %", judge, "generator") == [0.0]
        assert column(table, "better, %", judge, "logged") == [None]
        rewards = [column(table, "reward per page", judge, p) for p in ("generator", "logged")]
        assert rewards[0] == rewards[1]
        assert column(table, "minus logged", judge, "generator") == [Interval(0.0, 0.0, 0.0, 0.0)]


def test_the_best_slates_are_better_by_the_truth_where_the_log_is_not_best(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, clicks = best_slates(TRUTH, torch.arange(len(LOG)), SLOTS)
    answer_with(best, monkeypatch)
    table = titled(evaluate(run, LOG, TRUTH), SLATES)
    logged = true_clicks(TRUTH, exposed_slates(LOG, SLOTS))
    expected = 100 * sum(ours > theirs for ours, theirs in zip(clicks, logged, strict=True))
    better = column(table, "better, %", "truth (clicks)", "generator")
    assert better == [pytest.approx(expected.item() / len(LOG))]
    assert expected > 0
    (reward,) = column(table, "reward per page", "truth (clicks)", "generator")
    assert estimate(reward) == pytest.approx(clicks.double().mean().item(), rel=1e-5)


def test_judging_pages_together_is_judging_them_apart(run: RunFolder) -> None:
    shown, weights = exposed_slates(LOG, SLOTS), torch.ones(1)
    evaluator = EvaluatorFeedback(run.load_evaluator())
    together = PageJudge(evaluator, LOG, CLICKS).rewards(shown, weights)
    for page in range(0, len(LOG), 9):
        one = LOG.select(np.array([page]))
        alone = PageJudge(evaluator, one, CLICKS).rewards(shown[page : page + 1], weights)
        torch.testing.assert_close(alone[0], together[page])


def test_several_utilities_are_shown_in_their_own_units(log_folder: Path, tmp_path: Path) -> None:
    folder = train(tiny_config(log_folder, reward=RANGED), tmp_path / "run")
    table = titled(evaluate(folder, LOG, TRUTH), "Utilities per page")
    assert table.columns == ("judge", "slates", *RANGED)
    sellers = LOG.candidate["seller"].reshape(len(LOG), -1)
    shown = exposed_slates(LOG, SLOTS).numpy()
    distinct = [len(set(sellers[page][shown[page]])) / SLOTS for page in range(len(LOG))]
    expected = [pytest.approx(float(np.mean(distinct)))] * 2
    assert [row[3] for row in table.rows if row[1] == "logged"] == expected


def test_the_generator_is_asked_with_the_weights_that_are_named(
    log_folder: Path, tmp_path: Path
) -> None:
    folder = train(tiny_config(log_folder, reward=RANGED, epochs=4), tmp_path / "run")
    assert weights_of(folder, {"clicks": 0.0}).tolist() == pytest.approx([0.0, 0.2])
    other = evaluate(folder, LOG, None, {"clicks": 0.0, "seller_diversity": 1.0}).slates
    expected = compared_slates(folder, LOG, torch.tensor([0.0, 1.0]))["generator"]
    assert torch.equal(other, expected)
    assert not torch.equal(other, evaluate(folder, LOG, None).slates)


def test_default_weights_are_those_of_the_configuration(log_folder: Path) -> None:
    config = tiny_config(log_folder, reward=RANGED)
    folder = RunFolder(Path("unused"), config, LOG.schema, 512)
    assert default_weights(folder).tolist() == pytest.approx([1.0, 0.2])


@pytest.fixture(scope="module")
def bare_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Trained on uniform pages, whose placement propensities are known."""
    folder = tmp_path_factory.mktemp("bare")
    uniform_log(0, pages=120).write(folder / "log")
    config = tiny_config(folder / "log")
    data = dataclasses.replace(config.data, score="score", validation_share=0.3)
    return train(dataclasses.replace(config, data=data), folder / "run")


@pytest.mark.parametrize("slots", [None, 2])
def test_known_propensities_add_estimates_from_logged_clicks(
    bare_run: RunFolder, seed: int, slots: int | None
) -> None:
    log = uniform_log(seed, pages=600, people=100, candidates=(3, 6), slots=slots)
    found = evaluate(bare_run, log, None)
    clicks = titled(found, f"Clicks in the first {SLOTS}, from logged clicks")
    assert [row[0] for row in clicks.rows] == [row[0] for row in titled(found, CLICKED).rows]
    assert all(isinstance(cell, Interval) for cell in column(clicks, "doubly robust"))


@pytest.mark.parametrize("click_rate", [0.0, 1.0])
def test_pages_that_all_end_alike_have_no_auc(bare_run: RunFolder, click_rate: float) -> None:
    found = evaluate(bare_run, uniform_log(0, click_rate=click_rate), None)
    for title in EVALUATORS:
        (row,) = (row for row in titled(found, ORDER).rows if row[0] == title)
        assert row[1:] == (None,) * 4
        error = column(titled(found, CALIBRATION), "error, any click", title)[0]
        assert isinstance(error, float)


def test_pages_of_one_person_are_judged_without_intervals(bare_run: RunFolder) -> None:
    tables = evaluate(bare_run, uniform_log(0, people=1), None).tables
    cells = [cell for table in tables for row in table.rows for cell in row]
    assert not any(isinstance(cell, Interval) for cell in cells)


def test_a_single_page_can_be_judged(bare_run: RunFolder, seed: int) -> None:
    evaluation = evaluate(bare_run, uniform_log(seed, pages=1), None)
    assert evaluation.slates.shape == (1, SLOTS)


def test_a_truth_of_other_pages_is_refused(run: RunFolder) -> None:
    with pytest.raises(RunError, match="truth"):
        evaluate(run, LOG, tiny_log(80, seed=2)[1])
    with pytest.raises(RunError, match="truth"):
        evaluate(run, LOG, tiny_log(79, seed=1)[1])


def test_the_best_of_all_slates_has_100_percent(run: RunFolder) -> None:
    slates = compared_slates(run, LOG)
    table = enumerated_table(slates, TRUTH)
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == [*POLICIES, "best of all slates"]
    assert rows["best of all slates"][1:] == (100.0, 100.0)
    assert rows["logged"][1] == 0.0
    for name, order in slates.items():
        clicks = true_clicks(TRUTH, order).double().mean().item()
        assert rows[name][0] == pytest.approx(clicks)
        assert rows[name][2] == pytest.approx(100 * clicks / rows["best of all slates"][0])
        assert rows[name][2] <= 100.0


def test_a_log_that_shows_the_best_leaves_no_gap_to_share() -> None:
    best, _ = best_slates(TRUTH, torch.arange(len(LOG)), SLOTS)
    table = enumerated_table({"logged": best}, TRUTH)
    assert [row[2:] for row in table.rows] == [(None, 100.0), (None, 100.0)]
