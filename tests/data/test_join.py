"""Exposures and feedback become the log that they tell of, and what does not fit is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature import hash_id
from gerank.data.feedback_kind import FeedbackKind
from gerank.data.importing import ImportLogError
from gerank.data.joining import Joined, JoinError, RecordSelection, join_exposures
from gerank.data.joining.contracts import contract_file_name
from gerank.data.schema import Feature, FeatureKind
from tests.data.request_cases import CONTRACT
from tests.data.served import (
    PRESET,
    delimited,
    document,
    record,
    write_feedback,
    write_folder,
)

ROWS = ("request_id,slot,click", "r1,1,1", "r1,2,0", "r2,0,1")
"""Feedback of the folder that `served` writes."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A drawn page of request r1, and a greedy one of r2."""
    greedy = document("p2", mode="greedy")
    return write_folder(
        tmp_path / "served",
        [record("r1", document("p1")), record("r2", greedy, time=2_000_000)],
    )


def joined(
    folders: Path | list[Path], feedback: str | list[str], **options: Any
) -> tuple[Joined, ExposureLog]:
    """What `join_exposures` says, and the log that it wrote."""
    exposures = [folders] if isinstance(folders, Path) else folders
    files = [feedback] if isinstance(feedback, str) else feedback
    out = exposures[0].parent / "joined"
    done = join_exposures(exposures, files, out, **options)
    return done, ExposureLog.read(out)


def refusal(
    folders: Path | list[Path],
    feedback: str,
    error: type[Exception] = ImportLogError,
    **options: Any,
) -> str:
    """Why they cannot be joined."""
    with pytest.raises(error) as caught:
        joined(folders, feedback, **options)
    return str(caught.value)


def test_the_log_holds_what_was_asked_shown_and_done(served: Path, tmp_path: Path) -> None:
    done, log = joined(served, write_feedback(tmp_path / "f.csv", *ROWS))
    assert (done.pages, done.drawn, done.slots, done.clicks) == (2, 1, 6, 2.0)
    assert list(log.page_ids) == ["r1", "r2"]
    assert list(log.person_ids) == ["r1", "r2"]
    assert log.timestamps.tolist() == [1_000_000, 2_000_000]
    assert list(log.candidate_names[:4]) == ["p1-a", "p1-b", "p1-c", "p1-d"]
    assert log.slates.tolist() == [2, 0, 1] * 2
    assert log.clicks.tolist() == [0, 1, 0, 1, 0, 0]
    assert log.user["age"].tolist() == [31.5, 31.5]
    assert log.user["country"].tolist() == [1, 1]
    assert log.candidate["price"].tolist() == [0, 1, 2, 3] * 2
    assert log.candidate["seller"].tolist() == [hash_id(f"seller-{n}") for n in range(4)] * 2
    assert log.candidate["fresh"].tolist() == [0, 1, 0, 1] * 2
    assert log.schema == CONTRACT.schema
    assert log.log_propensity[:3].tolist() == [-0.5, -1.0, -1.5]
    assert np.isnan(log.log_propensity[3:]).all()  # the most probable slate is no draw
    assert np.isnan(log.placement_propensity).all()


def test_a_preset_may_say_that_pages_are_drawn(tmp_path: Path) -> None:
    page = document("p")
    del page["mode"]
    records = [record("r1", page), record("r2", page | {"preset": "drawn"})]
    folder = write_folder(tmp_path / "served", records)
    done, log = joined(folder, write_feedback(tmp_path / "f.csv", *ROWS))
    assert done.drawn == 1
    assert np.isnan(log.log_propensity).tolist() == [True] * 3 + [False] * 3


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


