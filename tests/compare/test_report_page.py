"""The page of a comparison: whole, honest, and there for every kind of comparison."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gerank.compare.compare import Comparison, compare
from gerank.compare.differences import Differences, Told
from gerank.compare.results import TRUE_CLICKS
from gerank.report import report_page
from gerank.report.comparison.promised_gains import readable
from gerank.report.comparison.slate_pages import slates_section
from gerank.report.comparison.summary import summary_section
from gerank.train.report import show_cell
from tests.compare.conftest import Compared
from tests.compare.reported import Page
from tests.report.outline import self_contained
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


def test_a_comparison_of_which_the_log_cannot_tell_has_a_page(compared: Compared) -> None:
    """As every one on a log without exploration has it."""
    first, *others = compared.found.off_policy
    blank = tuple((row[0], None, None, None, *row[4:]) for row in first.rows)
    told = [dataclasses.replace(first, rows=blank), *others]
    page = Page.of(dataclasses.replace(compared.found, off_policy=told))
    assert page.sections == SECTIONS
    assert "There is none here." in page.text


def test_names_that_would_cover_each_other_are_not_all_written() -> None:
    """The first is, and so is who stands apart."""
    crowd = {f"name {n}": (0.001 * n, 0.001 * n) for n in range(9)}
    points = {"first": (0.0005, 0.0), **crowd, "far": (1.0, 1.0), "further": (-2.0, 0.5)}
    named = readable(points, "first")
    assert named[0] == "first" and {"far", "further"} < set(named)
    assert not set(named) & set(crowd)


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
