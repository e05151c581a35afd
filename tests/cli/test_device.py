"""`--device` of the commands that run networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.cli.command import gerank


def test_a_gpu_that_is_not_there_is_refused_by_the_name_of_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = gerank("evaluate", tmp_path, "--data", tmp_path, "--device", "cuda")
    assert result.code == 1
    assert "--device: 'cuda' cannot be had: torch" in result.err
    assert "Traceback" not in result.err
