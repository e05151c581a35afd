"""Fresh maps for a new upstream model, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.batch import RerankBatch, Slates
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.export.artifact import Artifact, ArtifactError, load_artifact, write_artifact
from gerank.export.recalibrate import recalibrate
from gerank.nn.generator import Generator, GeneratorShape
from gerank.train.fit_features import fit_features
from gerank.train.pages import as_requests
from gerank.train.setting_rules import ConfigError

SCORE = "ctr_score"
LOG, _ = simulate(SimulatorConfig(3000, 6, 3, seed=5, sellers=6))
FRESH, _ = simulate(SimulatorConfig(3000, 6, 3, seed=6, sellers=6))
CONTRACT = RequestContract(LOG.schema, 12, 3, {"clicks": WeightRange(1, 1, 1)})


def distorted(log: ExposureLog) -> ExposureLog:
    scores = (50 * np.sqrt(log.candidate[SCORE]) - 3).astype(np.float32)
    return replace(log, candidate=dict(log.candidate) | {SCORE: scores})


def asked(log: ExposureLog) -> RerankBatch:
    return as_requests(log.batch(np.arange(400)), torch.ones(400, 1), log.schema, slots=3)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Artifact]:
    torch.manual_seed(0)
    shape = GeneratorShape(8, 8, 2, calibrated=(SCORE, "value_score"))
    generator = Generator(LOG.schema, shape)
    fit_features(generator.features, shape.calibrated, LOG, np.arange(len(LOG)))
    path = tmp_path_factory.mktemp("calibrated") / "model.gerank"
    presets = {"short": {"slots": 2}}
    return path, write_artifact(
        generator, CONTRACT, path, name="my-run", training={"a": 1}, presets=presets
    )


def test_refitted_maps_undo_a_rising_distortion(
    written: tuple[Path, Artifact], tmp_path: Path
) -> None:
    path, before = written
    after, report = recalibrate(path, distorted(FRESH), tmp_path / "new.gerank")
    plain = before.rerank(asked(LOG))
    bent, mended = (artifact.rerank(asked(distorted(LOG))) for artifact in (before, after))
    wrong, left = (
        (answer.log_prob - plain.log_prob).abs().mean().item() for answer in (bent, mended)
    )
    assert left < 0.25 * wrong
    assert [entry.score for entry in report] == [SCORE, "value_score"]
    assert report[0].slots == len(FRESH.slates)
    assert report[0].error_after < 0.03 < 0.3 < report[0].error_before
    # The other score is as it was: its old map serves as well as a new one.
    assert abs(report[1].error_after - report[1].error_before) < 0.03


def test_nothing_but_maps_version_and_golden_answers_changes(
    written: tuple[Path, Artifact], tmp_path: Path
) -> None:
    path, before = written
    after, _ = recalibrate(path, distorted(FRESH), tmp_path / "new.gerank")
    kept = {key for key in before.manifest if before.manifest[key] == after.manifest[key]}
    assert set(before.manifest) - kept == {"model_version", "calibration"}
    assert after.model_version.startswith("my-run-")
    assert after.contract.presets == before.contract.presets == {"short": {"slots": 2}}
    old, new = before.module.state_dict(), after.module.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    maps = {"features.calibration.knots", "features.calibration.values"}
    assert changed == maps | {"page"}
    assert load_artifact(tmp_path / "new.gerank").manifest == after.manifest


def test_an_artifact_may_be_refitted_in_place_and_again(
    written: tuple[Path, Artifact], tmp_path: Path
) -> None:
    path = tmp_path / "model.gerank"
    path.write_bytes(written[0].read_bytes())
    bent, _ = recalibrate(path, distorted(FRESH), path)
    back, _ = recalibrate(path, FRESH, path)
    again, _ = recalibrate(path, FRESH, path)
    assert bent.model_version != back.model_version == again.model_version
    answers = (Slates(*artifact.rerank(asked(LOG))) for artifact in (back, again))
    assert all(map(torch.equal, *answers))


def test_the_manifest_tells_the_maps(written: tuple[Path, Artifact]) -> None:
    artifact = written[1]
    maps = artifact.manifest["calibration"]
    assert list(maps) == ["ctr_score", "value_score"]
    for place, document in enumerate(maps.values()):
        knots = artifact.module.features.calibration.knots[place]
        assert knots.tolist() == pytest.approx(document["knots"])


def test_an_artifact_without_maps_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.gerank"
    write_artifact(
        Generator(LOG.schema, GeneratorShape(8, 8, 2)), CONTRACT, path, name="x", training={}
    )
    with pytest.raises(ArtifactError, match=r"plain\.gerank: has no map of a score: train with"):
        recalibrate(path, LOG, tmp_path / "new.gerank")
    assert not (tmp_path / "new.gerank").exists()


def test_a_log_that_does_not_fit_is_refused(written: tuple[Path, Artifact], tmp_path: Path) -> None:
    other = tuple(f for f in LOG.schema.candidate if f.name != SCORE)
    columns = {name: values for name, values in LOG.candidate.items() if name != SCORE}
    lacking = replace(LOG, schema=replace(LOG.schema, candidate=other), candidate=columns)
    constant = replace(LOG, candidate=dict(LOG.candidate) | {SCORE: 0 * LOG.candidate[SCORE]})
    for log, error, message in (
        (
            lacking,
            ArtifactError,
            "the log has no dense candidate feature 'ctr_score'; it has value",
        ),
        (constant, ConfigError, "'ctr_score': scores: all .* are 0.0; no curve exists"),
        (LOG.select(np.zeros(0, np.int64)), ArtifactError, "the log has no shown slots"),
    ):
        with pytest.raises(error, match=message):
            recalibrate(written[0], log, tmp_path / "new.gerank")