def test_candidates_and_pages_are_named_as_well_as_slots(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", [record("r1", document("p1"), document("p2"))])
    rows = ("request_id,page_id,candidate_id,click", "r1,p2,p2-a,1", "r1,p1,p1-c,1")
    _, log = joined(folder, write_feedback(tmp_path / "f.csv", *rows))
    assert list(log.page_ids) == ["r1/p1", "r1/p2"]
    assert log.clicks.tolist() == [1, 0, 0, 0, 1, 0]


def test_calls_of_one_request_are_pages_of_it(tmp_path: Path) -> None:
    records = [record("r1", document("p1")), record("r1", document("p2"))]
    folder = write_folder(tmp_path / "s", records)
    rows = ("request_id,page_id,slot,click", "r1,p2,0,1")
    _, log = joined(folder, write_feedback(tmp_path / "f.csv", *rows))
    assert list(log.page_ids) == ["r1/p1", "r1/p2"]
    assert log.clicks.tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_further_feedback_has_its_kind_in_every_format(
    served: Path, tmp_path: Path, ending: str
) -> None:
    rows = [
        {"request_id": "r1", "slot": 0, "click": True, "saved": 1, "times": 3, "dwell": 2.5},
        {"request_id": "r2", "slot": 2, "click": False, "saved": 0, "times": None, "dwell": None},
    ]
    path = tmp_path / f"f.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done, log = joined(served, str(path))
    kinds = {kind.name: kind.kind for kind in done.feedback.kinds}
    flag, count, amount = FeedbackKind.FLAG, FeedbackKind.COUNT, FeedbackKind.AMOUNT
    assert kinds == {"saved": flag, "times": count, "dwell": amount}
    assert log.clicks.tolist() == [1, 0, 0, 0, 0, 0]
    assert log.feedback["saved"].tolist() == [1, 0, 0, 0, 0, 0]
    assert log.feedback["times"].tolist() == [3, 0, 0, 0, 0, 0]
    assert log.feedback["dwell"][0] == 2.5 and np.isnan(log.feedback["dwell"][1:]).all()


def test_columns_that_are_no_feedback_are_passed_over_by_choice(
    served: Path, tmp_path: Path
) -> None:
    rows = ("request_id,slot,click,browser", "r1,1,1,old")
    feedback = write_feedback(tmp_path / "f.csv", *rows)
    assert "column 'browser': 'old' is not a finite number" in refusal(served, feedback)
    done, _ = joined(served, feedback, kinds=["click"])
    assert done.feedback.kinds == ()


def test_strange_and_doubled_feedback_is_counted(served: Path, tmp_path: Path) -> None:
    rows = (*ROWS, "r9,0,1", "r1,2,1", "r1,2,1")
    done, log = joined(served, write_feedback(tmp_path / "f.csv", *rows))
    counts = done.feedback
    assert (counts.rows, counts.strange, counts.doubled) == (6, 1, 2)
    assert log.clicks.tolist() == [0, 1, 1, 1, 0, 0]


def test_the_window_and_the_arm_choose_records(tmp_path: Path) -> None:
    records = [
        record(f"r{n}", document(f"p{n}"), time=n, arm="a" if n % 2 else "b") for n in range(10)
    ]
    folder = write_folder(tmp_path / "s", records)
    selection = RecordSelection(since=3, until=8, arm="a")
    feedback = write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r5,0,1")
    done, log = joined(folder, feedback, selection=selection)
    assert list(log.page_ids) == ["r3", "r5", "r7"]
    expected = {"before the window": 3, "after the window": 2, "of another arm": 2}
    assert dict(done.records.left_out) == expected
    with pytest.raises(JoinError, match=r"no page to join \(10 before the window\)$"):
        join_exposures([folder], [feedback], tmp_path / "none", selection=RecordSelection(since=99))


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


def test_folders_of_several_servers_are_joined_in_the_order_of_time(tmp_path: Path) -> None:
    late = write_folder(tmp_path / "a", [record("r2", document("p2"))], name="exposures-2-1-0.pb")
    early = write_folder(tmp_path / "b", [record("r1", document("p1"))], name="exposures-1-9-0.pb")
    done, log = joined([late, early], write_feedback(tmp_path / "f.csv", *ROWS))
    assert done.pages == 2
    assert list(log.page_ids) == ["r1", "r2"]


def test_versions_whose_features_agree_are_joined(tmp_path: Path) -> None:
    ranged = replace(
        PRESET,
        schema=replace(
            PRESET.schema,
            user=(replace(PRESET.schema.user[0], minimum=0.0, maximum=1.0), PRESET.schema.user[1]),
        ),
    )
    records = [record("r1", document("p1")), record("r2", document("p2"), version="v-2")]
    folder = write_folder(tmp_path / "s", records, {"v-2": ranged})
    done, log = joined(folder, write_feedback(tmp_path / "f.csv", *ROWS))
    assert done.pages == 2
    assert log.schema == CONTRACT.schema


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


def test_a_user_feature_may_be_the_person(served: Path, tmp_path: Path) -> None:
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    told = refusal(served, feedback, JoinError, person="name")
    assert told == "person: 'name' is no user feature; these are age, country"
    _, log = joined(served, feedback, person="country")
    assert list(log.person_ids) == ["de", "de"]


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


def test_many_parts_hold_every_page_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gerank.data.joining.write._CANDIDATES_AT_ONCE", 7)
    monkeypatch.setattr("gerank.data.joining.page_index._AT_ONCE", 3)
    records = [record(f"r{n}", document(f"p{n}")) for n in range(25)]
    folder = write_folder(tmp_path / "s", records)
    clicked = {n: n % 3 for n in range(0, 25, 2)}
    rows = [f"r{n},{slot},1" for n, slot in clicked.items()]
    path = write_feedback(tmp_path / "f.csv", "request_id,slot,click", *rows)
    done, log = joined(folder, path)
    assert done.pages == 25 and done.clicks == 13
    for n in range(25):
        clicks = log.clicks[3 * n : 3 * n + 3].tolist()
        assert clicks == [float(clicked.get(n) == slot) for slot in range(3)]
