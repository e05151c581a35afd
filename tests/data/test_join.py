"""Exposures and feedback become the log that they tell of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gerank.data.feature import hash_id
from gerank.data.feedback_kind import FeedbackKind
from gerank.data.joining import JoinError, RecordSelection, join_exposures
from tests.data.join_cases import ROWS, joined, refusal, two_pages
from tests.data.request_cases import CONTRACT
from tests.data.served import PRESET, document, record, write_feedback, write_folder


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return two_pages(tmp_path / "served")


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


def test_a_user_feature_may_be_the_person(served: Path, tmp_path: Path) -> None:
    feedback = write_feedback(tmp_path / "f.csv", *ROWS)
    told = refusal(served, feedback, JoinError, person="name")
    assert told == "person: 'name' is no user feature; these are age, country"
    _, log = joined(served, feedback, person="country")
    assert list(log.person_ids) == ["de", "de"]


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
