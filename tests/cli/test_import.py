"""`gerank import` and `gerank inspect`: from a table of another system to served slates."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import FILE_NAME, ExposureLog
from tests.cli.command import done
from tests.cli.command import gerank as command
from tests.cli.conftest import CONFIG, files
from tests.data.foreign_tables import LONG, write_parquet
from tests.train.tiny import tiny_log

TINY = CONFIG[CONFIG.index("[evaluator]") : CONFIG.index("[reward.clicks]")]

needs_logs = pytest.mark.skipif("GERANK_LOGS" not in os.environ, reason="GERANK_LOGS is not set")
LOGS = Path(os.environ.get("GERANK_LOGS", ""))

MAP = """
[page]
id = "request"
person = "who"
[shown]
item = "sku"
slot = "place"
first_slot = 1
[feedback.click]
column = "clicked"
[candidate.fresh]
kind = "flag"
"""


@needs_logs
@pytest.mark.parametrize(
    "source",
    ["news/pages.parquet", "letor/rank.test.gz", "odd/by_hour", "odd/one_slot_of_three.csv.gz"],
)
def test_a_foreign_log_comes_to_slates_with_its_guess_and_no_edited_line(
    source: str, tmp_path: Path
) -> None:
    told, log, config = tmp_path / "map.toml", tmp_path / "log", tmp_path / "train.toml"
    done("import", LOGS / source, "--guess", "--map", told)
    done("import", LOGS / source, "--map", told, "--out", log, "--config", config)
    text = re.sub(r"slots = \d\d", "slots = 4", config.read_text())
    config.write_text(text + TINY)  # for the test's sake: seconds, not minutes
    done("train", config, "--out", tmp_path / "run")
    done("export", tmp_path / "run", "--out", tmp_path / "model.gerank", "--force")
    requests, slates = tmp_path / "requests.jsonl", tmp_path / "slates.jsonl"
    requests.write_text(done("inspect", log, "--requests", 5), encoding="utf-8")
    asked = ("--input", requests, "--output", slates)
    done("rerank", "--model", tmp_path / "model.gerank", *asked)
    answers = [json.loads(line) for line in slates.read_text().splitlines()]
    asked_for = [json.loads(line) for line in requests.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == len(asked_for) == 5
    slots = tomllib.loads(config.read_text())["data"]["slots"]
    for request, answer in zip(asked_for, answers, strict=True):
        names = [candidate["id"] for candidate in request["candidates"]]
        chosen = [slot["id"] for slot in answer["slate"]]
        assert len(chosen) == min(slots, len(names))
        assert set(chosen) <= set(names)


def test_a_guess_is_written_once_and_printed_where_no_file_is_named(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "log.parquet", LONG)
    told = tmp_path / "map.toml"
    assert done("import", source, "--guess", "--map", told).strip().endswith(str(told))
    text = told.read_text(encoding="utf-8")
    assert done("import", source, "--guess") == text
    before = files(tmp_path)
    again = command("import", source, "--guess", "--map", told)
    assert again.code == 2
    assert "exists; it is not overwritten" in again.err
    assert files(tmp_path) == before


def test_an_import_tells_what_it_did_and_lists_what_it_left_out(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "log.parquet", LONG, clicked=[1, 0, 0, 9, 0])
    told = tmp_path / "map.toml"
    told.write_text(MAP)
    out = tmp_path / "log"
    refused = command("import", source, "--map", told, "--out", out)
    message = f"error: {source}, row 4, page 'a', column 'clicked': '9' is neither yes nor no\n"
    assert (refused.code, refused.err) == (1, message)
    assert not out.exists()
    text = done("import", source, "--map", told, "--out", out, "--skip-bad")
    assert "left out: 1 times column 'clicked' is neither yes nor no" in text
    assert f"1 pages, 3 slots, 3 candidates, 1.000 clicks a page: {out}" in text
    assert {path.name for path in out.iterdir()} == {FILE_NAME, "left_out.jsonl"}
    done("import", source, "--map", told, "--out", out, "--where", "request = 'b'")
    assert {path.name for path in out.iterdir()} == {FILE_NAME}  # an older list is not this log's


def test_a_first_configuration_is_never_written_over_another(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "log.parquet", LONG)
    (tmp_path / "map.toml").write_text(MAP)
    config = tmp_path / "train.toml"
    args = ("import", source, "--map", tmp_path / "map.toml", "--out", tmp_path / "log")
    done(*args, "--config", config)
    document = tomllib.loads(config.read_text())
    assert document == {"data": {"log": "log", "slots": 2}}
    assert command(*args, "--config", config).code == 2


def test_inspect_counts_what_the_log_holds(tmp_path: Path) -> None:
    log, _ = tiny_log(pages=200)
    log.write(tmp_path)
    found = json.loads(done("inspect", tmp_path, "--json"))
    assert found["pages"]["pages"] == 200
    assert found["pages"]["people"] == len(np.unique(log.person_ids))
    assert found["pages"]["slots"] == {"least": 3, "median": 3.0, "mean": 3.0, "most": 3}
    assert found["pages"]["span_hours"] is None
    click = found["feedback"][0]
    assert (click["kind"], click["known"], click["unknown"]) == ("click", 600, 0)
    by_slot = log.clicks.reshape(200, 3).mean(0)
    np.testing.assert_allclose([slot["mean"] for slot in click["by_slot"]], by_slot, rtol=1e-5)
    names = [f"{f['side']}.{f['name']}" for f in found["features"]]
    assert names == [f"user.{f.name}" for f in log.schema.user] + [
        f"candidate.{f.name}" for f in log.schema.candidate
    ]
    assert found["exploration"]["choice_known"] == 1
    assert [w["name"] for w in found["warnings"]] == ["too few pages"]
    text = done("inspect", tmp_path)
    assert "slots shown per page" in text
    assert "warning: too few pages: " in text


def test_inspect_says_of_a_sorted_log_that_it_holds_no_exploration(tmp_path: Path) -> None:
    done("simulate", "--pages", 60, "--candidates", 8, "--slots", 6, "--logging", "deterministic",
         "--out", tmp_path)  # fmt: skip
    found = json.loads(done("inspect", tmp_path, "--json"))
    assert "no exploration" in {warning["name"] for warning in found["warnings"]}


def test_inspect_warns_of_what_a_log_cannot_teach(tmp_path: Path) -> None:
    rows = 40
    source = write_parquet(
        tmp_path / "log.parquet",
        {
            "page": [*range(rows)],
            "item": [f"s{n}" for n in range(rows)],
            "click": [0] * rows,
            "same": [1.0] * rows,
            "rare": [None] * (rows - 1) + [2.0],
        },
    )
    told = tmp_path / "map.toml"
    told.write_text(
        '[page]\nid = "page"\n[shown]\nitem = "item"\n[feedback.click]\ncolumn = "click"\n'
        '[candidate.same]\nkind = "dense"\n[candidate.rare]\nkind = "dense"\ndefault = 0\n'
        '[candidate.item]\nkind = "id"\nvocabulary = 8\n'
    )
    done("import", source, "--map", told, "--out", tmp_path / "log")
    found = json.loads(done("inspect", tmp_path / "log", "--json"))
    names = {warning["name"] for warning in found["warnings"]}
    assert names >= {
        "one-class feedback",
        "too few pages",
        "nothing to rank",
        "constant feature",
        "mostly missing",
        "mostly new values",
        "crowded vocabulary",
    }
    assert all(warning["advice"] for warning in found["warnings"])


def test_inspect_refuses_a_folder_without_a_log(tmp_path: Path) -> None:
    result = command("inspect", tmp_path)
    assert (result.code, result.err) == (1, f"error: {tmp_path / FILE_NAME}: no such file\n")


def test_inspect_measures_against_the_sizes_of_a_configuration(tmp_path: Path) -> None:
    log, _ = tiny_log(pages=60)
    log.write(tmp_path / "train")
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.replace("slots = 3", "slots = 5"))
    found = json.loads(done("inspect", tmp_path / "train", "--config", config, "--json"))
    assert "unlogged slots" in {warning["name"] for warning in found["warnings"]}
    assert len(ExposureLog.read(tmp_path / "train")) == 60


def test_inspect_takes_a_list_or_a_vector_for_one_feature(tmp_path: Path) -> None:
    tags = [["a"], ["a", "b"], [], ["c"], None]
    vector = [[1.0, 2.0]] * 4 + [[3.0, -4.0]]
    source = write_parquet(tmp_path / "log.parquet", LONG | {"tags": tags, "vector": vector})
    told = tmp_path / "map.toml"
    told.write_text(
        f'{MAP}\n[candidate.tags]\nkind = "ids"\nlongest = 2\nvocabulary = 8\n'
        '[candidate.vector]\nkind = "vector"\nwidth = 2\n'
    )
    done("import", source, "--map", told, "--out", tmp_path / "log")
    found = json.loads(done("inspect", tmp_path / "log", "--json"))["features"]
    figures = {feature["name"]: feature for feature in found}
    assert list(figures) == ["fresh", "tags", "vector"]
    assert (figures["tags"]["kind"], figures["tags"]["distinct"]) == ("ids", 4)
    assert figures["tags"]["missing"] == 1
    assert (figures["vector"]["kind"], figures["vector"]["lowest"]) == ("vector", -4.0)
