"""The page of a comparison: whole, made of the cells alone, and its figures those of the tables."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gerank.compare.cells import Cell, CellKind, read_cell
from gerank.compare.compare import Comparison, compare
from gerank.compare.differences import Differences, Told
from gerank.compare.results import TRUE_CLICKS
from gerank.report import report_page
from gerank.report.comparison import differences as forest
from gerank.report.comparison.differences import differences_section
from gerank.report.comparison.page import comparison_page
from gerank.report.comparison.slate_pages import slates_section
from gerank.report.comparison.summary import summary_section
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.report import mean_cell, show_cell
from tests.compare.conftest import Compared, row, table
from tests.report.outline import Outline, self_contained
from tests.report.painted import painted_by, points
from tests.report.test_page import HOSTILE
from tests.train.tiny import SLOTS

SECTIONS = [
    "Summary",
    "The reference against every other",
    "Promised and kept gains",
    "Distance to the best slates",
    "Estimates from logged clicks",
    "Exposure by slot and by group",
    "Ten pages as slates",
    "Settings that were tried",
    "Training time",
    "All tables of the comparison",
]
MOST_BYTES = 5_000_000


@dataclass(frozen=True)
class Page:
    """A page, checked to be whole."""

    markup: str
    outline: Outline

    @classmethod
    def of(cls, found: Comparison) -> Page:
        markup = comparison_page(found, "a comparison on a log")
        return cls(markup, self_contained(markup))

    @property
    def text(self) -> str:
        return "".join(self.outline.text)

    @property
    def sections(self) -> list[str]:
        links = self.markup[self.markup.index("<nav") : self.markup.index("</nav>")]
        return [link.text[0] for link in map(Outline, links.splitlines()[1:]) if link.text]


@pytest.fixture(scope="module")
def page(compared: Compared) -> Page:
    return Page.of(compared.found)


def words_of(found: Comparison) -> str:
    """The summary, as it is read."""
    return "".join(self_contained(report_page("t", [summary_section(found)])).text)


def with_told(found: Comparison, measure: str, told: dict[str, Told]) -> Comparison:
    """A comparison in which a measure says something else of some re-rankers."""

    def changed(each: Differences) -> Differences:
        if each.measure != measure:
            return each
        against = {
            name: of._replace(told=told.get(name, of.told)) for name, of in each.against.items()
        }
        return dataclasses.replace(each, against=against)

    return dataclasses.replace(found, differences=[*map(changed, found.differences)])


def test_every_section_is_there_and_the_page_is_small(page: Page) -> None:
    assert page.sections == SECTIONS
    assert len(page.markup.encode()) < MOST_BYTES


def test_every_table_of_the_comparison_is_on_the_page(compared: Compared, page: Page) -> None:
    for found in compared.found.tables:
        rows = page.outline.table(found.title)
        assert rows[0] == list(found.columns)
        assert rows[1:] == [[show_cell(cell) for cell in cells] for cells in found.rows]


def test_the_summary_names_who_is_above_and_below_by_every_measure(compared: Compared) -> None:
    told = {"logged": Told.HIGHER, "upstream_score": Told.LOWER}
    found = with_told(compared.found, TRUE_CLICKS, told)
    words = words_of(found)
    assert "verdict: the reference is beaten: By true clicks upstream_score is above trees" in words
    assert "true clicks: trees is higher than logged; trees is lower than upstream_score." in words
    told["upstream_score"] = Told.NEITHER
    words = words_of(with_told(compared.found, TRUE_CLICKS, told))
    assert "By true clicks nobody is above trees, which is above 1 of 2 others." in words
    assert "trees is higher than logged; trees is not told apart from upstream_score." in words


def test_only_a_reference_that_nobody_beats_looks_fine(compared: Compared) -> None:
    for told in (Told.LOWER, Told.NEITHER):
        found = with_told(compared.found, TRUE_CLICKS, dict.fromkeys(("logged",), told))
        found = with_told(found, TRUE_CLICKS, {"upstream_score": Told.HIGHER})
        markup = report_page("t", [summary_section(found)])
        assert ('<p class="fine"' in markup) is (told is Told.NEITHER)


def test_where_judge_and_truth_say_the_opposite_is_told(compared: Compared) -> None:
    judge = "judge (examination)"
    same = {"logged": Told.HIGHER, "upstream_score": Told.NEITHER}
    agreed = with_told(with_told(compared.found, TRUE_CLICKS, same), judge, same)
    assert f"{judge} against" not in words_of(agreed)
    other = with_told(agreed, judge, {"logged": Told.LOWER})
    said = f"{judge} against true clicks: They say the opposite of each other of logged."
    assert said in words_of(other)
    alone = with_told(agreed, judge, {"upstream_score": Told.LOWER})
    said = f"{judge} against true clicks: {judge} alone tells upstream_score apart from trees."
    assert said in words_of(alone)


def test_who_was_left_out_is_told_with_the_reason(compared: Compared, page: Page) -> None:
    reason = compared.found.results.left_out["no_score"]
    assert f"no_score: It could not take part: {reason}." in page.text


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


def test_what_there_is_nothing_for_is_left_out(compared: Compared, tmp_path: Path) -> None:
    """Nobody knows the truth, and nobody is left to judge."""
    for name in ("train", "test"):
        shutil.copytree(compared.folder / name, tmp_path / name)
        (tmp_path / name / "truth.npz").unlink()
    data = dataclasses.replace(compared.config.data, log=tmp_path / "train", judge_share=0.0)
    rows = {name: compared.config.comparators[name] for name in ("logged", "upstream_score")}
    config = dataclasses.replace(
        compared.config, data=data, comparators=rows, reference="upstream_score"
    )
    page = Page.of(compare(config, tmp_path / "test", tmp_path / "out"))
    gone = {"Promised and kept gains", "Distance to the best slates"}
    assert page.sections == [title for title in SECTIONS if title not in gone]
    assert f"By NDCG@{SLOTS} of logged clicks" in page.text


def test_a_judge_is_believed_where_the_truth_is_unknown(compared: Compared, tmp_path: Path) -> None:
    space = dataclasses.replace(compared.found.space, truth=None)
    hidden = {
        name: dataclasses.replace(
            policy, measures={k: v for k, v in policy.measures.items() if k != TRUE_CLICKS}
        )
        for name, policy in compared.found.results.policies.items()
    }
    results = dataclasses.replace(compared.found.results, policies=hidden, logged=hidden["logged"])
    told = [each for each in compared.found.differences if each.measure != TRUE_CLICKS]
    page = Page.of(
        dataclasses.replace(
            compared.found, space=space, results=results, differences=told, best=None
        )
    )
    head, *cells = page.outline.table("Gains in clicks per page over the logged ones")
    assert head[1] == "gain by judge (examination)" and len(cells) == 2


def test_no_name_of_a_file_of_slates_is_markup(compared: Compared, tmp_path: Path) -> None:
    log = compared.found.space.test
    path = tmp_path / "slates.jsonl"
    path.write_text(
        "".join(f"{json.dumps({'id': str(name), 'order': [1, 0]})}\n" for name in log.page_ids)
    )
    found = compare(
        compared.config,
        compared.folder / "test",
        compared.out,
        slates={HOSTILE: path},
        resume=True,
    )
    page = Page.of(found)
    assert page.text.count(HOSTILE) > 10


def test_a_single_re_ranker_has_a_page_without_a_comparison(compared: Compared) -> None:
    results = compared.found.results
    alone = dataclasses.replace(results, policies={"trees": results.policies["trees"]})
    measures = [
        dataclasses.replace(each, means={"trees": each.means["trees"]}, against={})
        for each in compared.found.differences
    ]
    found = dataclasses.replace(
        compared.found, results=alone, differences=measures, off_policy=[], best=None
    )
    page = Page.of(found)
    assert "The reference against every other" not in page.sections
    assert "Nobody can be told apart from trees by true clicks." in page.text
    assert len(slates_section(found).figures) == 10


def test_a_row_of_the_tables_is_named_like_its_figure(compared: Compared, page: Page) -> None:
    """Everybody who takes part is a row of every figure, in the order of what counts most."""
    means = [
        (name, row(table(compared, "true clicks"), name)[1].estimate)
        for name in compared.found.results.policies
    ]
    wanted = [name for name, _ in sorted(means, key=lambda pair: -pair[1])]
    labels = [label for label in page.outline.labels if label in wanted]
    assert labels[: len(wanted) - 1] == [name for name in wanted if name != "trees"]
