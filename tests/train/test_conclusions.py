from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gerank.train.conclusions import verdict_of, warnings_of
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from tests.train.tiny import tiny_config


def test_a_finished_run_tells_its_verdict(run: RunFolder) -> None:
    judgement = verdict_of(run)
    assert judgement is not None
    assert json.loads(json.dumps(judgement.to_json())) == run.facts["verdict"]
    assert str(judgement.verdict) in judgement.sentence()


def test_a_run_that_did_not_end_is_refused(run: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder.open(Path(shutil.copytree(run.path, tmp_path / "run")))
    folder.write_facts({"finished": False})
    with pytest.raises(RunError, match="training has not ended: go on with `gerank train --resume"):
        verdict_of(folder)
    assert verdict_of(folder, unfinished=True) == verdict_of(run)


def test_a_run_with_a_reward_of_its_own_has_no_verdict(log_folder: Path, tmp_path: Path) -> None:
    def nothing(_rows: object, _pages: object, slates: Tensor) -> Tensor:
        return torch.zeros(*slates.shape[:2], 1)

    folder = train(tiny_config(log_folder), tmp_path / "run", reward=nothing)
    assert verdict_of(folder) is None
    assert warnings_of(folder) == []
