"""Heads for further feedback: each finds what was put into a log, whatever clicks are like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog, ExposureLogError
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.nn.feedback_heads import FeedbackHeads, HeadsShape, Link
from gerank.train.config import UtilityConfig
from gerank.train.evaluate import evaluate
from gerank.train.feedback import EvaluatorFeedback, WithHeads
from gerank.train.feedback_checkpoint import JUDGE, load_heads
from gerank.train.feedback_training import head_shape
from gerank.train.judges import PageJudge
from gerank.train.run_folder import RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.train import train
from tests.train.feedback_log import KINDS, feedback_log
from tests.train.tiny import tiny_config

REWARD = {
    "clicks": UtilityConfig(-1, 1, 1),
    "expected.purchase": UtilityConfig(-1, 1, 0),
    "expected.hide": UtilityConfig(-1, 1, 0),
}


@pytest.fixture(scope="module")
def log() -> ExposureLog:
    return feedback_log()


@pytest.fixture(scope="module")
def run(log: ExposureLog, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("feedback")
    log.write(folder / "log")
    config = tiny_config(folder / "log", reward=REWARD)
    evaluator = replace(config.evaluator, steps=200, prior_strengths=(64.0, 1.0))
    return train(replace(config, evaluator=evaluator), folder / "run")


def test_a_log_keeps_its_feedback_on_disk(run: RunFolder, log: ExposureLog) -> None:
    again = ExposureLog.read(run.config.data.log)
    assert again.schema.feedback == KINDS
    for name, values in log.feedback.items():
        np.testing.assert_array_equal(again.feedback[name], values)
    some = again.select(np.array([7, 3]))
    np.testing.assert_array_equal(
        some.feedback["dwell"], log.select(np.array([7, 3])).feedback["dwell"]
    )
    batch = again.feedback_batch(np.array([7, 3]), 2)
    assert batch.shape == (2, 2, 4)
    first = slice(*log.slate_offsets[7:9])
    np.testing.assert_array_equal(batch[0, :, 2], log.feedback["hide"][first][:2])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("purchase", 0.5, "0.5 is neither 0 nor 1 nor NaN"),
        ("hide", -1.0, "-1.0 is neither 0 nor 1 nor NaN"),
        ("dwell", np.inf, "inf is neither finite nor NaN"),
    ],
)
def test_a_value_that_contradicts_its_kind_is_refused(
    log: ExposureLog, tmp_path: Path, name: str, value: float, words: str
) -> None:
    values = log.feedback[name].copy()
    values[log.slate_offsets[4]] = value
    spoiled = replace(log, feedback={**log.feedback, name: values})
    with pytest.raises(ExposureLogError, match=rf"'feedback\.{name}', page '.*': {words}"):
        spoiled.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_count_is_a_whole_number_from_zero(log: ExposureLog, tmp_path: Path) -> None:
    counted = replace(
        log,
        schema=replace(log.schema, feedback=(FurtherFeedback("views", FeedbackKind.COUNT),)),
        feedback={"views": np.full(len(log.slates), 2.5, dtype=np.float32)},
    )
    with pytest.raises(ExposureLogError, match=r"feedback\.views.*2\.5 is neither a whole number"):
        counted.write(tmp_path)


def test_what_follows_clicks_is_told_by_the_log(log: ExposureLog) -> None:
    shapes = {k.name: head_shape(log, k, np.arange(len(log))) for k in KINDS}
    assert {name: shape.after_click for name, shape in shapes.items()} == {
        "purchase": True,
        "dwell": True,
        "hide": False,
        "saldo": True,
    }
    links = {name: shape.link for name, shape in shapes.items()}
    assert links == {
        "purchase": Link.LOGISTIC,
        "dwell": Link.LOG,
        "hide": Link.LOGISTIC,
        "saldo": Link.IDENTITY,
    }


def test_before_it_learns_a_head_predicts_the_mean(log: ExposureLog) -> None:
    rows = np.arange(len(log))
    shape = HeadsShape(tuple(head_shape(log, kind, rows) for kind in KINDS), 3, 2)
    heads = FeedbackHeads(log.schema, shape)
    pages = log.batch(rows[:64])
    clicked = torch.ones(64, 1, pages.slates.size(1))
    expected = heads.expected(pages, pages.slates.unsqueeze(1), clicked)
    filled = (pages.slates >= 0).unsqueeze(1)
    for place, kind in enumerate(KINDS):
        values = log.feedback[kind.name]
        if shape.heads[place].after_click:
            values = values[log.clicks > 0]
        torch.testing.assert_close(
            expected[place][filled],
            torch.full_like(expected[place][filled], float(np.nanmean(values))),
            rtol=0.01,
            atol=0.01,
        )
        assert (expected[place][~filled] == 0).all()


def test_every_head_finds_what_its_kind_depends_on(run: RunFolder, log: ExposureLog) -> None:
    for whose in ("feedback", JUDGE):
        heads = load_heads(run, whose)
        assert heads is not None
        assert heads.names == tuple(kind.name for kind in KINDS)
        pages = log.batch(np.arange(len(log)))
        alone = torch.arange(6).expand(len(log), 6).unsqueeze(-1)
        given = heads.expected(pages, alone, torch.ones(alone.shape))[..., 0]
        for name, feature in (
            ("purchase", "popularity"),
            ("dwell", "value_score"),
            ("hide", "fresh"),
            ("saldo", "popularity"),
        ):
            predicted = given[heads.names.index(name)].flatten().numpy()
            assert np.corrcoef(predicted, log.candidate[feature])[0, 1] > 0.6, (whose, name)


def test_further_feedback_follows_the_prediction_of_clicks(
    run: RunFolder, log: ExposureLog
) -> None:
    heads = load_heads(run)
    assert heads is not None
    pages = log.batch(np.arange(8))
    slates = pages.slates.unsqueeze(1)
    click = torch.rand(slates.shape)
    once, half = (heads.expected(pages, slates, part) for part in (click, click / 2))
    torch.testing.assert_close(half[0], once[0] / 2)
    torch.testing.assert_close(half[2], once[2])


def test_an_evaluation_tells_how_well_each_kind_is_predicted(
    run: RunFolder, log: ExposureLog
) -> None:
    tables = {table.title: table for table in evaluate(run, log, None).tables}
    predicted = tables["Further feedback on logged pages"]
    mine = {row[0]: row for row in predicted.rows if row[1] == "training evaluator"}
    assert set(mine) == {kind.name for kind in KINDS}
    assert {row[1] for row in predicted.rows} > {"training evaluator"}
    for name in ("purchase", "hide"):
        assert isinstance(mine[name][2], float)
        assert mine[name][2] > 0.6
    per_page = np.nan_to_num(log.feedback["dwell"]).sum() / len(log)
    assert mine["dwell"][5].estimate == pytest.approx(per_page, rel=1e-3)  # type: ignore[union-attr]
    assert mine["dwell"][4] == pytest.approx(per_page, rel=0.3)
    promised = tables["Expected further feedback per page"]
    assert promised.columns == ("", *(kind.name for kind in KINDS))
    assert {row[0] for row in promised.rows} >= {"logged", "generator", "shuffle"}


def test_the_reward_reads_the_heads(run: RunFolder, log: ExposureLog) -> None:
    full = WithHeads(EvaluatorFeedback(run.load_evaluator()), load_heads(run))
    judge = PageJudge(full, log, run.config.reward)
    slates = log.batch(np.arange(len(log)), 3).slates
    utilities = judge.utilities(slates)
    torch.testing.assert_close(utilities[:, 1], judge.further(slates)["purchase"].sum(1))
    torch.testing.assert_close(utilities[:, 2], judge.further(slates)["hide"].sum(1))


def test_a_utility_of_feedback_that_the_log_lacks_is_refused_first(
    log_folder: Path, tmp_path: Path
) -> None:
    reward = {"clicks": UtilityConfig(), "expected.purchase": UtilityConfig()}
    with pytest.raises(ConfigError, match=r"the log has no .purchase.; it has click$"):
        train(tiny_config(log_folder, reward=reward), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_feedback_that_no_page_knows_is_refused_before_training(
    log: ExposureLog, tmp_path: Path
) -> None:
    unknown = np.full(len(log.slates), np.nan, dtype=np.float32)
    replace(log, feedback={**log.feedback, "hide": unknown}).write(tmp_path / "log")
    with pytest.raises(ConfigError, match=r"expected\.hide: feedback 'hide' is unknown in every"):
        train(tiny_config(tmp_path / "log", reward=REWARD), tmp_path / "run")
    assert not (tmp_path / "run").exists()
