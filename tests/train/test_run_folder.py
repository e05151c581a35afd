from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.train.config import UtilityConfig
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from tests.train.tiny import RANGED, SLOTS, STAGES, tiny_config


@pytest.fixture
def copied(run: RunFolder, tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(run.path, tmp_path / "run"))


def test_a_run_is_opened_as_it_was_made(run: RunFolder) -> None:
    opened = RunFolder.open(run.path)
    assert opened == run
    assert opened.contract.max_slots == SLOTS
    assert opened.contract.max_candidates == 512
    assert list(opened.contract.weights) == ["clicks"]


def test_a_run_may_be_moved(run: RunFolder, copied: Path) -> None:
    state = RunFolder.open(copied).load_generator().state_dict()
    assert all(torch.equal(state[n], t) for n, t in run.load_generator().state_dict().items())


@pytest.mark.parametrize("missing", ["run.json", "config.toml"])
def test_a_folder_that_is_no_run_is_refused(copied: Path, missing: str) -> None:
    (copied / missing).unlink()
    with pytest.raises(RunError, match="is not the folder of a training run.*" + missing):
        RunFolder.open(copied)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema": 3, "max_candidates": 1}'])
def test_a_damaged_run_json_is_refused(copied: Path, text: str) -> None:
    (copied / "run.json").write_text(text)
    with pytest.raises(RunError, match="is not the folder of a training run"):
        RunFolder.open(copied)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, path)


def of_another_model(path: Path) -> None:
    torch.save({"model": {"decoder.start": torch.zeros(3)}}, path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, "is missing: train first, or resume"),
        (cut, "is damaged"),
        (foreign, "is not of the model of this run: 'model'"),
        (of_another_model, "is not of the model of this run"),
    ],
)
def test_a_checkpoint_that_does_not_serve_is_named(
    copied: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = RunFolder.open(copied)
    path = folder.checkpoint("generator", "best")
    damage(path)
    with pytest.raises(RunError, match=words) as caught:
        folder.load_generator()
    assert str(path) in str(caught.value)


def test_models_come_back_ready_to_judge_and_decode(run: RunFolder) -> None:
    judges = [run.load_evaluator(), *run.load_judge().values()]
    policies = [run.load_generator(), run.load_clone()]
    for model in (*judges, *policies):
        assert not model.training


def test_every_stage_leaves_its_best_and_its_last_checkpoint(run: RunFolder) -> None:
    for stage, epochs in STAGES.items():
        best, last = (read_checkpoint(run.checkpoint(stage, which)) for which in ("best", "last"))
        assert last["epoch"] == epochs - 1
        assert best["epoch"] in range(epochs)


def test_weights_with_a_range_make_the_generator_controllable(log_folder: Path) -> None:
    fixed = {"clicks": UtilityConfig(2.0, 2.0, 2.0)}
    for reward, controllable in ((RANGED, True), (fixed, False)):
        config = tiny_config(log_folder, reward=reward)
        folder = RunFolder(Path("unused"), config, ExposureLog.read(log_folder).schema, 512)
        assert folder.new_generator().controllable is controllable
        assert list(folder.contract.weights) == list(reward)


def test_an_existing_run_is_not_overwritten(run: RunFolder) -> None:
    with pytest.raises(RunError, match="holds a run already: pass --resume or another --out"):
        run.create(resume=False)


def test_a_run_is_not_resumed_with_another_configuration(run: RunFolder) -> None:
    other = dataclasses.replace(run, config=dataclasses.replace(run.config, seed=5))
    before = (run.path / "config.toml").read_text()
    with pytest.raises(RunError, match="another configuration"):
        other.create(resume=True)
    assert (run.path / "config.toml").read_text() == before


def test_the_schema_is_kept_as_json(run: RunFolder) -> None:
    document = json.loads((run.path / "run.json").read_text())
    assert document["schema"] == run.schema.to_json()


def test_facts_are_added_and_replaced(copied: Path) -> None:
    folder = RunFolder.open(copied)
    folder.write_facts({"verdict": None, "more": [1]})
    assert folder.facts["verdict"] is None
    assert folder.facts["more"] == [1]
    assert folder.facts["schema"] == folder.schema.to_json()
    assert not list(copied.glob("*.tmp"))


def test_an_evaluator_that_is_none_is_named(copied: Path) -> None:
    folder = RunFolder.open(copied)
    path = folder.checkpoint("evaluator", "best")
    torch.save({"model": {}, "shape": {"structured": {"slots": 3}}}, path)
    with pytest.raises(RunError, match="is not of an evaluator"):
        folder.load_evaluator()
