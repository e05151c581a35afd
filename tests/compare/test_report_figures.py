"""Figures and tables of a comparison's page: they are what the comparison found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gerank.compare.cells import Cell, CellKind, read_cell
from gerank.compare.compare import Comparison
from gerank.compare.differences import Told
from gerank.compare.results import TRUE_CLICKS
from gerank.report.comparison import differences as forest
from gerank.report.comparison.differences import differences_section
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.report import mean_cell, show_cell
from tests.compare.conftest import Compared, row, table
from tests.compare.reported import Page
from tests.report.painted import painted_by, points


@pytest.fixture(scope="module")
def page(compared: Compared) -> Page:
    return Page.of(compared.found)


def test_the_forest_shows_the_differences_of_the_tables(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    (axes,) = painted_by_section(compared.found, monkeypatch)
    for panel, measure in zip(axes, compared.found.differences, strict=True):
        names = [label.get_text() for label in panel.get_yticklabels()]
        assert sorted(names) == ["logged", "upstream_score"]
        drawn = {
            names[int(at)]: (gain, told)
            for told in Told
            for gain, at in points(panel, str(told)).tolist()
        }
        for name, (gain, told) in drawn.items():
            assert gain == pytest.approx(measure.against[name].gain.estimate)
            assert told is measure.against[name].told
        assert len(drawn) == 2


def painted_by_section(found: Comparison, monkeypatch: pytest.MonkeyPatch) -> list[list[object]]:
    figures = painted_by(monkeypatch, forest)
    assert differences_section(found) is not None
    return figures


def test_promises_are_the_evaluators_and_what_is_kept_is_the_truth(
    compared: Compared, page: Page
) -> None:
    space = compared.found.space
    assert space.truth is not None
    evaluator = EvaluatorFeedback(space.judges.load_evaluator())
    people = np.asarray(space.test.person_ids).astype(np.str_)
    batch, rows = space.test.batch(space.test_rows), space.test_rows

    def told(name: str) -> tuple[np.ndarray, np.ndarray]:
        expected, real = [], []
        for order in compared.found.results.policies[name].slates:
            slates = torch.from_numpy(order)
            clicks, _ = evaluator(rows, batch, slates.unsqueeze(1))
            expected.append(clicks[:, 0].double().sum(1).numpy())
            real.append(space.truth.expected_clicks(rows, slates).double().numpy())
        return np.mean(expected, axis=0), np.mean(real, axis=0)

    before = told("logged")
    head, *cells = page.outline.table("Gains in clicks per page over the logged ones")
    assert head[:3] == ["re-ranker", "gain by true clicks", "predicted by evaluator that tunes"]
    assert {each[0] for each in cells} == {"trees", "upstream_score"}
    for name, real, predicted, *_, excess in cells:
        expected, kept = (after - base for after, base in zip(told(name), before, strict=True))
        for cell, values in ((real, kept), (predicted, expected), (excess, expected - kept)):
            assert numbers(cell) == pytest.approx(
                numbers(show_cell(mean_cell(values, people))), abs=2e-4
            )


def numbers(cell: str) -> list[float]:
    return [float(part) for part in cell.replace("[", "").replace("]", "").replace(",", "").split()]


def test_exposure_is_counted_over_the_slates_of_all_seeds(compared: Compared, page: Page) -> None:
    log, policy = compared.found.space.test, compared.found.results.policies["trees"]
    feature = log.schema.named["candidate"]["seller"]
    head, *cells = page.outline.table("Share of all slots by seller, %")
    shown, first = [], []
    for slates in policy.slates.tolist():
        for start, slate in zip(log.candidate_offsets[:-1], slates, strict=True):
            names = [feature.decode(log.candidate["seller"][start + at]) for at in slate if at >= 0]
            shown += names
            first += names[:1]
    (own,) = (each for each in cells if each[0] == "trees")
    (top,) = (
        each
        for each in page.outline.table("Share of the first slot by seller, %")
        if each[0] == "trees"
    )
    assert set(head[1:]) >= set(shown)
    for name, share, of_first in zip(head[1:], own[1:], top[1:], strict=True):
        wanted = (100 * of.count(name) / len(of) for of in (shown, first))
        assert [float(share), float(of_first)] == pytest.approx([*wanted], rel=1e-3)


def test_slates_on_the_page_are_those_of_the_re_rankers(compared: Compared, page: Page) -> None:
    log, policies = compared.found.space.test, compared.found.results.policies
    captions = [line for line in page.text.split("Page ") if " by true clicks " in line]
    rows = {str(name): place for place, name in enumerate(log.page_ids)}
    pages = [rows[caption.split()[0]] for caption in captions]
    assert len(pages) == 10
    gains = (policies["trees"].measures[TRUE_CLICKS] - policies["logged"].measures[TRUE_CLICKS])[
        0, pages
    ]
    assert gains.tolist() == sorted(gains, reverse=True)
    for name, title in (("logged", "as logged"), ("trees", "trees"), *[("upstream_score",) * 2]):
        drawn = [cells for caption, cells in page.outline.tables if caption == title]
        assert len(drawn) == 10
        for place, (_, *slots) in zip(pages, drawn, strict=True):
            start = log.candidate_offsets[place]
            slate = policies[name].slates[0, place].tolist()
            wanted = [str(log.candidate_names[start + at]) for at in slate if at >= 0]
            assert [slot[1] for slot in slots] == wanted


def test_every_trial_is_told_with_its_score(compared: Compared, page: Page) -> None:
    _, *cells = page.outline.table("Settings by their scores on validation pages")
    choice = read_cell(Cell(CellKind.CHOICE, "trees").file(compared.out))[0]
    own = [each for each in cells if each[0] == "trees"]
    assert [each[1] for each in own] == ["trees = 10", "trees = 20"]
    assert [each[2] for each in own] == [show_cell(score) for score in choice["scores"]]
    assert [each[4] == "chosen" for each in own] == [at == choice["chosen"] for at in range(2)]
    (left_out,) = (each for each in cells if each[0] == "no_score")
    assert left_out[4] == compared.found.results.left_out["no_score"]


def test_seconds_are_those_of_the_fits(compared: Compared, page: Page) -> None:
    rows = {name: cells for name, *cells in page.outline.table("Seconds of a fit")[1:]}
    seconds = compared.found.fit_seconds
    assert set(rows) == set(seconds)
    for name, fits in seconds.items():
        wanted = (float(np.mean(fits)), min(fits), max(fits))
        assert rows[name] == [f"{len(fits)}", *map(show_cell, wanted)]


def test_a_row_of_the_tables_is_named_like_its_figure(compared: Compared, page: Page) -> None:
    """Everybody who takes part is a row of every figure, in the order of what counts most."""
    means = [
        (name, row(table(compared, "true clicks"), name)[1].estimate)
        for name in compared.found.results.policies
    ]
    wanted = [name for name, _ in sorted(means, key=lambda pair: -pair[1])]
    labels = [label for label in page.outline.labels if label in wanted]
    assert labels[: len(wanted) - 1] == [name for name in wanted if name != "trees"]
