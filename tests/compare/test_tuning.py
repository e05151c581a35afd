from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gerank.baselines.mmr import Mmr
from gerank.baselines.rule_pipeline import RulePipeline
from gerank.compare.cells import Cell, trials_of
from gerank.compare.compare import compare
from gerank.compare.config import ComparatorConfig, CompareConfig, read_compare_config
from gerank.compare.tuning import Usable, best_trial, trials, usable
from gerank.compare.workspace import CompareError, Workspace
from gerank.train.config import DataConfig
from gerank.train.setting_rules import ConfigError
from tests.compare.conftest import Compared, row
from tests.train.uniform_log import BARE, uniform_log

GRID = {"trees": [1, 2, 3], "leaves": [4, 5]}


def test_a_grid_within_the_budget_is_tried_whole_the_first_values_first() -> None:
    found = trials("lambdamart", ComparatorConfig(grid=GRID), 6, seed=0)
    assert [(s["trees"], s["leaves"]) for s in found] == [
        *((1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5)),
    ]


def test_a_larger_grid_is_drawn_from_none_twice(seed: int) -> None:
    found = trials("lambdamart", ComparatorConfig(grid=GRID), 4, seed=seed)
    distinct = {(s["trees"], s["leaves"]) for s in found}
    assert len(distinct) == len(found) == 4
    assert found[0] == {"trees": 1, "leaves": 4}
    assert found == trials("lambdamart", ComparatorConfig(grid=GRID), 4, seed=seed)


def test_without_a_grid_the_comparators_own_is_taken_but_for_what_is_set() -> None:
    row = ComparatorConfig(settings={"tradeoff": 0.3, "relevance": "upstream_score"})
    found = trials("mmr", row, 100, seed=0)
    assert len(found) == len(Mmr.grid["similarity"]) * len(Mmr.grid["window"])
    assert all(s["tradeoff"] == 0.3 and s["relevance"] == "upstream_score" for s in found)


def test_values_that_pages_lack_something_for_are_not_tried() -> None:
    row = ComparatorConfig(settings={"tradeoff": 0.5})
    found, lacking = usable("mmr", row, BARE, None).row, usable("mmr", row, BARE, None).lacking
    assert (found.settings, found.grid["similarity"]) == (row.settings, ["features"])
    assert found.grid["relevance"] == ["logistic_regression"]
    assert found.grid["window"] == list(Mmr.grid["window"])
    assert lacking == (
        "data.score names no feature that the pages were sorted by",
        "similarity is 'groups', but candidates have no groups",
    )
    scored = usable("mmr", row, BARE, "score").row
    assert scored.grid["relevance"] == list(Mmr.grid["relevance"])
    pipeline = usable("rule_pipeline", ComparatorConfig(), BARE, None).row
    assert (pipeline.grid["window"], pipeline.grid["reserved"]) == ([0], [0.0])
    assert len(trials("rule_pipeline", pipeline, 9, seed=0)) == 1
    assert usable("seq2slate", ComparatorConfig(), BARE, None) == Usable(ComparatorConfig())


@pytest.mark.parametrize(
    "row",
    [
        ComparatorConfig(grid={"similarity": ["groups"], "window": [1, 3]}),
        ComparatorConfig(grid={"window": [1, 3]}),  # where nothing is said, groups come first
        ComparatorConfig(settings={"similarity": "groups"}),
    ],
)
def test_one_trial_says_what_the_pages_lack_for_all(row: ComparatorConfig) -> None:
    found = usable("dpp", row, BARE, None)
    assert len(trials("dpp", found.row, 9, seed=0)) == 1 and not found.lacking


def test_settings_that_exclude_each_other_are_not_tried(seed: int) -> None:
    for budget in (4, 17, 1000):
        found = trials("rule_pipeline", ComparatorConfig(), budget, seed=seed)
        assert all(each["window"] or not each["penalty"] for each in found)
        distinct = {json.dumps(each) for each in found}
        assert len(distinct) == len(found) == min(budget, 2 * 2 * (1 + 3 * 3))


def test_where_all_settings_exclude_each_other_one_trial_says_so() -> None:
    row = ComparatorConfig(grid={"penalty": [0.1, 0.3]})
    assert trials("rule_pipeline", row, 4, seed=0) == [{"penalty": 0.1}]
    assert "window is 0" in RulePipeline.conflict({"penalty": 0.1, "window": 0})


def test_the_budget_is_spent_on_what_the_pages_allow(tmp_path: Path, seed: int) -> None:
    uniform_log(seed).write(tmp_path / "train")
    test = uniform_log(seed + 1)
    others = np.array([f"other-{person}" for person in test.person_ids])
    dataclasses.replace(test, person_ids=others).write(tmp_path / "test")
    rows = {"mmr": ComparatorConfig()}
    config = CompareConfig(DataConfig(tmp_path / "train"), comparators=rows, reference="mmr")
    space = Workspace.read(config, tmp_path / "test", tmp_path / "out")
    tried = trials_of(space.config, "mmr")
    assert len(tried) == config.tuning.budget
    assert {s["similarity"] for s in tried} == {"features"}
    assert list(space.lacking) == ["mmr"]


