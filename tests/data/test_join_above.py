"""What stood above served pages is in the log that `gerank join` writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.feature import hash_id
from gerank.data.joining import Joined, join_exposures
from gerank.proto import exposure_pb2
from gerank.proto import rerank_pb2 as pb
from tests.data.served import PRESET, document, record, write_feedback, write_folder


def slot(seller: str, key: str | None = None, **values: int) -> dict[str, Any]:
    """A slot above, with every group key and flag of the contract."""
    told = {"seller": seller, "category": 3, "fresh": 1, "cold": 0} | values
    return told if key is None else told | {"dedup_key": key}


def joined(tmp_path: Path, records: list[exposure_pb2.Exposure]) -> tuple[Joined, ExposureLog]:
    folder = write_folder(tmp_path / "served", records)
    feedback = write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r1,0,1")
    done = join_exposures([folder], [feedback], tmp_path / "joined")
    return done, ExposureLog.read(tmp_path / "joined")


def keyed(name: str, keys: list[str | None], above: list[dict[str, Any]]) -> dict[str, Any]:
    """A page below others whose candidates have these dedup keys."""
    page = document(name, above=above)
    for candidate, key in zip(page["candidates"], keys, strict=True):
        candidate["dedup_key"] = key
    return page


def test_the_log_holds_what_stood_above_each_page(tmp_path: Path) -> None:
    above = [slot("seller-7"), slot("seller-1", category=2, fresh=0)]
    records = [
        record("r1", document("p1")),
        record("r2", document("p2", above=above), time=2_000_000),
        record("r3", document("p3", above=above[:1]), time=3_000_000),
    ]
    done, log = joined(tmp_path, records)
    assert done.below_others == 2
    assert log.above is not None
    assert log.above.offsets.tolist() == [0, 0, 2, 3]
    sellers = [hash_id(name) for name in ("seller-7", "seller-1", "seller-7")]
    assert log.above.features["seller"].tolist() == sellers
    assert log.above.features["category"].tolist() == [3, 2, 3]
    assert log.above.features["fresh"].tolist() == [1, 0, 1]
    assert log.above.features["cold"].tolist() == [0, 0, 0]
    assert log.above.dedup_keys.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes", "numbers"])
def test_a_key_above_names_the_first_candidate_that_has_it(tmp_path: Path, as_bytes: bool) -> None:
    above = [slot("s", "y"), slot("s"), slot("s", "gone"), slot("s", "x"), slot("s", "y")]
    call = record("r1", keyed("p1", [None, "x", "y", "y"], above))
    for keys in (call.request.queries[0].dedup_keys, call.request.queries[0].above.dedup_keys):
        values = np.array(keys.ints or np.frombuffer(keys.int64_le, "<i8"), "<i8")
        keys.ints[:] = [] if as_bytes else values.tolist()
        keys.int64_le = values.tobytes() if as_bytes else b""
    _, log = joined(tmp_path, [call])
    assert log.above is not None
    assert log.above.dedup_keys.tolist() == [2, -1, -1, 1, 2]


def test_candidates_without_keys_are_none_of_the_slots_above(tmp_path: Path) -> None:
    call = record("r1", document("p1", above=[slot("s", "x"), slot("s", "y")]))
    assert not call.request.queries[0].HasField("dedup_keys")
    _, log = joined(tmp_path, [call])
    assert log.above is not None
    assert log.above.dedup_keys.tolist() == [-1, -1]


def test_a_feature_that_a_request_leaves_out_has_its_default_above_too(tmp_path: Path) -> None:
    schema = PRESET.schema
    candidate = tuple(
        replace(feature, default=4) if feature.name == "category" else feature
        for feature in schema.candidate
    )
    contract = replace(PRESET, schema=replace(schema, candidate=candidate))
    call = record("r1", document("p1", above=[slot("s")]), contract=contract)
    told = {"seller": hash_id("s"), "fresh": 1, "cold": 0}
    above = call.request.queries[0].above
    del above.features[:]
    above.features.append(pb.FeatureBlock(names=list(told), ints=list(told.values())))
    folder = write_folder(tmp_path / "served", [call], {"v-1": contract})
    feedback = write_feedback(tmp_path / "f.csv", "request_id,slot,click", "r1,0,1")
    join_exposures([folder], [feedback], tmp_path / "joined")
    logged = ExposureLog.read(tmp_path / "joined").above
    assert logged is not None
    assert logged.features["category"].tolist() == [4]
    assert logged.features["seller"].tolist() == [hash_id("s")]


def test_a_log_of_pages_that_stand_alone_has_no_such_columns(tmp_path: Path) -> None:
    done, log = joined(tmp_path, [record("r1", document("p1"))])
    assert done.below_others == 0
    assert log.above is None


def test_the_slots_above_survive_the_parts_of_a_large_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank.data.joining.write._CANDIDATES_AT_ONCE", 7)
    counts = [n % 4 for n in range(25)]
    records = [
        record(f"r{n}", document(f"p{n}", above=[slot(f"s{n}-{k}") for k in range(count)]))
        for n, count in enumerate(counts)
    ]
    done, log = joined(tmp_path, records)
    assert done.below_others == sum(count > 0 for count in counts)
    assert log.above is not None
    assert np.diff(log.above.offsets).tolist() == counts
    expected = [hash_id(f"s{n}-{k}") for n, count in enumerate(counts) for k in range(count)]
    assert log.above.features["seller"].tolist() == expected
    assert set(log.above.features) == {feature.name for feature in PRESET.schema.above}
