"""Forms of reading and strengths of the prior as settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.train.config import TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.setting_rules import ConfigError


def read(folder: Path, text: str) -> TrainConfig:
    path = folder / "run.toml"
    path.write_text(f'data.log = "pages"\n{text}', encoding="utf-8")
    return read_config(path)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value)


@pytest.mark.parametrize("strengths", ["[1.0, 0.0]", "[-1.0]", "[nan]", "[1.0, nan]", "[inf, 1.0]"])
def test_strengths_of_the_prior_are_positive_numbers(tmp_path: Path, strengths: str) -> None:
    message = refused(tmp_path, f"[evaluator]\nprior_strengths = {strengths}\n")
    assert "evaluator.prior_strengths: [" in message
    assert "is not a list of numbers > 0" in message


@pytest.mark.parametrize("name", ["psychic", "no_such_module:Form", "json:JSONDecoder"])
def test_a_form_of_reading_that_there_is_not_is_named(tmp_path: Path, name: str) -> None:
    message = refused(tmp_path, f'[evaluator]\nreadings = ["logit", "{name}"]\n')
    assert f"evaluator.readings: '{name}'" in message


def test_a_form_of_ones_own_is_a_setting(tmp_path: Path) -> None:
    config = read(tmp_path, '[evaluator]\nreadings = ["tests.nn.own_reading:TopOnly"]\n')
    assert config.evaluator.readings == ("tests.nn.own_reading:TopOnly",)
