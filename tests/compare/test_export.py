"""Rows of a comparison as artifacts: the engine answers as the comparator does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.comparator import Comparator, NotServedError
from gerank.baselines.registry import comparators
from gerank.compare.cells import Cell, CellKind, read_cell, write_cell
from gerank.compare.compare import Comparison, compare
from gerank.compare.config import ComparatorConfig
from gerank.compare.export import check_row, export_comparator, export_row
from gerank.compare.work import SLATES
from gerank.compare.workspace import CompareError
from gerank.data.exposure_log import ExposureLog
from gerank.data.request import Request
from gerank.ranker import Ranker
from tests.baselines.networks import WITH_NETWORK
from tests.baselines.small_problem import SLOTS, names_of, pages_of, quality_log, settings_of
from tests.cli.command import done, gerank
from tests.compare.conftest import Compared
from tests.compare.test_command import words

SHORT: dict[str, Any] = {"steps": 20, "evaluator_steps": 20, "min_steps": 10}
SERVED = [kind for kind in comparators().values() if not kind.not_served and kind.name != "gerank"]
SHORT_GENERATOR = {
    "generator.epochs": 1,
    "generator.min_steps": 0,
    "generator.width": 8,
    "generator.support_price": 0.0,
    "evaluator.steps": 20,
    "evaluator.readings": ["examination"],
    "evaluator.residual": False,
}
ROWS = {
    "gerank": ComparatorConfig(settings=SHORT_GENERATOR),
    "pointer": ComparatorConfig(
        "seq2slate", {"steps": 20, "width": 8, "learning_rate": 0.01}, {"loss": ["hinge"]}
    ),
    "trees": ComparatorConfig("lambdamart", {"leaves": 4}, {"trees": [10], "least": [20]}),
    "nothing": ComparatorConfig("tests.compare.own_comparator:NeedsMore"),
}


@pytest.fixture(scope="module")
def served(compared: Compared, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A comparison of two re-rankers that can be exported, and of one that cannot."""
    config = dataclasses.replace(
        compared.config, comparators=ROWS, reference="gerank", seeds=(3, 1), optimum_pages=0
    )
    out = tmp_path_factory.mktemp("served") / "out"
    return compare(config, compared.folder / "test", out)


def requests(log: ExposureLog, slots: int) -> list[Request]:
    """The pages of a log, their candidates by name as comparators see them."""
    found = []
    for page, (first, last) in enumerate(
        zip(log.candidate_offsets[:-1], log.candidate_offsets[1:], strict=True)
    ):
        order = first + np.argsort(log.candidate_names[first:last], kind="stable")
        found.append(
            Request(
                id=str(log.page_ids[page]),
                candidate_ids=tuple(map(str, log.candidate_names[order])),
                user={name: column[page].item() for name, column in log.user.items()},
                candidates={name: column[order] for name, column in log.candidate.items()},
                slots=slots,
            )
        )
    return found


def answered(path: Path, log: ExposureLog, slots: int) -> list[list[str]]:
    """The names that the engine answers, page by page."""
    asked = requests(log, slots)
    slates = Ranker.load(path).rank(asked)
    return [
        [str(request.candidate_ids[place]) for place in slate.candidates]
        for request, slate in zip(asked, slates, strict=True)
    ]


def test_networks_and_the_sort_by_score_can_be_served_and_no_other() -> None:
    known = {kind.name for kind in WITH_NETWORK} | {"upstream_score"}
    assert {kind.name for kind in SERVED} == known
    assert {name for name, kind in comparators().items() if kind.not_served} == {
        *("click_rate", "dpp", "lambdamart", "logged", "logistic_regression", "mmr"),
        "rule_pipeline",
    }


@pytest.mark.parametrize("kind", SERVED, ids=lambda kind: kind.name)
def test_the_engine_answers_as_the_comparator_does(
    kind: type[Comparator], seed: int, tmp_path: Path
) -> None:
    log = quality_log(seed, pages=120)
    comparator = kind(settings_of(kind, **SHORT), seed=seed)
    comparator.fit(pages_of(log))
    slates = comparator.slates(log, np.arange(120), SLOTS)
    artifact = export_comparator(comparator, log.schema, SLOTS, tmp_path / "a", name="row")
    assert artifact.manifest["training"]["comparator"] == kind.name
    assert answered(tmp_path / "a", log, SLOTS) == names_of(log, slates)


@pytest.mark.parametrize("name", ["gerank", "pointer"])
def test_a_row_answers_as_its_first_seed_did_in_the_comparison(
    name: str, served: Comparison, tmp_path: Path
) -> None:
    space, path = served.space, tmp_path / "row.gerank"
    export_row(space, name, path)
    slates = read_cell(Cell(CellKind.SEED, name, 3).file(space.out))[1][SLATES]
    found = answered(path, space.test, space.config.data.slots)
    assert found == names_of(space.test, torch.from_numpy(slates))
    ranker = Ranker.load(path)
    assert ranker.model_version.startswith(f"{name}-")
    assert ranker.manifest["training"]["seed"] == 3
    assert ranker.implementation == ("native" if name == "gerank" else "torchscript")
    assert set(ranker.contract.weights) == ({"clicks"} if name == "gerank" else set())


def test_a_fit_that_answers_otherwise_is_refused(served: Comparison, tmp_path: Path) -> None:
    """As one may on another kind of machine."""
    cell = Cell(CellKind.SEED, "pointer", 3).file(served.space.out)
    document, arrays = read_cell(cell)
    before = cell.read_bytes()
    write_cell(cell, document, {SLATES: arrays[SLATES][:, ::-1]})
    try:
        with pytest.raises(CompareError, match=r"export 'pointer': .* answer 80 of 80 test pages"):
            export_row(served.space, "pointer", tmp_path / "row.gerank")
    finally:
        cell.write_bytes(before)
    assert not (tmp_path / "row.gerank").exists()


def test_what_cannot_be_exported_is_told_before_anything_is_trained(served: Comparison) -> None:
    config = served.space.config
    with pytest.raises(NotServedError, match="lambdamart cannot be exported: its trees are no"):
        check_row(config, "trees")
    with pytest.raises(CompareError, match=r"export 'tree': .* there are gerank, pointer, trees"):
        check_row(config, "tree")
    check_row(config, "pointer")


def test_a_row_that_was_left_out_is_not_exported(
    served: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.compare.own_comparator.NeedsMore.not_served", "")
    with pytest.raises(CompareError, match=r"export 'nothing': it was left out: .* are too few"):
        export_row(served.space, "nothing", tmp_path / "row.gerank")


def test_the_command_names_file_and_version(compared: Compared, tmp_path: Path) -> None:
    path = tmp_path / "score.gerank"
    printed = done(*words(compared, "--resume", "--export", f"upstream_score={path}"))
    version = Ranker.load(path).model_version
    assert printed.rstrip().endswith(f"{path}: {version}, golden requests passed")
    result = gerank(*words(compared, "--resume", "--export", f"trees={path}"))
    assert result.code == 1 and "lambdamart cannot be exported" in result.err
    result = gerank(*words(compared, "--export", f"a={path}", "--export", f"a={path}"))
    assert result.code == 2 and "'a' is there twice" in result.err
    result = gerank(*words(compared, "--slates", f"ours={path}", "--export", f"ours={path}"))
    assert result.code == 2 and "'ours' names slates of a file" in result.err
