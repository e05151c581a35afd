"""A run is checked before it is written: what is resumed, refused, interrupted, or out of disk."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.export.from_run import export_run
from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.evaluate import evaluate
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.stage import MetricsLog
from gerank.train.train import train
from gerank.train.train_settings import TrainSettings
from gerank.train.user_function import UtilityError
from tests.train.tiny import RANGED, tiny_config, tiny_log

Change = Callable[[ExposureLog], ExposureLog]


@pytest.fixture(scope="module")
def ranged(log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run whose utilities have scales."""
    config = tiny_config(log_folder, reward=RANGED)
    return train(config, tmp_path_factory.mktemp("resume") / "run")


@pytest.fixture
def copied(ranged: RunFolder, tmp_path: Path) -> RunFolder:
    """The same, for a test to write to."""
    return RunFolder.open(Path(shutil.copytree(ranged.path, tmp_path / "run")))


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_a_feature(log: ExposureLog) -> ExposureLog:
    schema = log.schema
    gone = next(f for f in schema.candidate_dense if f.name != "ctr_score").name
    kept = tuple(f for f in schema.candidate if f.name != gone)
    columns = {name: values for name, values in log.candidate.items() if name != gone}
    return dataclasses.replace(
        log, schema=dataclasses.replace(schema, candidate=kept), candidate=columns
    )


def with_another_click(log: ExposureLog) -> ExposureLog:
    clicks = log.clicks.copy()
    clicks[0] = 1 - clicks[0]
    return dataclasses.replace(log, clicks=clicks)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_a_feature, r"another schema\..* the candidate feature 'value_score' is missing"),
        (
            lambda log: log.select(np.arange(300)),
            "another log: 400 pages of .* people, and 300 pages",
        ),
        (with_another_click, "another log: 400 pages of .* people, and 400 pages of .* now, of /"),
    ],
)
def test_a_resume_on_another_log_is_refused_by_name_and_leaves_the_run_as_it_was(
    copied: RunFolder, change: Change, words: str
) -> None:
    before = files(copied.path)
    log = change(ExposureLog.read(copied.config.data.log))
    with pytest.raises(RunError, match=words):
        train(copied.config, copied.path, resume=True, log=log)
    assert files(copied.path) == before
    other = ExposureLog.read(copied.config.data.log)
    assert evaluate(copied, other, None).judgement is not None
    export_run(copied.path, copied.path.with_name("model.gerank"), force=True)


def test_a_resume_with_another_configuration_is_refused_by_the_name_of_the_setting(
    copied: RunFolder,
) -> None:
    before = files(copied.path)
    generator = dataclasses.replace(copied.config.generator, epochs=5)
    config = dataclasses.replace(copied.config, generator=generator)
    with pytest.raises(RunError, match=r"another configuration: generator\.epochs was 2 and is 5"):
        train(config, copied.path, resume=True)
    assert files(copied.path) == before


def test_a_run_goes_on_in_other_parts_of_a_batch_to_the_same_weights_but_for_rounding(
    ranged: RunFolder, tmp_path: Path
) -> None:
    """As it must where a step was too large for the memory of a machine."""
    folder = interrupted(ranged.config, tmp_path / "run", "generator", 1)
    in_parts = dataclasses.replace(ranged.config, train=TrainSettings(accumulate=3))
    resumed = train(in_parts, folder.path, resume=True)
    ours, theirs = (run.load_generator().state_dict() for run in (resumed, ranged))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-4)
    assert any(not torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_resume_of_a_finished_run_changes_no_byte(copied: RunFolder) -> None:
    before = files(copied.path)
    train(copied.config, copied.path, resume=True)
    assert files(copied.path) == before


def interrupted(config: TrainConfig, out: Path, stage: str, epoch: int) -> RunFolder:
    """A run that was broken off at the end of an epoch."""
    write = MetricsLog.write

    def interrupt(log: MetricsLog, name: str, number: int, metrics: dict[str, float]) -> None:
        if (name, number) == (stage, epoch):
            raise KeyboardInterrupt
        write(log, name, number, metrics)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MetricsLog, "write", interrupt)
        train(config, out, resume=out.exists())
    return RunFolder.open(out)


def test_an_interrupted_resume_keeps_the_scales_of_the_utilities(
    ranged: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = interrupted(ranged.config, tmp_path / "run", "generator", 1)
    assert folder.utility_statistics == ranged.utility_statistics
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("gerank.train.train.train_evaluator", _interrupt)
        train(folder.config, folder.path, resume=True)
    assert folder.utility_statistics == ranged.utility_statistics
    described = export_run(folder.path, tmp_path / "model.gerank", unfinished=True).manifest
    scales = [utility["scale"] for utility in described["utilities"].values()]
    assert scales == pytest.approx(ranged.scales.tolist())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("stage", "missing", "there"),
    [
        ("clone", "'clone'", "only of 'evaluator', 'judge':"),
        ("generator", "'generator'", "only of 'evaluator', 'judge', 'clone':"),
    ],
)
def test_what_an_unfinished_run_has_not_come_to_is_named(
    ranged: RunFolder, tmp_path: Path, stage: str, missing: str, there: str
) -> None:
    folder = interrupted(ranged.config, tmp_path / "run", stage, 0)
    path = tmp_path / "model.gerank"
    named = rf"has not come to a checkpoint of the stage {missing}, {there} go on with .*--resume"
    with pytest.raises(RunError, match=named):
        export_run(folder.path, path, unfinished=True, policy=stage)
    if stage == "generator":
        with pytest.raises(RunError, match=named):
            evaluate(folder, tiny_log(60, seed=1)[0], None, unfinished=True)
        export_run(folder.path, path, unfinished=True, policy="clone")
    assert path.exists() == (stage == "generator")


