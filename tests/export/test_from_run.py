from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.export.artifact import ArtifactError, load_artifact
from gerank.export.from_run import ExportRefusedError, export_run
from gerank.ranker import Ranker
from gerank.train.config_toml import read_config
from gerank.train.judge import JudgeOpinion
from gerank.train.pages import as_requests, split_pages
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from gerank.train.verdict import Judgement, judge_slates
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log, write_tiny_log


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("run")
    config = tiny_config(write_tiny_log(folder / "log"), reward=RANGED)
    return train(config, folder / "my-run")


def test_an_exported_run_answers_as_its_best_generator(run: RunFolder, tmp_path: Path) -> None:
    artifact = export_run(run.path, tmp_path / "model.gerank", force=True)
    log, _ = tiny_log(30, seed=1)
    weights = torch.rand(30, 2, generator=torch.Generator().manual_seed(1))
    batch = as_requests(log.batch(np.arange(30)), weights, log.schema, slots=SLOTS)
    generator = run.load_generator().eval()
    generator.freeze()
    with torch.inference_mode():
        eager = generator(*batch)
    assert all(map(torch.equal, load_artifact(tmp_path / "model.gerank").rerank(batch), eager))
    assert artifact.contract == run.contract


def test_the_manifest_keeps_the_configuration_and_the_last_metrics(
    run: RunFolder, tmp_path: Path
) -> None:
    manifest = export_run(run.path, tmp_path / "model.gerank", force=True).manifest
    assert manifest["model_version"].startswith("my-run-")
    kept = tmp_path / "config.toml"
    kept.write_text(manifest["training"]["config"])
    assert read_config(kept) == run.config
    last = (run.path / "metrics.csv").read_text().splitlines()[-1]
    assert last.split(",")[:3] == ["generator", "1", "score"]
    assert manifest["training"]["metrics"]["generator.score"] == float(last.split(",")[3])
    assert manifest["training"]["device"] == run.facts["device"] == "CPU"
    assert list(manifest["weights"]) == list(RANGED)


def test_dense_features_carry_the_range_of_the_log(run: RunFolder, tmp_path: Path) -> None:
    manifest = export_run(run.path, tmp_path / "model.gerank", force=True).manifest
    log, _ = tiny_log()
    for feature in manifest["features"]["candidate"]:
        if feature["kind"] == "dense":
            values = log.candidate[feature["name"]]
            assert (feature["minimum"], feature["maximum"]) == (values.min(), values.max())


def test_what_is_no_run_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not the folder of a training run"):
        export_run(tmp_path, tmp_path / "model.gerank")
    assert not (tmp_path / "model.gerank").exists()


def with_verdict(run: RunFolder, folder: Path, judgement: Judgement) -> RunFolder:
    """A copy of a run that was judged so."""
    copied = RunFolder.open(Path(shutil.copytree(run.path, folder / "judged")))
    copied.write_facts({"verdict": judgement.to_json()})
    return copied


GAIN = JudgeOpinion("judge (examination)", 0.2, 0.1, 0.8)
DOUBT = JudgeOpinion("judge (examination)", 0.2, -0.1, 0.6)


def test_a_generator_that_is_better_is_exported_with_its_verdict(
    run: RunFolder, tmp_path: Path
) -> None:
    judged = with_verdict(run, tmp_path, judge_slates(True, [GAIN], 0.02))
    training = export_run(judged.path, tmp_path / "model.gerank").manifest["training"]
    assert training["policy"] == "generator"
    assert training["verdict"]["verdict"] == "better"
    assert training["verdict"]["opinions"][0]["low"] == 0.1


