"""`gerank evaluate --report`: the page in a file, beside what the terminal tells."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import done, environment, gerank
from tests.report.conftest import Reported
from tests.report.outline import self_contained

WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None  # an import finds nothing
from gerank.cli import main
main()
"""


@pytest.fixture(scope="module")
def arguments(rewarded: Reported, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The run without an evaluator is the fastest to evaluate."""
    evidence = rewarded.evaluation.evidence
    data = tmp_path_factory.mktemp("command") / "test"
    evidence.log.write(data)
    return ["evaluate", evidence.folder.path, "--data", data]


def test_the_page_is_written_and_named(arguments: list[object], out: Path) -> None:
    told = done(*arguments, "--report", out)
    assert told.rstrip().endswith(f"a web page: {out}")
    text = "".join(self_contained(out.read_text(encoding="utf-8")).text)
    assert f"{arguments[1]} on {arguments[3]}" in text


def test_json_is_alone_on_standard_output(arguments: list[object], out: Path) -> None:
    document = json.loads(done(*arguments, "--report", out, "--json"))
    assert document["verdict"] is None
    assert out.exists()


def test_the_control_takes_no_report(arguments: list[object], out: Path) -> None:
    result = gerank(*arguments, "--shuffle-control", "--report", out)
    assert result.code == 2
    assert "takes none of --slates, --report and --weight" in result.err


def without_matplotlib(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_MATPLOTLIB, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_matplotlib_one_sentence_says_what_to_install(out: Path) -> None:
    result = without_matplotlib("evaluate", "no-run", "--data", "no-log", "--report", out)
    assert result.returncode == 1
    expected = "error: the report needs matplotlib: pip install 'gerank[report]'\n"
    assert result.stderr == expected
    assert not out.exists()


def test_without_matplotlib_all_else_works(arguments: list[object]) -> None:
    result = without_matplotlib(*arguments)
    assert result.returncode == 0, result.stderr
    assert "Slates by their judges" not in result.stdout  # there is no truth beside the log
    assert "Order of logged clicks" in result.stdout


def test_without_matplotlib_a_run_explains_itself_in_words(
    rewarded: Reported, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(rewarded.evaluation.evidence.folder.path, run)
    result = without_matplotlib("train", run / "config.toml", "--out", run, "--resume")
    assert result.returncode == 0, result.stderr
    text = (run / "run.html").read_text(encoding="utf-8")
    assert "pip install &#x27;gerank[report]&#x27;" in text
    assert "<svg" not in text
