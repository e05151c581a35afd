"""From a simulated log to slates, command by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.train import shuffle_control
from gerank.train.evaluate import compared_slates
from gerank.train.run_folder import RunFolder
from gerank.train.verdict import Judgement, Verdict
from tests.cli.command import done, gerank
from tests.cli.conftest import Journey


def verdict_of(journey: Journey) -> str:
    """Not better: the journey's run is too small for that."""
    verdict = str(RunFolder.open(journey.run).facts["verdict"]["verdict"])
    assert verdict != "better"
    return verdict


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_simulated_logs_of_two_seeds_share_items_but_no_people(journey: Journey) -> None:
    train, test = ExposureLog.read(journey.train), ExposureLog.read(journey.test)
    assert (len(train), len(test)) == (400, 60)
    assert not set(train.person_ids) & set(test.person_ids)
    assert not set(train.page_ids) & set(test.page_ids)
    assert set(train.candidate_names) & set(test.candidate_names)


def test_the_run_tells_how_it_was_made(journey: Journey) -> None:
    assert {path.name for path in journey.run.iterdir()} == {
        *("config.toml", "run.json", "about.json", "run.html"),
        *("metrics.csv", "tensorboard", "checkpoints"),
    }


def test_a_run_without_out_is_named_after_its_configuration(
    journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run: runs/tiny " in done("train", journey.config)
    assert RunFolder.open(tmp_path / "runs" / "tiny").config == RunFolder.open(journey.run).config


def test_a_finished_run_can_be_resumed(journey: Journey) -> None:
    before = (journey.run / "metrics.csv").read_bytes()
    done("train", journey.config, "--out", journey.run, "--resume")
    assert (journey.run / "metrics.csv").read_bytes() == before


def test_evaluate_prints_tables_and_writes_orders(journey: Journey, tmp_path: Path) -> None:
    target = tmp_path / "new" / "slates.jsonl"
    text = done("evaluate", journey.run, "--data", journey.test, "--slates", target)
    for word in ("page AUC", "judge (examination)", "truth (clicks)", "sort by score", "generator"):
        assert word in text
    assert "warning of the training: too few pages: " in text
    assert text.splitlines()[-1] == f"verdict: {verdict_of(journey)}"
    log = ExposureLog.read(journey.test)
    expected = compared_slates(RunFolder.open(journey.run), log)["generator"]
    written = lines(target)
    assert [set(line) for line in written] == [{"id", "order"}] * len(log)
    assert [line["id"] for line in written] == log.page_ids.tolist()
    assert torch.equal(torch.tensor([line["order"] for line in written]), expected)


def test_orders_index_the_candidates_as_logged(journey: Journey, tmp_path: Path) -> None:
    """Sent to the artifact as requests, the logged pages get the same candidates by name."""
    target = tmp_path / "slates.jsonl"
    done("evaluate", journey.run, "--data", journey.test, "--slates", target)
    log = ExposureLog.read(journey.test)
    requests = tmp_path / "pages.jsonl"
    documents = [request_document(log, row) for row in range(len(log))]
    requests.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    answers = tmp_path / "answers.jsonl"
    done("rerank", "--model", journey.model, "--input", requests, "--output", answers)
    for page, (line, answer) in enumerate(zip(lines(target), lines(answers), strict=True)):
        first = log.candidate_offsets[page]
        names = [str(log.candidate_names[first + place]) for place in line["order"]]
        assert [entry["id"] for entry in answer["slate"]] == names


def test_evaluate_as_json_holds_the_printed_figures(journey: Journey) -> None:
    document = json.loads(done("evaluate", journey.run, "--data", journey.test, "--json"))
    titles = [table["title"] for table in document["tables"]]
    assert titles[:-1] == [
        "Evaluators on logged pages",
        "Calibration on logged pages",
        "Slates by their judges",
        "Slates and what the log has shown",
        "Utilities per page",
        "Clicks in the first 3, from logged clicks",
    ]
    assert titles[-1].startswith("Order of logged clicks")
    for table in document["tables"]:
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
        cells = [cell for row in table["rows"] for cell in row]
        assert not any("[" in cell for cell in cells if isinstance(cell, str))
        for cell in cells:
            if isinstance(cell, dict):
                assert cell["low"] <= cell["estimate"] <= cell["high"]
    assert document["verdict"]["verdict"] == verdict_of(journey)
    assert document["training_warnings"] == RunFolder.open(journey.run).facts["warnings"]


def test_a_run_starts_from_yesterdays_and_says_what_matched_before_it_trains(
    journey: Journey, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    lines = done("train", journey.config, "--out", run, "--init", journey.run).splitlines()
    assert lines[0] == f"init: {journey.run}"
    assert lines[1].startswith("features taken over: user.") and "candidate.ctr_score" in lines[1]
    assert "the judge is fresh, as always" in lines
    assert lines.index(f"run: {run} (run.html, metrics.csv; tensorboard --logdir {run})") > 3
    assert RunFolder.open(run).facts["init"]["run"] == str(journey.run)


def test_train_prints_warnings_and_the_verdict_last(journey: Journey, tmp_path: Path) -> None:
    text = done("train", journey.config, "--out", tmp_path / "run")
    warnings = RunFolder.open(tmp_path / "run").facts["warnings"]
    assert [line.split(":")[1].strip() for line in text.splitlines() if "warning:" in line] == [
        warning["name"] for warning in warnings
    ]
    assert text.splitlines()[-1] == f"verdict: {verdict_of(journey)}"


def test_export_refuses_what_is_not_better_and_says_what_can_be_done(
    journey: Journey, tmp_path: Path, refused: Callable[..., str]
) -> None:
    target = tmp_path / "model.gerank"
    message = refused("export", journey.run, "--out", target)
    assert f"{journey.run}: verdict: {verdict_of(journey)}." in message
    assert "judge (examination): gain" in message
    assert "--force" in message
    assert "--policy clone" in message
    text = done("export", journey.run, "--out", target, "--policy", "clone")
    assert "golden requests passed" in text
    training = json.loads(done("info", target, "--json"))["training"]
    assert training["policy"] == "clone"
    forced = json.loads(done("info", journey.model, "--json"))["training"]
    assert forced["policy"] == "generator"
    assert forced["verdict"]["verdict"] == verdict_of(journey)


def test_the_shuffle_control_passes_where_it_finds_nothing(journey: Journey) -> None:
    control = ("evaluate", journey.run, "--data", journey.test, "--shuffle-control")
    assert done(*control).splitlines()[-1] == "verdict: nothing to learn"
    assert json.loads(done(*control, "--json"))["verdict"]["verdict"] == "nothing to learn"


def test_the_shuffle_control_fails_loudly_where_it_finds_something(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Judgement(Verdict.NOT_BETTER, ("A reason.",), (), 0.0)
    monkeypatch.setattr(shuffle_control, "shuffle_control", lambda *_: found)
    result = gerank("evaluate", journey.run, "--data", journey.test, "--shuffle-control")
    assert result.code == 1
    assert result.out == "A reason.\nverdict: not better\n"
    assert "error: the control found something in shuffled clicks (not better)" in result.err


def test_info_as_json_is_the_manifest(journey: Journey) -> None:
    manifest = json.loads(done("info", journey.model, "--json"))
    schema = ExposureLog.read(journey.train).schema
    for side, features in (("user", schema.user), ("candidate", schema.candidate)):
        described = manifest["features"][side]
        assert [f["name"] for f in described] == [f.name for f in features]
        for entry in described:
            if entry["kind"] == "dense":
                assert entry["minimum"] < entry["maximum"]
            else:
                assert entry["kind"] == "id"
                assert entry["vocabulary"] >= 2
    assert manifest["groups"] == ["seller", "category", "content_type"]
    assert manifest["flags"] == ["cold_start", "fresh"]
    assert manifest["limits"] == {"candidates": 512, "slots": 3}
    assert manifest["weights"] == {
        "clicks": {"min": 0.0, "max": 2.0, "default": 1.0},
        "seller_diversity": {"min": 0.0, "max": 1.0, "default": 0.5},
    }
    assert set(manifest["versions"]) == {"gerank", "torch", "ops"}
    assert manifest["format_version"] == 2


def test_info_for_people_names_all_that_a_request_needs(journey: Journey) -> None:
    text = done("info", journey.model)
    manifest = json.loads(done("info", journey.model, "--json"))
    for side in ("user", "candidate"):
        for entry in manifest["features"][side]:
            assert entry["name"] in text
    for word in (
        "512 candidates",
        "3 slots",
        "seller_diversity",
        "trained on: ",
        manifest["model_version"],
    ):
        assert word in text


def test_verify_names_file_and_version(journey: Journey) -> None:
    version = json.loads(done("info", journey.model, "--json"))["model_version"]
    text = done("verify", journey.model)
    assert str(journey.model) in text
    assert version in text
    assert version.startswith("run-")


def test_rerank_answers_every_request_in_order(
    journey: Journey, requests_file: Path, pages: list[dict[str, Any]], tmp_path: Path
) -> None:
    target = tmp_path / "slates.jsonl"
    done("rerank", "--model", journey.model, "--input", requests_file, "--output", target)
    version = json.loads(done("info", journey.model, "--json"))["model_version"]
    answers = lines(target)
    assert [answer["id"] for answer in answers] == [page["id"] for page in pages]
    for page, answer in zip(pages, answers, strict=True):
        assert answer["model_version"] == version
        names = [candidate["id"] for candidate in page["candidates"]]
        for entry in answer["slate"]:
            assert set(entry) == {"slot", "id", "candidate", "log_prob", "relaxed"}
            assert names[entry["candidate"]] == entry["id"]
        chosen = {entry["slot"]: entry["id"] for entry in answer["slate"]}
        assert page.get("pins", {}).items() <= {str(n): name for n, name in chosen.items()}.items()
        assert len(set(chosen.values())) == len(chosen) == page.get("slots", 3)
        keys = {c["id"]: c.get("dedup_key", c["id"]) for c in page["candidates"]}
        assert len({keys[name] for name in chosen.values()}) == len(chosen)
        assert ("seed" in answer) is (page.get("mode") == "sample")


def test_blank_lines_and_unicode_are_no_obstacle(
    journey: Journey, pages: list[dict[str, Any]], tmp_path: Path
) -> None:
    name = "caf\u00e9 \u2028\u0085 [bold]"  # characters at which str.splitlines would cut
    named = [pages[0] | {"id": name}, pages[1]]
    text = "\n\n".join(json.dumps(page, ensure_ascii=False) for page in named)
    source, target = tmp_path / "[pages].jsonl", tmp_path / "new" / "[slates].jsonl"
    source.write_text(f"\n{text}\r\n\n", encoding="utf-8")
    text = done("rerank", "--model", journey.model, "--input", source, "--output", target)
    assert f"2 slates: {target}" in text
    assert [answer["id"] for answer in lines(target)] == [name, pages[1]["id"]]


def test_more_requests_than_are_asked_at_once_keep_their_order(
    journey: Journey, pages: list[dict[str, Any]], tmp_path: Path
) -> None:
    many = [page | {"id": f"{turn}-{page['id']}"} for turn in range(3) for page in pages]
    source, target = tmp_path / "pages.jsonl", tmp_path / "slates.jsonl"
    source.write_text("".join(f"{json.dumps(page)}\n" for page in many))
    done("rerank", "--model", journey.model, "--input", source, "--output", target)
    answers = lines(target)
    assert [answer["id"] for answer in answers] == [page["id"] for page in many]
    assert [a["slate"] for a in answers[:60]] == [a["slate"] for a in answers[60:120]]


def test_no_requests_get_no_answers(journey: Journey, tmp_path: Path) -> None:
    source, target = tmp_path / "none.jsonl", tmp_path / "slates.jsonl"
    source.write_text("")
    done("rerank", "--model", journey.model, "--input", source, "--output", target)
    assert target.read_text() == ""