@pytest.mark.parametrize(
    ("learnt", "opinions", "outside", "words"),
    [
        (True, [DOUBT], 0.02, r"verdict: not better\. No judge is sure of a gain\. judge \(exam"),
        (True, [GAIN], 0.5, r"verdict: not better\. 50\.0 % of the slots"),
        (True, [], 0.02, r"verdict: not better\. There is no judge"),
        (False, [GAIN], 0.02, r"verdict: nothing to learn\."),
    ],
)
def test_any_other_verdict_refuses_with_its_reasons(
    run: RunFolder,
    tmp_path: Path,
    learnt: bool,
    opinions: list[JudgeOpinion],
    outside: float,
    words: str,
) -> None:
    judged = with_verdict(run, tmp_path, judge_slates(learnt, opinions, outside))
    with pytest.raises(ExportRefusedError, match=words + r".*--force.*--policy clone"):
        export_run(judged.path, tmp_path / "model.gerank")
    assert not (tmp_path / "model.gerank").exists()
    forced = export_run(judged.path, tmp_path / "model.gerank", force=True)
    assert forced.manifest["training"]["verdict"]["verdict"] != "better"


def test_the_logged_like_policy_is_exported_whatever_the_verdict(
    run: RunFolder, tmp_path: Path
) -> None:
    artifact = export_run(run.path, tmp_path / "model.gerank", policy="clone")
    log, _ = tiny_log(30, seed=1)
    batch = as_requests(log.batch(np.arange(30)), torch.ones(30, 2), log.schema, slots=SLOTS)
    clone = run.load_clone()
    clone.freeze()
    with torch.inference_mode():
        eager = clone(*batch)
    assert all(map(torch.equal, artifact.rerank(batch), eager))
    assert artifact.manifest["training"]["policy"] == "clone"


def test_a_policy_that_is_none_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'evaluator' is not a valid Policy"):
        export_run(run.path, tmp_path / "model.gerank", policy="evaluator")


def test_a_run_that_did_not_end_is_refused(run: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder.open(Path(shutil.copytree(run.path, tmp_path / "half")))
    folder.write_facts({"finished": False})
    path = tmp_path / "model.gerank"
    with pytest.raises(RunError, match="training has not ended"):
        export_run(folder.path, path, force=True)
    assert not path.exists()
    training = export_run(folder.path, path, force=True, unfinished=True).manifest["training"]
    assert training["unfinished"] is True
    assert "unfinished" not in export_run(run.path, path, force=True).manifest["training"]


def test_a_run_with_a_reward_of_its_own_needs_no_verdict(tmp_path: Path) -> None:
    def nothing(_rows: object, _pages: object, slates: Tensor) -> Tensor:
        return torch.zeros(*slates.shape[:2], 1)

    config = tiny_config(write_tiny_log(tmp_path / "log"))
    folder = train(config, tmp_path / "run", reward=nothing)
    artifact = export_run(folder.path, tmp_path / "model.gerank")
    assert "verdict" not in artifact.manifest["training"]
    with pytest.raises(RunError, match=r"clone\.best\.pt is missing"):
        export_run(folder.path, tmp_path / "clone.gerank", policy="clone")


def test_bfloat16_is_measured_on_the_pages_that_validated_the_run(
    run: RunFolder, tmp_path: Path
) -> None:
    plain = export_run(run.path, tmp_path / "plain.gerank", force=True)
    assert "precision" not in plain.manifest
    if Ranker.load(tmp_path / "plain.gerank", precision="bfloat16").precision != "bfloat16":
        pytest.skip("this processor lacks AVX512_BF16")
    held_out = split_pages(ExposureLog.read(run.config.data.log), run.config.data).validation
    path = tmp_path / "model.gerank"
    found = export_run(run.path, path, force=True, precision="bfloat16").manifest["precision"]
    assert (found["name"], found["requests"]) == ("bfloat16", len(held_out))
    assert 0 <= found["changed_slates"] < 0.5
    assert Ranker.load(path).precision == "bfloat16"


def test_without_its_log_a_run_is_measured_on_random_requests(
    run: RunFolder, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(run.path, tmp_path / "run"))
    log = str(run.config.data.log)
    config = (copied / "config.toml").read_text()
    assert log in config
    (copied / "config.toml").write_text(config.replace(log, str(tmp_path / "gone")))
    path = tmp_path / "model.gerank"
    try:
        artifact = export_run(copied, path, force=True, precision="bfloat16")
    except ArtifactError as error:
        assert "lacks AVX512_BF16" in str(error)
    else:
        assert artifact.manifest["precision"]["requests"] == 1024
