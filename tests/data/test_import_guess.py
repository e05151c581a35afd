"""What a guess makes of lists in the cells of wide tables, and of times by any name."""

from __future__ import annotations

import datetime
import tomllib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import gerank.data
from gerank.data.feature_block import BlockKind
from gerank.data.importing.guess import guess_mapping

PAGES, SHOWN = 40, 3
NOON = datetime.datetime(2026, 1, 1, 12)


def wide(**more: Any) -> pa.Table:
    """Pages of as many items each, so that lists per item have one width."""
    rng = np.random.default_rng(0)
    items = [rng.permutation(12)[:SHOWN].tolist() for _ in range(PAGES)]
    return pa.table(
        {
            "request_id": [f"r{page}" for page in range(PAGES)],
            "user_id": [f"u{page % 7}" for page in range(PAGES)],
            "item_ids": items,
            "clicked": [[1, 0, 0] for _ in range(PAGES)],
            "price": [[float(item) + 0.5 for item in page] for page in items],
            "fresh": [[item % 2 == 0 for item in page] for page in items],
            "brand": [[f"b{item % 3}" for item in page] for page in items],
            "made_at": [[NOON for _ in page] for page in items],
            "vector": [[[float(item), 1.5] for item in page] for page in items],
            "tags": [[[f"t{k}" for k in range(item % 4)] for item in page] for page in items],
            "history": [[f"i{k}" for k in range(page % 5)] for page in range(PAGES)],
            "user_vector": [[0.5, page + 0.25] for page in range(PAGES)],
            "bought_ids": [[1] * (page % 3) for page in range(PAGES)],
        }
        | {name: values[:PAGES] for name, values in more.items()}
    )


MOMENTS = [NOON + datetime.timedelta(minutes=page) for page in range(PAGES)]


def test_lists_of_wide_tables_are_features() -> None:
    table = wide(t=MOMENTS)
    text = guess_mapping(table)
    told = tomllib.loads(text)
    candidate, user = told["candidate"], told["user"]
    assert told["layout"] == "wide"
    assert candidate["price"] == {"kind": "dense"}
    assert candidate["fresh"] == {"kind": "flag"}
    assert candidate["brand"] == {"kind": "id", "vocabulary": 16, "group": True}
    assert candidate["vector"] == {"kind": "vector", "width": 2}
    assert candidate["tags"] == {"kind": "ids", "longest": 3, "vocabulary": 16}
    assert user["history"] == {"kind": "ids", "longest": 4, "vocabulary": 16}
    assert user["user_vector"] == {"kind": "vector", "width": 2}
    assert "bought_ids" not in user
    log = gerank.data.import_log(table, told)
    blocks = {(block.side, block.name): block.kind for block in log.schema.blocks}
    assert blocks == {
        ("user", "history"): BlockKind.IDS,
        ("user", "user_vector"): BlockKind.VECTOR,
        ("candidate", "vector"): BlockKind.VECTOR,
        ("candidate", "tags"): BlockKind.IDS,
    }


def test_a_list_that_may_tell_of_what_came_after_is_commented_and_can_be_taken_in() -> None:
    table = wide(t=MOMENTS)
    text = guess_mapping(table)
    start = text.index(
        "# bought_ids is left out: a list without an entry per shown item; if it was"
    )
    lines = text[start:].split("\n\n")[0].splitlines()[1:]
    assert lines[0] == "# [user.bought_ids]"
    taken = text + "\n" + "\n".join(line.removeprefix("# ") for line in lines)
    log = gerank.data.import_log(table, tomllib.loads(taken))
    assert "bought_ids" in {block.name for block in log.schema.blocks}
    age = '# [candidate.made_at]\n# kind = "age_hours"\n# default = 0.0'
    assert age in text
    taken = text.replace(age, age.replace("# ", ""))
    log = gerank.data.import_log(table, tomllib.loads(taken))
    assert log.candidate["made_at"].max() == pytest.approx((PAGES - 1) / 60)


@pytest.mark.parametrize(
    ("more", "time", "unit"),
    [
        ({"t": MOMENTS}, "t", None),
        ({"ts": MOMENTS}, "ts", None),
        ({"t": [1_700_000_000_000 + page for page in range(PAGES)]}, "t", "ms"),
        ({"unix_s": [1_700_000_000 + page for page in range(PAGES)]}, "unix_s", "s"),
        ({"moment_of_truth": MOMENTS}, "moment_of_truth", None),
        ({"one": MOMENTS, "two_at": MOMENTS}, "two_at", None),
    ],
)
def test_a_time_is_known_by_its_type_and_by_short_names(
    more: dict[str, Any], time: str, unit: str | None
) -> None:
    page = tomllib.loads(guess_mapping(wide(**more)))["page"]
    assert page["time"] == time
    assert page.get("time_unit") == unit


def test_times_that_are_not_sure_are_commented_and_can_be_taken_in() -> None:
    table = wide(one=MOMENTS, two=MOMENTS)
    text = guess_mapping(table)
    assert "time" not in tomllib.loads(text)["page"]
    assert "# Several hold times, though." in text
    taken = text.replace('# time = "two"', 'time = "two"')
    assert gerank.data.import_log(table, tomllib.loads(taken)).timestamps[1] > 0
    table = wide(t=list(range(PAGES)))
    text = guess_mapping(table)
    order = '# time = "t"\n# time_unit = "order"'
    assert order in text
    taken = text.replace(order, order.replace("# ", ""))
    log = gerank.data.import_log(table, tomllib.loads(taken))
    assert log.page_ids.tolist() == [f"r{page}" for page in range(PAGES)]


def test_a_text_that_is_called_t_is_no_time() -> None:
    assert "time" not in tomllib.loads(guess_mapping(wide(t=["a"] * PAGES)))["page"]