def test_the_cells_that_are_planned_are_those_that_are_done(
    compared: Compared, tmp_path: Path
) -> None:
    """Though a value of the grid is not tried; the last table says so."""
    shutil.copytree(compared.out, tmp_path / "out")
    rows = compared.config.comparators | {
        "own": ComparatorConfig("tests.compare.own_comparator:Choosy")
    }
    planned: list[Cell] = []
    done: list[Cell] = []
    found = compare(
        dataclasses.replace(compared.config, comparators=rows),
        compared.folder / "test",
        tmp_path / "out",
        resume=True,
        plan=planned.extend,
        watch=lambda cell, is_done: done.append(cell) if is_done else None,
    )
    assert sorted(map(str, planned)) == sorted(map(str, done))
    settings = found.tables[-1]
    assert settings.columns[-1] == "not tried"
    assert row(settings, "own")[1:] == ("1", 'mood = "good"', "there is no cake")


@pytest.mark.parametrize("kind", ["LacksRaises", "ConflictRaises"])
def test_the_row_is_named_whose_own_code_fails(compared: Compared, kind: str) -> None:
    rows = {"own": ComparatorConfig(f"tests.compare.own_comparator:{kind}")}
    config = dataclasses.replace(compared.config, comparators=rows, reference="own")
    with pytest.raises(CompareError, match=r"comparators\.own: its `lacks` or .* failed: KeyError"):
        Workspace.read(config, compared.folder / "test", compared.out)


def test_a_budget_of_one_takes_the_first_values() -> None:
    [found] = trials("mmr", ComparatorConfig(), 1, seed=0)
    assert found == {setting: values[0] for setting, values in Mmr.grid.items()}


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [([0.1, 0.3, 0.2], 1), ([0.3, None, 0.3], 0), ([None, -1.0], 1), ([None, None], None)],
)
def test_the_first_of_the_highest_scores_is_chosen(
    scores: list[float | None], wanted: int | None
) -> None:
    assert best_trial(scores) == wanted


def test_a_table_of_settings_is_that_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(
        '[data]\nlog = "train"\n[comparators.gerank.settings]\nreward.likes = {min = 0.0}\n'
        "generator.epochs = 2\n[comparators.gerank.grid.evaluator]\nsteps = [5, 6]\n"
    )
    row = read_compare_config(path).comparators["gerank"]
    assert row.settings == {"generator.epochs": 2, "reward": {"likes": {"min": 0.0}}}
    assert row.grid == {"evaluator.steps": [5, 6]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[comparators.mmr]", "reference: 'gerank' is not one of comparators: mmr"),
        ('reference = "nmr"\n[comparators.nmr]', "comparators.nmr: comparator 'nmr' is not one of"),
        (
            'reference = "mmr"\n[comparators.mmr.grid]\nlambda = [1]',
            "comparators.mmr: mmr: no setting 'lambda'",
        ),
        (
            'reference = "mmr"\n[comparators.mmr.grid]\ntradeoff = 0.5',
            r"comparators.mmr.grid.tradeoff: 0.5 is not a list",
        ),
        (
            'reference = "mmr"\n[comparators.mmr]\ngrid.window = [1]\nsettings.window = 1',
            r"comparators.mmr.grid.window: settings.window says what it is",
        ),
        (
            'reference = "gerank"\n[comparators.gerank]\ngrid.generator.epochs = [1]\n'
            "settings.generator.epochs = 1",
            r"comparators.gerank.grid.generator.epochs: settings.generator.epochs says what it is",
        ),
        (
            'reference = "mmr"\n[comparators.mmr.grid]\ntradeoff = [0.5, "a"]',
            "comparators.mmr: mmr: tradeoff: 'a' is not a number",
        ),
        (
            'reference = "mmr"\n[comparators.mmr.grid]\ntradeoff = [true]',
            "comparators.mmr: mmr: tradeoff: True is not a number",
        ),
        (
            'reference = "trees"\n[comparators.trees]\ncomparator = "lambdamart"\n'
            "settings.trees = 1.5",
            "comparators.trees: lambdamart: trees: 1.5 is not a whole number",
        ),
        ('reference = "a b"\n[comparators."a b"]', "comparators: 'a b' is not letters, digits"),
        ("seeds = [1, 1]", r"seeds: \[1, 1\] is not a list of distinct seeds"),
        ("seeds = []", r"seeds: \[\] is not a list of distinct seeds"),
        ("resamples = 3", "resamples: 3 is not >= 100"),
        ("[tuning]\nbudget = 0", "tuning.budget: 0 is not >= 1"),
        ('[tuning]\nby = "luck"', "tuning.by: 'luck' is not one of evaluator, ndcg"),
        ("[tuning]\nbudgets = 1", "unknown key 'tuning.budgets'; did you mean 'budget'"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(text: str, message: str, tmp_path: Any) -> None:
    path = tmp_path / "compare.toml"
    path.write_text(f'{text}\n[data]\nlog = "train"\n')
    with pytest.raises(ConfigError, match=message):
        read_compare_config(path)


def test_without_rows_every_comparator_takes_part() -> None:
    config = CompareConfig(DataConfig("log"))  # type: ignore[arg-type]
    from gerank.compare.cells import rows_of

    assert {"gerank", "mmr", "dpp", "logged"} <= set(rows_of(config))
