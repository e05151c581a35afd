"""The notebook in examples/ runs, and learns what it says it learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

NOTEBOOK = Path(__file__).parents[2] / "examples/own_model/ranking_with_the_ops.ipynb"


def test_the_notebook_runs_from_its_first_cell_to_its_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, object] = {}
    threads = torch.get_num_threads()
    try:
        for cell in cells:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
    finally:
        torch.set_num_threads(threads)
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(said["learnt"]) > float(said["sorted"]) + 0.3
    assert float(said["step 300"]) > float(said["step   0"]) + 5
    assert said["cap 1"].endswith("neighbours of one seller 0, rules relaxed 0")
