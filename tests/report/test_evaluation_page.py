"""The page of an evaluation: whole, honest, and there for every kind of run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature import Feature, FeatureKind, named_id
from gerank.metrics.intervals import Interval
from gerank.report import report_page
from gerank.report.evaluation import evaluation_page
from gerank.report.gains import gains_section
from gerank.report.promises import promises_section
from gerank.report.summary import summary_section
from gerank.train.evaluate import evaluate
from gerank.train.evidence import TRAINING_EVALUATOR
from gerank.train.report import Table, mean_cell, show_cell
from gerank.train.slate_tables import TRUTH
from gerank.train.train import train
from gerank.train.verdict import Verdict
from tests.data.exposure_logs import with_random_above
from tests.report.conftest import Reported
from tests.report.outline import self_contained
from tests.report.test_page import HOSTILE
from tests.train.tiny import tiny_config, tiny_log
from tests.train.uniform_log import uniform_log

SECTIONS = [
    "Summary",
    'What stands behind "better"',
    "Promised and kept gains",
    "Support in the log",
    "Predicted and real feedback",
    "Utilities against weights",
    "Exposure by slot and by group",
    "Ten pages as slates",
    "Training",
    "All tables of the evaluation",
]
MOST_BYTES = 5_000_000


def titled(reported: Reported, title: str) -> Table:
    (table,) = (t for t in reported.evaluation.tables if t.title.startswith(title))
    return table


def test_every_section_is_there_where_the_run_and_the_log_have_something_for_it(
    full: Reported,
) -> None:
    assert full.sections == SECTIONS
    assert len(full.page.encode()) < MOST_BYTES


def test_what_there_is_nothing_for_is_left_out(
    full: Reported, plain: Reported, rewarded: Reported
) -> None:
    gone = "Utilities against weights"
    assert plain.sections == [title for title in SECTIONS if title != gone]
    assert "truth (clicks)" in full.text and "truth (clicks)" not in plain.text
    of_an_evaluator = {"Promised and kept gains", "Predicted and real feedback", gone}
    assert rewarded.sections == [title for title in SECTIONS if title not in of_an_evaluator]
    assert "no verdict" in rewarded.text


@pytest.mark.parametrize("kind", ["full", "plain", "rewarded"])
def test_every_table_of_the_evaluation_is_on_the_page(
    kind: str, request: pytest.FixtureRequest
) -> None:
    reported: Reported = request.getfixturevalue(kind)
    for table in reported.evaluation.tables:
        rows = reported.outline.table(table.title)
        assert rows[0] == list(table.columns)
        assert rows[1:] == [[show_cell(cell) for cell in row] for row in table.rows]


def test_the_verdict_stands_first_with_its_reasons(full: Reported) -> None:
    judgement = full.evaluation.judgement
    assert judgement is not None
    summary = full.text.index("verdict: ")
    assert full.text[summary:].startswith(f"verdict: {judgement.verdict}")
    for reason in judgement.reasons:
        assert summary < full.text.index(reason) < full.text.index("The run and the pages")


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_run_that_is_better_looks_so(full: Reported, verdict: Verdict) -> None:
    assert full.evaluation.judgement is not None
    judged = dataclasses.replace(full.evaluation.judgement, verdict=verdict)
    section = summary_section(dataclasses.replace(full.evaluation, judgement=judged))
    page = report_page("a run", [section])
    assert f"verdict: {verdict}</b>" in page
    assert ('<p class="fine"' in page) is (verdict is Verdict.BETTER)


def test_figures_tell_the_areas_of_the_table(full: Reported) -> None:
    order = titled(full, "Evaluators on logged pages")
    for row in order.rows:
        for column in ("page AUC", "slot AUC over all pages"):
            assert f"{row[0]}, AUC {show_cell(row[order.columns.index(column)])}" in (
                full.outline.labels
            )
    further = titled(full, "Further feedback")
    areas = {show_cell(row[2]) for row in further.rows if row[2] is not None}
    assert areas
    for area in areas:
        assert any(label.endswith(f"AUC {area}") for label in full.outline.labels)


def test_figures_tell_the_better_percentages_of_the_table(full: Reported) -> None:
    slates = titled(full, "Slates by their judges")
    ours = [row for row in slates.rows if row[1] == "generator"]
    assert len(ours) == 3
    for judge, *_, better in ours:
        assert f"{judge}: better on {show_cell(better)} %" in full.outline.labels
    spread = full.outline.table("The generator's gain, page by page")
    at = spread[0].index("better, %")
    assert [row[at] for row in spread[1:]] == [show_cell(row[-1]) for row in ours]
    assert [row[1] for row in spread[1:]] == [show_cell(row[3]) for row in ours]
    for row in spread[1:]:
        assert sum(map(float, row[-3:])) == pytest.approx(100.0, abs=0.1)


def test_figures_tell_the_support_of_the_table(full: Reported) -> None:
    for _, outside, _ in titled(full, "Slates and what the log has shown").rows:
        assert f"{show_cell(outside)} %" in full.outline.labels


def test_the_summary_quotes_the_table(full: Reported) -> None:
    for judge, policy, reward, gain, *_ in titled(full, "Slates by their judges").rows:
        if policy == "generator":
            said = f"{judge}: {'clicks' if judge == 'truth (clicks)' else 'reward'} per page of "
            start = full.text.index(said)
            sentence = full.text[start : start + 300]
            assert show_cell(reward) in sentence and show_cell(gain) in sentence


def test_promises_are_those_of_the_evaluator_and_kept_is_what_others_see(full: Reported) -> None:
    rows = full.outline.table("Gains that the training evaluator promises, and what is kept")
    slates = titled(full, "Slates by their judges")
    gains = {row[:2]: show_cell(row[3]) for row in slates.rows}
    assert {row[0] for row in rows[1:]} == {"judge (examination)", "truth (clicks)"}
    for seen_by, unit, policy, promised, kept, _ in rows[1:]:
        assert kept == gains[seen_by, policy]
        if unit == "reward per page":
            assert promised == gains["training evaluator", policy]
    evidence = full.evaluation.evidence
    judge = evidence.judges["training evaluator"]
    clicks = {n: judge.feedback(evidence.slates[n])[1].sum(1) for n in ("logged", "generator")}
    expected = (clicks["generator"] - clicks["logged"]).double().numpy()
    cell = mean_cell(expected, evidence.log.person_ids)
    (ours,) = (r for r in rows[1:] if r[:1] == ["truth (clicks)"] and r[2] == "generator")
    assert isinstance(cell, Interval)
    assert float(ours[3].split()[0]) == pytest.approx(cell.estimate, abs=1e-3)


def test_an_unfinished_run_says_so(full: Reported, tmp_path: Path) -> None:
    folder = full.evaluation.evidence.folder
    unfinished = tmp_path / "run"
    unfinished.mkdir()
    for name in ("config.toml", "run.json", "metrics.csv", "checkpoints"):
        (unfinished / name).symlink_to(folder.path / name)
    text = (unfinished / "run.json").read_text()
    (unfinished / "run.json").unlink()
    (unfinished / "run.json").write_text(text.replace('"finished": true', '"finished": false'))
    other = dataclasses.replace(folder, path=unfinished)
    log = full.evaluation.evidence.log
    section = summary_section(evaluate(other, log, None, unfinished=True))
    page = report_page("a run", [section])
    assert "Training has not ended" in page
    assert "Training has not ended" not in full.page


def hostile_log(log: ExposureLog) -> ExposureLog:
    """The same pages, where every name is markup."""
    group = next(f for f in log.schema.candidate if f.name == "category")
    renamed = {
        "category": named_id(HOSTILE, tuple(f"{v}{HOSTILE}" for v in group.values)),
        "ctr_score": Feature(f"$ctr {HOSTILE}", FeatureKind.DENSE),
        "fresh": named_id(f"_fresh{HOSTILE}", ("no", "yes")),
    }
    names = {old: new.name for old, new in renamed.items()}
    schema = dataclasses.replace(
        log.schema,
        candidate=tuple(renamed.get(f.name, f) for f in log.schema.candidate),
        groups=tuple(names.get(name, name) for name in log.schema.groups),
        flags=tuple(names.get(name, name) for name in log.schema.flags),
    )
    return dataclasses.replace(
        log,
        schema=schema,
        candidate={names.get(name, name): values for name, values in log.candidate.items()},
        candidate_names=np.array([f"{name}{HOSTILE}" for name in log.candidate_names]),
        page_ids=np.array([f"{name}{HOSTILE}" for name in log.page_ids]),
        person_ids=np.array([f"{name}{HOSTILE}" for name in log.person_ids]),
    )


def test_names_of_a_log_are_never_markup(tmp_path: Path) -> None:
    hostile_log(tiny_log()[0]).write(tmp_path / "log")
    config = tiny_config(tmp_path / "log")
    data = dataclasses.replace(config.data, score=f"$ctr {HOSTILE}")
    run = train(dataclasses.replace(config, data=data), tmp_path / f"run {HOSTILE[:4]}")
    found = evaluate(run, hostile_log(tiny_log(40, seed=1)[0]), None)
    outline = self_contained(evaluation_page(found, HOSTILE))
    text = "".join(outline.text)
    assert HOSTILE in text
    assert f"Exposure by {HOSTILE}" in text


def test_who_is_not_there_is_not_asked(full: Reported) -> None:
    evidence = full.evaluation.evidence
    alone = {name: judge for name, judge in evidence.judges.items() if name == TRAINING_EVALUATOR}
    rewards = {name: evidence.rewards[name] for name in alone}
    without = dataclasses.replace(evidence, judges=alone, rewards=rewards, opinions={}, truth=None)
    assert promises_section(without) is None
    gains = gains_section(without)
    assert gains is not None
    assert [row[0] for row in gains.tables[0].rows] == [TRAINING_EVALUATOR]
    only_truth = dataclasses.replace(
        without, rewards=rewards | {TRUTH: evidence.rewards[TRUTH]}, truth=evidence.truth
    )
    promised = promises_section(only_truth)
    assert promised is not None
    assert {row[0] for row in promised.tables[0].rows} == {TRUTH}


def test_pages_of_a_feed_can_be_reported(plain: Reported, seed: int) -> None:
    log = with_random_above(uniform_log(seed, pages=20, candidates=(4, 6), slots=3), seed)
    reported = Reported.of(evaluate(plain.evaluation.evidence.folder, log, None))
    assert len([1 for title, _ in reported.outline.tables if title == "as logged"]) == 10


@pytest.mark.parametrize("changes", [{"pages": 1}, {"people": 1}, {"click_rate": 0.0}])
def test_few_pages_people_and_clicks_can_be_reported(
    plain: Reported, changes: dict[str, float], seed: int
) -> None:
    log = uniform_log(seed, **{"pages": 20, **changes})  # type: ignore[arg-type]
    Reported.of(evaluate(plain.evaluation.evidence.folder, log, None))
