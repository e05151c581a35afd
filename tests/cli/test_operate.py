"""What an operator does to a model without retraining it: presets and calibration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gerank.data.exposure_log import ExposureLog
from tests.cli.command import done, gerank
from tests.cli.conftest import CONFIG, Journey

PRESETS = """
["new arrivals"]
weights = { clicks = 0.5, seller_diversity = 1.0 }
quotas = [{ flag = "fresh", min = 1 }]
"""


@pytest.fixture(scope="module")
def calibrated(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a map of its score, and two presets."""
    folder = tmp_path_factory.mktemp("operate")
    text = CONFIG.replace('score = "ctr_score"', 'score = "ctr_score"\ncalibrated = ["ctr_score"]')
    config, presets = folder / "tiny.toml", folder / "presets.toml"
    config.write_text(text.replace('log = "train"', f'log = "{journey.train}"'))
    presets.write_text(PRESETS + "[plain]\n")
    done("train", config, "--out", folder / "run")
    target = ("--out", folder / "model.gerank", "--force")
    text = done("export", folder / "run", "--presets", presets, *target)
    assert "presets new arrivals, plain" in text
    return folder / "model.gerank"


def test_the_manifest_tells_presets_maps_and_what_weights_are_relative_to(calibrated: Path) -> None:
    manifest = json.loads(done("info", calibrated, "--json"))
    assert manifest["presets"]["new arrivals"]["quotas"] == [{"flag": "fresh", "min": 1}]
    assert manifest["presets"]["plain"] == {}
    assert list(manifest["calibration"]) == ["ctr_score"]
    assert list(manifest["utilities"]) == ["clicks", "seller_diversity"]
    diversity = manifest["utilities"]["seller_diversity"]
    assert diversity["utility"] == "diversity"
    assert diversity["options"] == {"group": "seller"}
    assert diversity["scale"] > 0


def test_calibrate_prints_the_error_before_and_after(
    calibrated: Path, journey: Journey, tmp_path: Path
) -> None:
    log = ExposureLog.read(journey.train)
    scores = (100 * np.sqrt(log.candidate["ctr_score"])).astype(np.float32)
    replace(log, candidate=dict(log.candidate) | {"ctr_score": scores}).write(tmp_path / "fresh")
    target = tmp_path / "new.gerank"
    text = done("calibrate", calibrated, "--data", tmp_path / "fresh", "--out", target)
    row = next(line for line in text.splitlines() if "ctr_score" in line)
    before, after = (float(cell) for cell in row.replace("│", " ").split()[-2:])
    assert after < 0.2 < before
    old, new = (json.loads(done("info", file, "--json")) for file in (calibrated, target))
    assert new["presets"] == old["presets"]
    assert new["calibration"] != old["calibration"]
    assert "is whole" in done("verify", target)


def test_a_model_without_maps_is_not_calibrated(
    journey: Journey, tmp_path: Path, refused: Callable[..., str]
) -> None:
    arguments = ("--data", journey.train, "--out", tmp_path / "new.gerank")
    message = refused("calibrate", journey.model, *arguments)
    assert "has no map of a score: train with data.calibrated first" in message


def test_a_preset_that_does_not_fit_the_model_is_named(
    journey: Journey, tmp_path: Path, refused: Callable[..., str]
) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text("[mine]\nweights = { clicks = 9.0 }\n")
    arguments = ("--presets", presets, "--out", tmp_path / "new.gerank", "--force")
    message = refused("export", journey.run, *arguments)
    assert f"{presets}: presets.mine.weights.clicks: must be a number in [0, 2], got 9.0" in message


def test_a_utility_that_is_no_function_is_named(
    journey: Journey, tmp_path: Path, refused: Callable[..., str]
) -> None:
    config = tmp_path / "bad.toml"
    text = CONFIG.replace('log = "train"', f'log = "{journey.train}"')
    config.write_text(text + '\n[reward.margin]\nutility = "shop_that_is_not:margin"\n')
    message = refused("train", config, "--out", tmp_path / "run")
    assert "reward.margin.utility: 'shop_that_is_not:margin': module" in message
    assert "does not import" in message


def test_evaluate_judges_the_slates_of_given_weights(
    journey: Journey, refused: Callable[..., str]
) -> None:
    def diversity(*arguments: str) -> float:
        text = done("evaluate", journey.run, "--data", journey.test, "--json", *arguments)
        (table,) = (t for t in json.loads(text)["tables"] if t["title"] == "Utilities per page")
        (row,) = (r for r in table["rows"] if r[:2] == ["training evaluator", "generator"])
        return float(row[table["columns"].index("seller_diversity")])

    default = diversity()
    assert diversity("--weight", "clicks=1.0", "--weight", "seller_diversity=0.5") == default
    data = ("--data", journey.test)
    message = refused("evaluate", journey.run, *data, "--weight", "clicks=2.5")
    assert "weight 'clicks': 2.5 is outside [0.0, 2.0]" in message
    message = refused("evaluate", journey.run, *data, "--weight", "clix=1")
    assert "weight 'clix': no such utility; the run has clicks, seller_diversity" in message
    usage = gerank("evaluate", journey.run, *data, "--weight", "clicks")
    assert usage.code == 2
    assert "'clicks' is not UTILITY=NUMBER" in usage.err
