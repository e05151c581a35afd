"""Every check, on both sides of its threshold; and what a run keeps of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.simulator import Logging, LoggingPolicy, SimulatorConfig, simulate
from gerank.metrics.calibration import expected_calibration_error
from gerank.train import warnings
from gerank.train.conclusions import warnings_of
from gerank.train.judge import JudgeOpinion
from gerank.train.run_folder import RunFolder
from gerank.train.train import train
from gerank.train.verdict import MOST_OUTSIDE, Judgement, judge_slates
from gerank.train.warning_figures import (
    calibration_error_by_chance,
    numbers_outside_of_tables,
    sortedness,
)
from gerank.train.warnings import RunWarning
from tests.train.tiny import tiny_config
from tests.train.uniform_log import uniform_log

SURE, UNSURE = JudgeOpinion("one", 0.2, 0.1, 0.8), JudgeOpinion("other", 0.2, -0.1, 0.6)


def judged(*opinions: JudgeOpinion, outside: float = 0.0) -> Judgement:
    return judge_slates(True, list(opinions), outside)


CHECKS: dict[str, tuple[Callable[[], RunWarning | None], Callable[[], RunWarning | None]]] = {
    "one-class feedback": (
        lambda: warnings.one_class_feedback(warnings.FEWEST_OF_A_CLASS - 1, 1000),
        lambda: warnings.one_class_feedback(warnings.FEWEST_OF_A_CLASS, 1000),
    ),
    "one-class feedback, all clicked": (
        lambda: warnings.one_class_feedback(1000, 1000),
        lambda: warnings.one_class_feedback(1000 - warnings.FEWEST_OF_A_CLASS, 1000),
    ),
    "too few pages": (
        lambda: warnings.too_few_pages(warnings.FEWEST_PAGES - 1, 1),
        lambda: warnings.too_few_pages(warnings.FEWEST_PAGES, 1),
    ),
    "too few pages, for the sizes": (
        lambda: warnings.too_few_pages(1999, 2000 * warnings.NUMBERS_PER_PAGE),
        lambda: warnings.too_few_pages(2000, 2000 * warnings.NUMBERS_PER_PAGE),
    ),
    "too few resamples": (
        lambda: warnings.too_few_resamples(759, 19),
        lambda: warnings.too_few_resamples(760, 19),
    ),
    "unseen above": (
        lambda: warnings.unseen_above(0.01, "a.module:Network"),
        lambda: warnings.unseen_above(0.0, "a.module:Network"),
    ),
    "unseen above, by a network": (
        lambda: warnings.unseen_above(0.5, "a.module:Network"),
        lambda: warnings.unseen_above(0.5, ""),
    ),
    "AUC at or below one half": (
        lambda: warnings.auc_of_a_coin(warnings.LEAST_AUC),
        lambda: warnings.auc_of_a_coin(warnings.LEAST_AUC + 1e-6),
    ),
    "miscalibration (any click)": (
        lambda: warnings.miscalibration("any click", 0.0501, 0.02),
        lambda: warnings.miscalibration("any click", 0.0499, 0.02),
    ),
    "unlogged slots": (
        lambda: warnings.unlogged_slots([1.0, warnings.LEAST_SHARE_SHOWN - 1e-6]),
        lambda: warnings.unlogged_slots([1.0, warnings.LEAST_SHARE_SHOWN]),
    ),
    "no exploration": (
        lambda: warnings.no_exploration({"a": 0.1, "b": -(warnings.MOST_SORTED + 1e-6)}),
        lambda: warnings.no_exploration({"a": 0.1, "b": -warnings.MOST_SORTED}),
    ),
    "judges disagree": (
        lambda: warnings.disagreement(judged(SURE, UNSURE)),
        lambda: warnings.disagreement(judged(SURE, SURE)),
    ),
    "judges disagree, all doubt": (
        lambda: warnings.disagreement(judged(UNSURE, SURE)),
        lambda: warnings.disagreement(judged(UNSURE, UNSURE)),
    ),
    "off support": (
        lambda: warnings.off_support(judged(SURE, outside=MOST_OUTSIDE + 1e-6)),
        lambda: warnings.off_support(judged(SURE, outside=MOST_OUTSIDE)),
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_warns_on_one_side_of_its_threshold_alone(name: str) -> None:
    beyond, within = (check() for check in CHECKS[name])
    assert within is None
    assert beyond is not None
    assert beyond.name == name.split(",")[0]
    assert beyond.text.endswith(".")
    assert beyond.advice.endswith(".")
    assert RunWarning(**beyond.to_json()) == beyond
    assert beyond.sentence().startswith(f"{beyond.name}: ")


def test_the_sentence_names_what_was_measured() -> None:
    warning = warnings.no_exploration({"price": 0.99, "stock": 0.2})
    assert warning is not None
    assert "sorted by price" in warning.text
    assert "0.990" in warning.text
    slots = warnings.unlogged_slots([1.0, 0.5, 0.001, 0.0])
    assert slots is not None
    assert "Slots 2, 3 (0-based)" in slots.text


def test_no_figure_is_no_warning() -> None:
    assert warnings.auc_of_a_coin(None) is None
    assert warnings.no_exploration({}) is None
    assert warnings.disagreement(judged()) is None


@pytest.mark.parametrize(
    ("logging", "spacing", "warned"),
    [
        (Logging.DETERMINISTIC, 1, True),
        (Logging.DETERMINISTIC, 3, True),
        (Logging.SAMPLED, 3, False),
    ],
)
def test_a_sorted_log_is_told_from_one_with_noise(
    logging: Logging, spacing: int, warned: bool
) -> None:
    policy = LoggingPolicy(spacing=spacing)
    log, _ = simulate(SimulatorConfig(300, 20, 10, 0, logging=logging, policy=policy))
    assert (warnings.no_exploration(sortedness(log)) is not None) is warned


def test_sortedness_is_one_of_a_sort_and_near_nothing_of_chance(seed: int) -> None:
    log = uniform_log(seed, pages=2000, candidates=(3, 8))
    assert abs(sortedness(log)["score"]) < 0.1
    page = np.repeat(np.arange(len(log)), np.diff(log.candidate_offsets))
    slates = np.lexsort((-log.candidate["score"], page)) - log.candidate_offsets[:-1][page]
    assert sortedness(dataclasses.replace(log, slates=slates))["score"] == pytest.approx(-1.0)
    constant = {"score": np.zeros_like(log.candidate["score"])}
    assert sortedness(dataclasses.replace(log, candidate=constant)) == {}


@pytest.mark.parametrize("pages", [100, 2000])
def test_a_calibrated_head_errs_as_much_as_chance_says(seed: int, pages: int) -> None:
    rng = np.random.default_rng(seed)
    found, expected = [], []
    for _ in range(20):
        said = rng.random(pages)
        labels = rng.random(pages) < said
        found.append(expected_calibration_error(labels, said))
        expected.append(calibration_error_by_chance(labels, said))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.2)


def test_numbers_are_counted_without_the_tables_of_ids(run: RunFolder) -> None:
    generator = run.new_generator()
    tables = sum(
        module.weight.numel()
        for module in generator.modules()
        if isinstance(module, torch.nn.Embedding)
    )
    total = sum(parameter.numel() for parameter in generator.parameters())
    assert numbers_outside_of_tables(generator) == total - tables


def test_a_run_keeps_its_warnings_as_numbers_and_texts(run: RunFolder) -> None:
    kept = {warning.name: warning for warning in warnings_of(run)}
    few = kept["too few pages"]
    assert 0 < few.figure < few.threshold == warnings.FEWEST_PAGES
    assert run.facts["warnings"][0].keys() == {"name", "figure", "threshold", "text", "advice"}


def test_a_run_on_a_log_without_clicks_or_deep_pages_says_so(tmp_path: Path) -> None:
    uniform_log(0, pages=120, click_rate=0.0, candidates=(2, 2)).write(tmp_path / "log")
    config = tiny_config(tmp_path / "log")
    data = dataclasses.replace(config.data, score="score", validation_share=0.3)
    folder = train(dataclasses.replace(config, data=data), tmp_path / "run")
    names = [warning.name for warning in warnings_of(folder)]
    assert names[:3] == ["one-class feedback", "too few pages", "unlogged slots"]
