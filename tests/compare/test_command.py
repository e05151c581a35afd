"""`gerank compare` on a comparison that is done: what it prints, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gerank.cli.comparison_progress import ComparisonProgress
from gerank.compare.cells import Cell, CellKind, cells_of
from tests.cli.command import done, gerank
from tests.compare.conftest import Compared


def words(compared: Compared, *more: object) -> tuple[object, ...]:
    folder = compared.folder
    return (
        *("compare", folder / "compare.toml", "--data", folder / "test"),
        *("--out", compared.out, *more),
    )


def test_the_tables_are_printed(compared: Compared) -> None:
    printed = done(*words(compared, "--resume"))
    for found in compared.found.tables:
        assert found.title.split(",")[0] in printed
    assert f"comparison: {compared.out} (tables.json)" in printed


def test_json_is_what_the_folder_keeps(compared: Compared) -> None:
    printed = json.loads(done(*words(compared, "--resume", "--json")))
    assert printed == json.loads((compared.out / "tables.json").read_text())


def test_the_page_of_a_comparison_that_is_done_is_made_of_its_cells(
    compared: Compared, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    from gerank.report.comparison.page import comparison_page

    before = {path: path.stat().st_mtime_ns for path in compared.out.rglob("*.npz")}
    path = tmp_path / "comparison.html"
    printed = done(*words(compared, "--resume", "--report", path))
    assert printed.rstrip().endswith(f"a web page: {path}")
    title = f"{compared.folder / 'compare.toml'} on {compared.folder / 'test'}"
    assert path.read_text(encoding="utf-8") == comparison_page(compared.found, title)
    assert {path: path.stat().st_mtime_ns for path in compared.out.rglob("*.npz")} == before


def test_what_cannot_go_on_is_one_line_on_stderr(compared: Compared, tmp_path: Path) -> None:
    result = gerank(*words(compared))
    assert result.code == 1 and "holds a comparison already: pass --resume" in result.err
    missing = tmp_path / "none.jsonl"
    result = gerank(*words(compared, "--resume", "--slates", f"a={missing}"))
    assert (result.code, result.err) == (1, f"error: --slates: {missing}: no such file\n")


def test_the_live_table_counts_cells(compared: Compared) -> None:
    progress = ComparisonProgress()
    progress.plan(list(cells_of(compared.config)))
    progress.watch(Cell(CellKind.TRIAL, "trees", 0), False)
    progress.watch(Cell(CellKind.TRIAL, "trees", 0), True)
    progress.watch(Cell(CellKind.TRIAL, "trees", 1), False)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(progress._table())
    text = console.export_text()
    total = len(list(cells_of(compared.config)))
    assert f"1 of {total} cells done" in text
    [line] = [each for each in text.splitlines() if "trees" in each]
    assert [part.strip() for part in line.strip("│").split("│")] == [
        *("trees", "1/2", "0/2", "0/2", "trial 1"),
    ]
