"""Exposures and feedback that do not fit each other are refused by name, or left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gerank.data.joining import JoinError, RecordSelection, join_exposures
from gerank.data.joining.contracts import contract_file_name
from gerank.data.schema import Feature, FeatureKind
from tests.data.join_cases import ROWS, joined, refusal, two_pages
from tests.data.served import PRESET, delimited, document, record, write_feedback, write_folder


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return two_pages(tmp_path / "served")


def test_a_preset_that_the_contract_does_not_know_is_refused_by_name(tmp_path: Path) -> None:
    """Whether such a page was drawn is unknown: its propensities must not be lost in silence."""
    page = document("p")
    del page["mode"]
    records = [record("r1", page), record("r2", page | {"preset": "drawn"})]
    records[1].request.queries[0].preset = "newer"
    folder = write_folder(tmp_path / "served", records)
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    reason = "has preset 'newer', which contract-v-1.json does not know: whether it was drawn is"
    assert reason in refusal(folder, feedback)
    done, log = joined(folder, feedback, skip_bad=True)
    assert (done.pages, list(log.page_ids)) == (1, ["r1"])
    assert done.left_out == {f"{reason} unknown": 1}


def test_different_contracts_of_one_version_are_refused(tmp_path: Path) -> None:
    folders = [
        write_folder(tmp_path / f"server-{i}", [record(f"r{i}", document("p"))]) for i in (1, 2)
    ]
    path = folders[1] / contract_file_name("v-1")
    changed = json.loads(path.read_bytes())
    changed["presets"]["newer"] = {"mode": "sample"}
    path.write_text(json.dumps(changed))
    told = refusal(folders, write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r1,1,1"))
    assert told == (
        f"{path}: is another contract than {folders[0] / path.name}, of the same model version: "
        "join the folders one by one"
    )


def test_a_torn_file_loses_its_torn_record_alone(tmp_path: Path) -> None:
    records = [record("r1", document("p1")), record("r2", document("p2"))]
    whole = delimited(records)
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    folder = write_folder(tmp_path / "s", records)
    (path,) = folder.glob("*.pb")
    first = len(delimited(records[:1]))
    path.rename(path.with_name(f"{path.name}.part"))
    for cut in (first + 1, first + 2, len(whole) - 1):
        (folder / f"{path.name}.part").write_bytes(whole[:cut])
        out = tmp_path / f"joined-{cut}"
        done = join_exposures([folder], [feedback], out)
        assert (done.pages, done.records.torn, done.feedback.strange) == (1, 1, 1)
    (folder / f"{path.name}.part").write_bytes(whole)
    done = join_exposures([folder], [feedback], tmp_path / "joined-whole")
    assert (done.pages, done.records.torn) == (2, 0)


def test_what_is_no_record_is_refused_by_file_and_place(served: Path, tmp_path: Path) -> None:
    (served / "exposures-1-1-1.pb").write_bytes(b"\x03\xff\xff\xff")
    told = refusal(served, write_feedback(tmp_path / "f.csv", *ROWS), JoinError)
    assert told == f"{served / 'exposures-1-1-1.pb'}: no record of exposures at byte 0"


def test_a_version_with_other_features_is_refused_by_name(tmp_path: Path) -> None:
    wider = replace(
        PRESET,
        schema=replace(
            PRESET.schema, user=(*PRESET.schema.user, Feature("mood", FeatureKind.DENSE, default=0))
        ),
    )
    records = [
        record("r1", document("p1"), time=1),
        record("r2", document("p2"), version="v-2", time=2),
    ]
    folder = write_folder(tmp_path / "s", records, {"v-2": wider})
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    told = "model version 'v-1' has other features than 'v-2': the user feature 'mood' is missing"
    assert refusal(folder, feedback) == f"{folder}, page 'r1': {told}"
    done, log = joined(folder, feedback, skip_bad=True)
    assert list(log.page_ids) == ["r2"]
    assert log.user["mood"].tolist() == [0]  # the default of a feature that the request left out
    assert done.left_out == {told: 1}
    only = RecordSelection(model_version="v-1")
    out = tmp_path / "only"
    assert join_exposures([folder], [feedback], out, selection=only).pages == 1


def test_a_version_without_a_contract_is_refused(served: Path, tmp_path: Path) -> None:
    (served / "contract-v-1.json").unlink()
    told = refusal(served, write_feedback(tmp_path / "f.csv", *ROWS), JoinError)
    assert told == f"{served}: no contract-v-1.json, which the server writes beside its records"
    assert contract_file_name("a/b c") == "contract-a%2Fb%20c.json"


BAD = [
    ("r1,x,1", "column 'slot': 'x' is not an integer >= 0"),
    ("r1,1.5,1", "column 'slot': '1.5' is not an integer >= 0"),
    ("r1,3,1", "column 'slot': '3' is not a slot of the page"),
    ("r1,,1", "column 'slot': is missing, and candidate_id is too"),
    (",1,1", "column 'request_id': is missing"),
    ("r1,1,2", "column 'click': '2' is neither 0 nor 1"),
    ("r1,1,much", "column 'click': 'much' is not a finite number"),
    ("r1,1,inf", "column 'click': 'inf' is not a finite number"),
]


@pytest.mark.parametrize(("row", "told"), BAD)
def test_a_bad_row_is_refused_or_costs_its_page(
    served: Path, tmp_path: Path, row: str, told: str
) -> None:
    path = write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r2,0,1", row)
    page = "" if row.startswith(",") else "page 'r1', "
    assert refusal(served, path) == f"{path}, row 2, {page}{told}"
    done, log = joined(served, path, skip_bad=True)
    assert list(log.page_ids) == (["r2"] if page else ["r1", "r2"])
    assert sum(done.left_out.values()) == 1
    (line,) = (tmp_path / "joined" / "left_out.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 2


def test_a_candidate_that_was_not_shown_there_is_refused(served: Path, tmp_path: Path) -> None:
    columns = "request_id,slot,candidate_id,click"
    for row, candidate in (("r1,,p1-d,1", "p1-d"), ("r1,0,p1-a,1", "p1-a")):
        path = write_feedback(tmp_path / "f.csv", columns, row)
        assert f"column 'candidate_id': '{candidate}' was not shown there" in refusal(served, path)


def test_a_row_must_name_its_page_where_there_are_several(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", [record("r1", document("p1"), document("p2"))])
    path = write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r1,0,1")
    assert "column 'page_id': is missing, and the request has several pages" in refusal(
        folder, path
    )


BAD_PAGES = [
    ([record("r1", document("p1")), record("r1", document("p1"))], "was answered more than once"),
    ([record("r1", document("p1"), slates=[[]])], "shows nothing"),
]


@pytest.mark.parametrize(("records", "told"), BAD_PAGES, ids=[told for _, told in BAD_PAGES])
def test_a_page_that_no_log_can_hold_is_refused(
    tmp_path: Path, records: list[Any], told: str
) -> None:
    folder = write_folder(tmp_path / "s", [*records, record("r2", document("p2"))])
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    assert told in refusal(folder, feedback)
    _, log = joined(folder, feedback, skip_bad=True)
    assert list(log.page_ids) == ["r2"]


def test_a_slate_with_a_hole_is_refused(served: Path, tmp_path: Path) -> None:
    holed = record("r3", document("p3"))
    holed.response.slates[0].slots[:] = [0, 1, 4]
    write_folder(served, [holed], name="exposures-3-1-0.pb")
    told = refusal(served, write_feedback(tmp_path / "f.csv", *ROWS))
    assert told.endswith("page 'r3': has an empty slot above a filled one")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            "request,slot,click",
            "has no column 'request_id'; did you mean 'request'? Columns: request, slot, click",
        ),
        ("request_id,click", "a column 'slot' or 'candidate_id' must tell"),
        ("request_id,slot,purchase", "no column 'click'"),
    ],
)
def test_a_missing_column_is_named(served: Path, tmp_path: Path, columns: str, told: str) -> None:
    row = ",".join("1" for _ in columns.split(","))
    assert told in refusal(served, write_feedback(tmp_path / "f.csv", columns, row), JoinError)


def test_a_log_is_not_overwritten(served: Path, tmp_path: Path) -> None:
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    joined(served, feedback)
    told = refusal(served, feedback, JoinError)
    assert told == f"{tmp_path / 'joined'}: holds a log; join into a new folder"


def test_folders_without_records_are_refused(tmp_path: Path) -> None:
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    assert refusal(tmp_path, feedback) == f"{tmp_path}: no exposures-*.pb in this folder"
    assert refusal(tmp_path / "no", feedback) == f"{tmp_path / 'no'}: no such folder"
