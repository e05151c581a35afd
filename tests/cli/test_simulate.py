"""`gerank simulate`: users and logging of every kind, and options that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import Logging, SimulatorTruth, UserKind
from tests.cli.command import done
from tests.cli.command import gerank as command

SMALL = ("simulate", "--pages", 40, "--candidates", 8, "--slots", 4)


def test_the_help_names_every_kind_of_users_and_logging() -> None:
    text = " ".join(done("simulate", "--help").replace("│", " ").split())
    for name in (*UserKind, *Logging):
        assert name in text
    for option in ("--explore", "--score-noise", "--feed-pages"):
        assert option in text


@pytest.mark.parametrize("kind", UserKind)
def test_the_users_asked_for_are_those_of_the_truth(kind: UserKind, tmp_path: Path) -> None:
    text = done(*SMALL, "--users", kind, "--out", tmp_path)
    assert f"40 pages of 8 candidates, 4 slots, {kind} users, sampled logging" in text
    assert SimulatorTruth.read(tmp_path).user.kind is kind


def test_the_logging_asked_for_is_that_of_the_log(tmp_path: Path) -> None:
    done(*SMALL, "--logging", "deterministic", "--out", tmp_path / "sorted")
    assert (ExposureLog.read(tmp_path / "sorted").log_propensity == 0).all()
    text = done(*SMALL, "--logging", "mixed", "--explore", 0.5, "--out", tmp_path / "mixed")
    assert "mixed logging" in text
    page = ExposureLog.read(tmp_path / "mixed").log_propensity.reshape(40, 4).sum(axis=1)
    one = 0.5 / (8 * 7 * 6 * 5)
    assert {*np.exp(page).round(7).tolist()} == {*np.float32([one, 0.5 + one]).round(7).tolist()}


def test_a_noisier_score_orders_pages_otherwise_and_feeds_have_pages_above(tmp_path: Path) -> None:
    correlation = []
    for noise in (0.0, 3.0):
        done(*SMALL, "--score-noise", noise, "--feed-pages", 2, "--out", tmp_path)
        truth, log = SimulatorTruth.read(tmp_path), ExposureLog.read(tmp_path)
        score = log.candidate["ctr_score"]
        logit = np.log(score / (1 - score))
        correlation.append(np.corrcoef(logit, truth.attraction.numpy().ravel())[0, 1])
        assert truth.above is not None
    assert correlation[0] > 0.9
    assert correlation[1] < 0.5


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (("--users", "sleepy"), ("--users", "'sleepy' is not one of fatigue, examination")),
        (("--logging", "none"), ("--logging", "'none' is not one of sampled, deterministic")),
        (("--explore", "1.5", "--logging", "mixed"), ("--explore", "1.5")),
        (("--explore", "-0.1", "--logging", "mixed"), ("--explore", "-0.1")),
        (("--explore", "nan", "--logging", "mixed"), ("--explore", "nan")),
        (("--explore", "0.1"), ("--explore", "0.1", "logging is sampled")),
        (("--logging", "mixed"), ("--explore", "a share above 0")),
        (("--score-noise", "-1"), ("--score-noise", "-1")),
        (("--score-noise", "inf"), ("--score-noise", "inf")),
        (("--feed-pages", "0"), ("--feed-pages", "0")),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_an_option_that_does_not_fit_is_named_with_its_value(
    options: tuple[str, ...], messages: tuple[str, ...], tmp_path: Path
) -> None:
    result = command(*SMALL, *options, "--out", tmp_path / "log")
    assert result.code == 2
    said = " ".join(result.err.replace("│", " ").split())
    for message in messages:
        assert message in said
    assert not (tmp_path / "log").exists()
