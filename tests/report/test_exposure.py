"""Exposure by slot and by group, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.report.exposure import slot_values
from gerank.train.report import show_cell
from tests.report.conftest import Reported


def shown(reported: Reported, name: str, policy: str) -> list[list[object]]:
    """The values of a feature, page by page, slot by slot."""
    evidence = reported.evaluation.evidence
    log, feature = evidence.log, evidence.log.schema.named["candidate"][name]
    return [
        [
            feature.decode(log.candidate[name][log.candidate_offsets[row] + place])
            for place in slate
            if place >= 0
        ]
        for row, slate in enumerate(evidence.slates[policy].tolist())
    ]


def test_values_of_slots_are_those_of_the_items_there(full: Reported) -> None:
    evidence = full.evaluation.evidence
    values = slot_values(evidence.log, "seller", evidence.slates["generator"])
    names = evidence.log.schema.named["candidate"]["seller"]
    expected = [name for page in shown(full, "seller", "generator") for name in page]
    assert [names.decode(value) for value in values] == expected
    hole = torch.tensor([[-1, 0, -1]]).expand(len(evidence.log), -1)
    first = evidence.log.candidate["seller"][evidence.log.candidate_offsets[:-1]]
    np.testing.assert_array_equal(slot_values(evidence.log, "seller", hole), first)


@pytest.mark.parametrize("group", ["seller", "category", "content_type"])
def test_shares_of_a_group_are_counted_slots(full: Reported, group: str) -> None:
    _, *rows = full.outline.table(f"Exposure by {group}")
    assert sum(float(row[1]) for row in rows) == pytest.approx(100, abs=0.1)
    for at, policy in ((1, "logged"), (2, "generator")):
        pages = shown(full, group, policy)
        all_slots = [value for page in pages for value in page]
        tops = [page[0] for page in pages]
        for row in rows:
            name = row[0]
            assert row[at] == show_cell(100 * all_slots.count(name) / len(all_slots))
            assert row[at + 3] == show_cell(100 * tops.count(name) / len(tops))


def test_flags_by_slot_are_counted_items(full: Reported) -> None:
    head, *rows = full.outline.table("Flags by slot")
    for policy in ("logged", "generator"):
        pages = shown(full, "fresh", policy)
        at = head.index(f"fresh, {policy}, %")
        for slot, row in enumerate(rows):
            share = 100 * np.mean([page[slot] == "yes" for page in pages])
            assert row[at] == show_cell(float(share))


def test_moves_are_counted_from_slot_to_slot(full: Reported) -> None:
    slates = full.evaluation.evidence.slates
    _, *rows = full.outline.table("How items moved, by the slot that the generator gave them")
    for slot, row in enumerate(rows):
        came = []
        for before, after in zip(
            slates["logged"].tolist(), slates["generator"].tolist(), strict=True
        ):
            came.append(before.index(after[slot]) if after[slot] in before else None)
        counted = [
            sum(place == slot for place in came),
            sum(place is not None and place > slot for place in came),
            sum(place is not None and place < slot for place in came),
            came.count(None),
        ]
        assert row[1:] == [show_cell(100 * count / len(came)) for count in counted]


def test_where_items_stood_adds_up(full: Reported, plain: Reported) -> None:
    for reported in (full, plain):
        _, *rows = reported.outline.table("Where the items stood on the logged page")
        assert rows[0] == ["logged", "100", "0", "0"]
        for row in rows:
            assert sum(map(float, row[1:])) == pytest.approx(100, abs=0.1)
    same = {
        row[0]: row[2] for t in full.evaluation.tables for row in t.rows if "log has" in t.title
    }
    for name, share, *_ in full.outline.table("Where the items stood on the logged page")[1:]:
        assert share == show_cell(same[name])
