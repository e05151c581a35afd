"""Clicks by the evaluator of a training run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.export.from_run import export_run
from gerank.studio.application import open_session
from gerank.studio.controls import default_controls
from gerank.studio.session import LOGGED
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from tests.studio.conftest import Feed
from tests.train.tiny import RANGED, tiny_config, write_tiny_log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    log = write_tiny_log(path / "log", pages=200)
    train(tiny_config(log, reward=RANGED), path / "run")
    export_run(path / "run", path / "model.gerank", force=True)
    return path


def test_clicks_are_what_the_evaluator_of_the_run_expects(folder: Path) -> None:
    with open_session(folder / "model.gerank", folder / "log", run=folder / "run") as session:
        outcome = session.rerank(session.pages.page(7), default_controls(session.contract), LOGGED)
    run = RunFolder.open(folder / "run")
    evaluator = run.load_evaluator()
    page = ExposureLog.read(folder / "log").batch(np.array([7]))
    slates = torch.tensor([[outcome.before, outcome.after]])
    with torch.no_grad():
        click = evaluator(evaluator.items(*page.features), slates).slot_click
    clicks = outcome.utilities[0]
    expected = click.view(2, -1).sum(1).tolist()
    assert [clicks.before, clicks.after] == pytest.approx(expected, rel=1e-4)
    assert clicks.scale == pytest.approx(run.scales[0].item())


def test_a_run_with_other_utilities_is_refused(folder: Path, feed: Feed, tmp_path: Path) -> None:
    log = write_tiny_log(tmp_path / "log", pages=100)
    train(tiny_config(log), tmp_path / "run")
    with (
        pytest.raises(RunError, match=r"seller_diversity"),
        open_session(feed.model, run=tmp_path / "run"),
    ):
        pass
