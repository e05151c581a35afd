from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.schema import FeatureSchema
from gerank.data.simulator import best_slates
from gerank.metrics.auc import auc
from gerank.train import evaluate as module
from gerank.train.config import UtilityConfig
from gerank.train.enumerated import enumerated_table
from gerank.train.evaluate import compared_slates, default_weights, evaluate, weights_of
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge, true_clicks
from gerank.train.orders import exposed_slates
from gerank.train.report import Table, to_json
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log
from tests.train.uniform_log import uniform_log

CLICKS = {"clicks": UtilityConfig()}
POLICIES = ["logged", "sort by score", "generator"]
LOG, TRUTH = tiny_log(80, seed=1)


def column(table: Table, name: str, *of: str) -> list[object]:
    """Cells of the rows that begin with `of`."""
    place = table.columns.index(name)
    return [row[place] for row in table.rows if row[: len(of)] == of]


def answer_with(slates: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "generated_slates", lambda *_: slates)


def test_the_tables_name_judges_and_policies(run: RunFolder) -> None:
    evaluators, slates = evaluate(run, LOG, TRUTH).tables
    assert [row[0] for row in evaluators.rows] == ["training evaluator", "held-out evaluator"]
    judges = ["training evaluator", "held-out evaluator", "truth (clicks)"]
    assert [row[:2] for row in slates.rows] == [(j, p) for j in judges for p in POLICIES]
    for table in (evaluators, slates):
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert to_json([slates])[0]["columns"] == slates.columns


def test_without_a_truth_nothing_is_said_of_it(run: RunFolder) -> None:
    _, slates = evaluate(run, LOG, None).tables
    assert "truth (clicks)" not in {row[0] for row in slates.rows}


def test_the_chosen_slates_are_given_back(run: RunFolder) -> None:
    slates = evaluate(run, LOG, None).slates
    assert slates.shape == (len(LOG), SLOTS)
    assert torch.equal(slates, compared_slates(run, LOG)["generator"])


