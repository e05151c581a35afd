from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.export.artifact import load_artifact
from gerank.export.from_run import export_run
from gerank.train.config_toml import read_config
from gerank.train.pages import as_requests
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.train import train
from tests.train.tiny import RANGED, SLOTS, tiny_config, tiny_log, write_tiny_log


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("run")
    config = tiny_config(write_tiny_log(folder / "log"), reward=RANGED)
    return train(config, folder / "my-run")


def test_an_exported_run_answers_as_its_best_generator(run: RunFolder, tmp_path: Path) -> None:
    artifact = export_run(run.path, tmp_path / "model.gerank")
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
    manifest = export_run(run.path, tmp_path / "model.gerank").manifest
    assert manifest["model_version"].startswith("my-run-")
    kept = tmp_path / "config.toml"
    kept.write_text(manifest["training"]["config"])
    assert read_config(kept) == run.config
    last = (run.path / "metrics.csv").read_text().splitlines()[-1]
    assert last.split(",")[:3] == ["generator", "1", "score"]
    assert manifest["training"]["metrics"]["generator.score"] == float(last.split(",")[3])
    assert list(manifest["weights"]) == list(RANGED)


def test_dense_features_carry_the_range_of_the_log(run: RunFolder, tmp_path: Path) -> None:
    manifest = export_run(run.path, tmp_path / "model.gerank").manifest
    log, _ = tiny_log()
    for feature in manifest["features"]["candidate"]:
        if feature["kind"] == "dense":
            values = log.candidate[feature["name"]]
            assert (feature["minimum"], feature["maximum"]) == (values.min(), values.max())


def test_what_is_no_run_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not the folder of a training run"):
        export_run(tmp_path, tmp_path / "model.gerank")
    assert not (tmp_path / "model.gerank").exists()
