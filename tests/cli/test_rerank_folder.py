"""`gerank rerank` of a folder: what it says, and which options do not fit together."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.command import done, gerank
from tests.cli.conftest import Journey

Refused = Callable[..., str]


@pytest.fixture
def folder(pages: list[dict[str, Any]], tmp_path: Path) -> Path:
    source = tmp_path / "pages"
    source.mkdir()
    plain = [{key: page[key] for key in ("id", "user", "candidates")} for page in pages]
    pq.write_table(pa.Table.from_pylist(plain[:40]), source / "a.parquet")
    pq.write_table(pa.Table.from_pylist(plain[40:]), source / "b.parquet")
    return source


def test_it_says_what_it_did(folder: Path, journey: Journey, tmp_path: Path) -> None:
    target = tmp_path / "slates"
    words = ("rerank", "--input", folder, "--output", target, "--model", journey.model)
    assert done(*words, "--workers", 1) == f"60 slates in 2 files: {target}\n"
    (target / "b.parquet").unlink()
    told = done(*words, "--workers", 1)
    assert told == f"20 slates in 1 files, 1 of 2 files were there already: {target}\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--engine", "ray"), ("--workers", "2"), ("--ray-address", "auto"), ("--overwrite", None)],
)
def test_options_of_a_folder_are_of_no_use_for_a_file(
    tmp_path: Path, option: str, value: str | None
) -> None:
    given = (option,) if value is None else (option, value)
    (tmp_path / "in").write_text("")
    files = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    refused = gerank("rerank", "--model", "m.gerank", *given, *files)
    assert refused.code == 2
    assert f"{option} is of no use where --input is no folder, got '{tmp_path}/in'" in refused.err


@pytest.mark.parametrize("more", [(), ("--workers", 2)])
def test_a_missing_input_is_named(refused: Refused, journey: Journey, more: Any) -> None:
    source, target = journey.folder / "gone", journey.folder / "slates"
    files = ("--input", source, "--output", target, "--model", journey.model)
    assert refused("rerank", *files, *more) == f"--input: {source}: no such file or folder\n"


def test_a_missing_model_is_named(folder: Path, refused: Refused, tmp_path: Path) -> None:
    model = tmp_path / "gone.gerank"
    files = ("--input", folder, "--output", tmp_path / "slates", "--model", model)
    assert refused("rerank", *files) == f"{model}: no such file\n"


def test_an_output_that_is_a_file_is_named(
    folder: Path, journey: Journey, refused: Refused, tmp_path: Path
) -> None:
    target = tmp_path / "slates"
    target.write_text("kept")
    files = ("--input", folder, "--output", target, "--model", journey.model)
    assert refused("rerank", *files) == f"--output: {target}: {target} is no folder\n"


def test_a_server_does_not_score_a_folder(folder: Path, tmp_path: Path) -> None:
    files = ("--input", folder, "--output", tmp_path / "slates")
    refused = gerank("rerank", "--server", "localhost:1", *files)
    assert refused.code == 2
    assert "--server is of no use where --input is a folder; give --model" in refused.err


def test_an_address_of_ray_needs_ray(folder: Path, tmp_path: Path) -> None:
    files = ("--input", folder, "--output", tmp_path / "slates", "--model", "m.gerank")
    refused = gerank("rerank", "--ray-address", "auto", *files)
    assert refused.code == 2
    assert "--ray-address is of no use without --engine ray, got 'auto'" in refused.err


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_its_engine_says_what_to_install(
    folder: Path, journey: Journey, tmp_path: Path
) -> None:
    files = ("--input", folder, "--output", tmp_path / "slates", "--model", journey.model)
    refused = gerank("rerank", "--engine", "ray", *files)
    assert refused.code == 1
    assert (
        "--engine ray: needs Ray (No module named 'ray'); pip install 'gerank[ray]'" in refused.err
    )
