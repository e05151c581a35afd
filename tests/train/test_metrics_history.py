"""What a run wrote of its training is read back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.train.metrics_history import read_history
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.stage import MetricsLog
from tests.train.tiny import STAGES


def written(run: Path, epochs: dict[int, float], stage: str = "one") -> Path:
    log = MetricsLog(run)
    for epoch, score in epochs.items():
        log.write(stage, epoch, {"loss": -score, "score": score})
    log.close()
    return run


def test_stages_come_in_their_order_with_all_epochs(run: RunFolder) -> None:
    history = read_history(run.path)
    assert {stage.name: len(stage.epochs) for stage in history} == STAGES
    assert [stage.name for stage in history] == list(STAGES)


def test_the_best_epoch_is_the_one_whose_parameters_are_kept(run: RunFolder) -> None:
    for stage in read_history(run.path):
        if stage.name in ("clone", "generator"):
            kept = read_checkpoint(run.checkpoint(stage.name, "best"))["epoch"]
            assert stage.best_epoch == kept


def test_of_equal_scores_the_first_is_kept(tmp_path: Path) -> None:
    (stage,) = read_history(written(tmp_path, {0: 1.0, 1: 3.0, 2: 3.0, 3: 2.0}))
    assert stage.best_epoch == 1
    assert stage.curves["loss"] == {0: -1.0, 1: -3.0, 2: -3.0, 3: -2.0}


def test_an_epoch_that_was_trained_again_has_its_last_figures(tmp_path: Path) -> None:
    written(tmp_path, {0: 1.0, 1: 2.0})
    (stage,) = read_history(written(tmp_path, {1: 5.0, 2: 4.0}))
    assert stage.curves["score"] == {0: 1.0, 1: 5.0, 2: 4.0}


def test_a_run_without_figures_has_no_stage(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    (tmp_path / "metrics.csv").write_text("stage,epoch,metric,value\none,0,loss,1\n")
    assert read_history(tmp_path) == []


@pytest.mark.parametrize("line", ["one,0,loss", "one,zero,loss,1", "one,0,loss,much"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.csv").write_text(f"stage,epoch,metric,value\n{line}\n")
    with pytest.raises(RunError, match=r"metrics\.csv: line 2: "):
        read_history(tmp_path)