def test_an_unfinished_run_is_told_from_a_finished_one(ranged: RunFolder, tmp_path: Path) -> None:
    folder = interrupted(ranged.config, tmp_path / "run", "generator", 1)
    log, path = tiny_log(60, seed=1)[0], tmp_path / "model.gerank"
    with pytest.raises(RunError, match=r"training has not ended: .*--resume.*--unfinished"):
        evaluate(folder, log, None)
    with pytest.raises(RunError, match=r"training has not ended: .*--resume.*--unfinished"):
        export_run(folder.path, path, force=True)
    assert not path.exists()
    assert evaluate(folder, log, None, unfinished=True).tables
    assert export_run(folder.path, path, unfinished=True).manifest["training"]["unfinished"]
    train(ranged.config, folder.path, resume=True)
    assert evaluate(folder, log, None).slates.equal(evaluate(ranged, log, None).slates)


def test_a_run_without_scales_yet_is_not_judged_by_others(
    ranged: RunFolder, tmp_path: Path
) -> None:
    folder = interrupted(ranged.config, tmp_path / "run", "clone", 0)
    folder.write_facts({"utilities": {}})
    with pytest.raises(RunError, match="has no scales of its utilities yet"):
        _ = folder.scales


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk, writes beyond `size` bytes of a file fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("size", "name"), [(8000, r"checkpoints/.*\.pt"), (500, r"run\.json")])
def test_a_full_disk_names_the_file_and_leaves_no_part_of_it(
    run: RunFolder, tmp_path: Path, size: int, name: str
) -> None:
    out = tmp_path / "run"
    with largest_file(size), pytest.raises(OSError, match=rf"{out}/{name}"):
        train(run.config, out)
    left = [path for path in out.rglob("*") if path.is_file()]
    kept = ("config.toml", "run.json", "about.json", "metrics.csv")
    whole = [path for path in left if path.name in kept or path.suffix == ".pt"]
    events = [path for path in left if path.parent.name == "tensorboard"]
    assert sorted(left) == sorted(whole + events)
    resumed = train(run.config, out, resume=True)
    ours, theirs = resumed.load_generator().state_dict(), run.load_generator().state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_line_of_figures_that_was_not_written_to_its_end_is_dropped(copied: RunFolder) -> None:
    table = copied.path / "metrics.csv"
    whole = table.read_bytes()
    table.write_bytes(whole + b"generator,1,rew")
    MetricsLog(copied.path).close()
    assert table.read_bytes() == whole


SHOP = """
def divides(judged):
    return judged.slot_click.sum(-1) / (1 / 0)

def too_short(judged):
    return judged.slot_click.sum((1, 2))

def sorts_in_place(judged):
    judged.slot_click.numpy().sort(-1)
    return judged.slot_click.sum(-1)

def overwrites_the_page(judged):
    judged.candidate("ctr_score").mul_(2)
    return judged.slot_click.sum(-1)
"""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("divides", r"utility 'mine' \(shop_of_resume:divides\) failed at .*shop_of_resume\.py:3: "
         "ZeroDivisionError"),
        ("too_short", r"utility 'mine' .* answered the shape \[8\], not \[B, G\] = \[8, 2\]"),
        ("sorts_in_place", r"utility 'mine' changed judged\.slot_click, .*slot_click\.clone"),
        ("overwrites_the_page", r"utility 'mine' changed judged\.pages\.candidate_dense, on which"),
    ],
)  # fmt: skip
def test_an_own_utility_that_fails_is_refused_before_anything_is_trained(
    log_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, words: str
) -> None:
    (tmp_path / "shop_of_resume.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop_of_resume", raising=False)
    mine = UtilityConfig(utility=f"shop_of_resume:{function}")
    config = tiny_config(log_folder, reward={"clicks": UtilityConfig(), "mine": mine})
    with pytest.raises(UtilityError, match=words):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_own_reward_of_another_shape_is_refused_before_anything_is_trained(
    log_folder: Path, tmp_path: Path
) -> None:
    def flat(_rows: object, _pages: object, slates: torch.Tensor) -> torch.Tensor:
        return torch.zeros(slates.shape[:2])

    with pytest.raises(ConfigError, match=r"answered \[8, 2\], not a tensor \[B, G, U\] = \[8, 2"):
        train(tiny_config(log_folder), tmp_path / "run", reward=flat)
    assert not (tmp_path / "run").exists()