def test_slates_equal_to_the_logged_are_never_better(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(exposed_slates(LOG, SLOTS), monkeypatch)
    _, table = evaluate(run, LOG, TRUTH).tables
    for judge in ("training evaluator", "held-out evaluator", "truth (clicks)"):
        assert column(table, "better, %", judge, "generator") == [0.0]
        assert column(table, "better, %", judge, "logged") == [None]
        rewards = [column(table, "reward per page", judge, p) for p in ("generator", "logged")]
        assert rewards[0] == rewards[1]


def test_the_best_slates_are_better_by_the_truth_where_the_log_is_not_best(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, clicks = best_slates(TRUTH, torch.arange(len(LOG)), SLOTS)
    answer_with(best, monkeypatch)
    _, table = evaluate(run, LOG, TRUTH).tables
    logged = true_clicks(TRUTH, exposed_slates(LOG, SLOTS))
    expected = 100 * sum(ours > theirs for ours, theirs in zip(clicks, logged, strict=True))
    better = column(table, "better, %", "truth (clicks)", "generator")
    assert better == [pytest.approx(expected.item() / len(LOG))]
    assert expected > 0
    reward = column(table, "reward per page", "truth (clicks)", "generator")
    assert str(reward[0]).startswith(f"{clicks.double().mean():.4f} [")


def test_the_page_auc_is_that_of_the_evaluators_predictions(run: RunFolder) -> None:
    shown = exposed_slates(LOG, SLOTS)
    clicked = LOG.clicks.reshape(len(LOG), -1)[:, :SLOTS].sum(1) > 0
    table, _ = evaluate(run, LOG, None).tables
    for stage, title in (("evaluator", "training evaluator"), ("judge", "held-out evaluator")):
        judge = PageJudge(EvaluatorFeedback(run.load_evaluator(stage)), LOG, CLICKS)
        expected = auc(clicked, judge.feedback(shown)[0].numpy())
        assert column(table, "page AUC", title) == [pytest.approx(expected)]


def test_judging_pages_together_is_judging_them_apart(run: RunFolder) -> None:
    shown, weights = exposed_slates(LOG, SLOTS), torch.ones(1)
    evaluator = EvaluatorFeedback(run.load_evaluator("evaluator"))
    together = PageJudge(evaluator, LOG, CLICKS).rewards(shown, weights)
    for page in range(0, len(LOG), 9):
        one = LOG.select(np.array([page]))
        alone = PageJudge(evaluator, one, CLICKS).rewards(shown[page : page + 1], weights)
        torch.testing.assert_close(alone[0], together[page])


def test_several_utilities_are_shown_in_their_own_units(log_folder: Path, tmp_path: Path) -> None:
    folder = train(tiny_config(log_folder, reward=RANGED), tmp_path / "run")
    table = evaluate(folder, LOG, TRUTH).tables[2]
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
    log = uniform_log(seed, pages=100, candidates=(3, 6), slots=slots)
    titles = [table.title for table in evaluate(bare_run, log, None).tables]
    assert f"Clicks in the first {SLOTS}, from logged clicks" in titles
    assert any(title.startswith("NDCG@3") for title in titles) is (slots is None)


@pytest.mark.parametrize("click_rate", [0.0, 1.0])
def test_pages_that_all_end_alike_have_no_auc(bare_run: RunFolder, click_rate: float) -> None:
    log = uniform_log(0, click_rate=click_rate)
    table = evaluate(bare_run, log, None).tables[0]
    for title in ("training evaluator", "held-out evaluator"):
        assert column(table, "page AUC", title) == [None]
        assert column(table, "slot GAUC by person", title) == [None]
        assert isinstance(column(table, "page calibration error", title)[0], float)


def test_pages_of_one_person_are_judged_without_intervals(bare_run: RunFolder) -> None:
    tables = evaluate(bare_run, uniform_log(0, people=1), None).tables
    assert not any("[" in str(cell) for table in tables for row in table.rows for cell in row)


def test_a_single_page_can_be_judged(bare_run: RunFolder, seed: int) -> None:
    evaluation = evaluate(bare_run, uniform_log(seed, pages=1), None)
    assert evaluation.slates.shape == (1, SLOTS)


def test_an_empty_log_is_refused(bare_run: RunFolder) -> None:
    with pytest.raises(RunError, match="no pages"):
        evaluate(bare_run, uniform_log(0).select(np.zeros(0, np.int64)), None)


def test_too_large_a_candidate_set_is_refused(bare_run: RunFolder) -> None:
    with pytest.raises(RunError, match="a page has 513 candidates, not at most 512"):
        evaluate(bare_run, uniform_log(0, candidates=(513, 513)), None)


def test_a_truth_of_other_pages_is_refused(run: RunFolder) -> None:
    with pytest.raises(RunError, match="truth"):
        evaluate(run, LOG, tiny_log(80, seed=2)[1])
    with pytest.raises(RunError, match="truth"):
        evaluate(run, LOG, tiny_log(79, seed=1)[1])


def another_name(schema: FeatureSchema) -> FeatureSchema:
    features = (dataclasses.replace(schema.user[0], name="age"), *schema.user[1:])
    return dataclasses.replace(schema, user=features)


def another_order_of_values(schema: FeatureSchema) -> FeatureSchema:
    segment = schema.user[-1]
    features = (*schema.user[:-1], dataclasses.replace(segment, values=segment.values[::-1]))
    return dataclasses.replace(schema, user=features)


def fewer_groups(schema: FeatureSchema) -> FeatureSchema:
    return dataclasses.replace(schema, groups=schema.groups[:1])


def swapped_flags(schema: FeatureSchema) -> FeatureSchema:
    return dataclasses.replace(schema, flags=schema.flags[::-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (another_name, r"feature \('age'.* of the log is \('taste_0'"),
        (another_order_of_values, r"feature \('segment'.*'segment-7', 'segment-6'.* of the log is"),
        (fewer_groups, r"groups of the log are \('seller',\), of .* \('seller', 'category', "),
        (swapped_flags, r"flags of the log are \('fresh', 'cold_start'\), of"),
    ],
)
def test_a_log_of_another_schema_is_refused(
    run: RunFolder, change: Callable[[FeatureSchema], FeatureSchema], words: str
) -> None:
    schema = change(LOG.schema)
    user = {f.name: LOG.user.get(f.name, LOG.user["taste_0"]) for f in schema.user}
    other = dataclasses.replace(LOG, schema=schema, user=user)
    with pytest.raises(RunError, match=words):
        compared_slates(run, other)


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
