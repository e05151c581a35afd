from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from pathlib import Path

import pytest

from gerank.data.simulator.observation import simulator_schema
from gerank.nn.channels import Channel
from gerank.train.choices import Baseline, Credit
from gerank.train.config import (
    DataConfig,
    EvaluatorConfig,
    GeneratorConfig,
    JudgeConfig,
    TrainConfig,
    UtilityConfig,
)
from gerank.train.config_toml import read_config, to_toml
from gerank.train.setting_rules import ConfigError
from gerank.train.train_settings import TrainSettings
from gerank.train.utilities import build_utilities

LEAST = '[data]\nlog = "pages"\n'


def read(folder: Path, text: str) -> TrainConfig:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def refused(folder: Path, text: str) -> str:
    """The message; it always begins with the file."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    assert str(caught.value).startswith(f"{folder / 'run.toml'}: ")
    return str(caught.value)


def test_only_the_log_must_be_named(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST) == TrainConfig(DataConfig(tmp_path / "pages"))


def test_a_relative_log_lies_beside_the_file_and_an_absolute_one_where_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    above = read(tmp_path, '[data]\nlog = "../pages"\n')
    assert above.data.log == tmp_path.parent / "pages"
    assert read(tmp_path, '[data]\nlog = "/srv/pages"\n').data.log == Path("/srv/pages")


@pytest.mark.parametrize(
    "name",
    sorted(path.name for path in Path(str(files("gerank") / "configs")).iterdir()),
)
def test_packaged_configurations_are_valid(name: str) -> None:
    config = read_config(Path(str(files("gerank") / "configs" / name)))
    assert config.data.score
    if "simulator" in name:
        build_utilities(config.reward, simulator_schema(100))


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(DataConfig(Path("/pages"))),
        TrainConfig(
            DataConfig(Path('/my "pages"\\2026 [é]\n'), 7, "ctr", 0.25, 0.0, 3, ("ctr", 'é"')),
            EvaluatorConfig(
                readings=("logit", "tests.nn.own_reading:TopOnly"),
                prior_strengths=(3.0, 1e-3),
                compare_steps=9,
                steps=7,
                embedding_width=3,
                page_slots=9,
                residual=False,
                residual_steps=5,
                width=24,
                heads=6,
                dropout=0.0,
                batch_size=2,
                learning_rate=1e-7,
                weight_decay=0.0,
                channels=(Channel.PAIRS, Channel.POOLING),
            ),
            GeneratorConfig(
                8,
                9,
                1,
                2,
                3,
                batch_size=4,
                min_steps=0,
                slates_per_request=5,
                credit=Credit.SLATE,
                discount=0.9,
                baseline=Baseline.EXPOSED_PAGE,
                support_price=0.0,
                learning_rate=1e-5,
                clip_norm=0.5,
                entropy_bonus=0.01,
                temperature=2.0,
                local_context=False,
            ),
            JudgeConfig(bootstraps=3, boosted=False, clone_steps=1),
            {
                "clicks": UtilityConfig(0.0, 2.0, 1.5),
                'kind of é."x"_diversity': UtilityConfig(),
                "order": UtilityConfig(
                    utility="group_ordering",
                    options={"group": "é", "priority": {"a b": 1.0, "c": -2.5}, "deep": [True, {}]},
                ),
            },
            seed=11,
            threads=2,
        ),
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, config: TrainConfig) -> None:
    assert read(tmp_path, to_toml(config)) == config


def test_every_setting_is_written_out(tmp_path: Path) -> None:
    text = to_toml(TrainConfig(DataConfig(tmp_path)))
    parts = (
        TrainConfig,
        DataConfig,
        EvaluatorConfig,
        GeneratorConfig,
        JudgeConfig,
        TrainSettings,
        UtilityConfig,
    )
    for part in parts:
        for entry in dataclasses.fields(part):
            assert f"{entry.name} = " in text or re.search(rf"\[(.*\.)?{entry.name}[\].]", text)


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("sed = 1\n" + LEAST, "sed", "seed"),
        (LEAST + "slot = 3\n", "data.slot", "slots"),
        (LEAST + "[evaluator]\nlearning_rat = 1.0\n", "evaluator.learning_rat", "learning_rate"),
        (LEAST + "[generator]\nepoch = 3\n", "generator.epoch", "epochs"),
        (LEAST + "[reward.clicks]\nmaximum = 3.0\n", "reward.clicks.maximum", "max"),
        (LEAST + "[evaluater]\nsteps = 3\n", "evaluater", "evaluator"),
        (LEAST + "[evaluator]\nreading = []\n", "evaluator.reading", "readings"),
        (LEAST + "[judge]\nbootstrap = 3\n", "judge.bootstrap", "bootstraps"),
    ],
)
def test_an_unknown_key_is_named_and_the_nearest_suggested(
    tmp_path: Path, text: str, key: str, nearest: str
) -> None:
    message = refused(tmp_path, text)
    assert f"unknown key '{key}'" in message
    assert f"did you mean '{nearest}'" in message


def test_an_unknown_key_like_no_other_gets_the_list(tmp_path: Path) -> None:
    message = refused(tmp_path, LEAST + "[generator]\nzzz = 1\n")
    for entry in dataclasses.fields(GeneratorConfig):
        assert entry.name in message


BAD_VALUES = [
    ("data.slots", "0"),
    ("data.slots", "129"),
    ("data.slots", "-1"),
    ("data.slots", "2.0"),
    ("data.slots", "true"),
    ("data.slots", '"3"'),
    ("data.score", "3"),
    ("data.log", "3"),
    ("data.validation_share", "-0.1"),
    ("data.validation_share", "1.5"),
    ("data.validation_share", "nan"),
    ("data.judge_share", "2.0"),
    ("data.seed", "-1"),
    ("data.seed", str(2**31)),
    ("evaluator.width", "0"),
    ("evaluator.width", "513"),
    ("evaluator.embedding_width", "0"),
    ("evaluator.heads", "0"),
    ("evaluator.heads", "5"),
    ("evaluator.dropout", "1.0"),
    ("evaluator.dropout", "-0.5"),
    ("evaluator.dropout", "nan"),
    ("evaluator.readings", "[]"),
    ("evaluator.readings", '"logit"'),
    ("evaluator.readings", "3"),
    ("evaluator.prior_strengths", "[]"),
    ("evaluator.prior_strengths", "16.0"),
    ("evaluator.compare_steps", "0"),
    ("evaluator.steps", "0"),
    ("evaluator.steps", "-1"),
    ("evaluator.residual", "1"),
    ("evaluator.channels", "[]"),
    ("evaluator.channels", '["gru", "gru"]'),
    ("evaluator.residual_steps", "0"),
    ("evaluator.batch_size", "0"),
    ("evaluator.batch_size", "-4"),
    ("evaluator.learning_rate", "0.0"),
    ("evaluator.learning_rate", "-1e-3"),
    ("evaluator.learning_rate", "nan"),
    ("evaluator.learning_rate", "inf"),
    ("evaluator.learning_rate", '"fast"'),
    ("evaluator.weight_decay", "-1.0"),
    ("evaluator.page_slots", "-1"),
    ("evaluator.page_slots", "129"),
    ("judge.bootstraps", "1"),
    ("judge.bootstraps", "2.0"),
    ("judge.boosted", "3"),
    ("judge.clone_steps", "0"),
    ("judge", "3"),
    ("generator.width", "1000"),
    ("generator.attention_width", "0"),
    ("generator.embedding_width", "-1"),
    ("generator.context_window", "0"),
    ("generator.local_context", "0"),
    ("generator.epochs", "0"),
    ("generator.batch_size", "-1"),
    ("generator.min_steps", "-1"),
    ("generator.credit", '"page"'),
    ("generator.discount", "1.1"),
    ("generator.discount", "nan"),
    ("generator.support_price", "-0.1"),
    ("generator.support_price", "inf"),
    ("generator.slates_per_request", "0"),
    ("generator.baseline", '"none"'),
    ("generator.baseline", "1"),
    ("generator.learning_rate", "inf"),
    ("generator.clip_norm", "0.0"),
    ("generator.entropy_bonus", "-0.1"),
    ("generator.temperature", "0.0"),
    ("generator.temperature", "nan"),
    ("generator.temperature", "1e9"),
    ("reward", "{}"),
    ("reward", "1"),
    ("reward.clicks", "1.0"),
    ("reward.clicks.min", '"low"'),
    ("reward.clicks.max", "inf"),
    ("reward.clicks.min", "nan"),
    ("reward.clicks.default", "1.5"),
    ("seed", "-3"),
    ("seed", "1.5"),
    ("threads", "-1"),
    ("threads", "1025"),
    ("reward.clicks.utility", "3"),
    ("reward.clicks.options", "3"),
    ("data.calibrated", '"ctr"'),
    ("generator.control", '"magic"'),
    ("generator.default_share", "1.5"),
    ("generator.policy_loss", '"trpo"'),
    ("generator.ppo_epochs", "0"),
    ("generator.ppo_clip", "0.0"),
    ("generator.exploration", '"curiosity"'),
    ("generator.novelty_weight", "-1.0"),
    ("normalise", "1"),
    ("evaluator", "3"),
    ("data", '"pages"'),
]


@pytest.mark.parametrize(("key", "value"), BAD_VALUES)
def test_a_bad_value_is_named_with_its_key(tmp_path: Path, key: str, value: str) -> None:
    text = "" if key in ("data", "data.log") else 'data.log = "pages"\n'
    message = refused(tmp_path, f"{text}{key} = {value}\n")
    shown = {"true": "True", "-1e-3": "-0.001", "1e9": "1000000000.0"}
    assert f"{key}: {shown.get(value, value).replace(chr(34), chr(39))} " in message


def test_a_channel_that_there_is_not_is_named_beside_those_that_there_are(tmp_path: Path) -> None:
    message = refused(tmp_path, LEAST + '[evaluator]\nchannels = ["gru", "convolution"]\n')
    known = "pooling, slot_mlp, attention, gru, pairs"
    assert f"evaluator.channels[1]: 'convolution' is not one of {known}" in message


def test_leave_one_out_needs_two_slates(tmp_path: Path) -> None:
    generator = '[generator]\nbaseline = "leave_one_out"\nslates_per_request = '
    assert read(tmp_path, LEAST + generator + "2\n").generator.baseline is Baseline.LEAVE_ONE_OUT
    message = refused(tmp_path, LEAST + generator + "1\n")
    assert "generator.slates_per_request: 1 is not >= 2, which leave_one_out needs" in message


def test_by_default_a_choice_learns_from_what_follows_it() -> None:
    generator = GeneratorConfig()
    assert (generator.credit, generator.discount) == (Credit.SLOT, 1.0)
    assert generator.baseline is Baseline.LEAVE_ONE_OUT
    assert generator.support_price > 0


def test_an_integer_is_a_number(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[generator]\ntemperature = 2\n")
    assert repr(config.generator.temperature) == "2.0"


def test_the_log_is_missed(tmp_path: Path) -> None:
    assert "missing key 'data'" in refused(tmp_path, "seed = 1\n")
    assert "missing key 'data.log'" in refused(tmp_path, "[data]\nslots = 3\n")


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    assert "not TOML" in refused(tmp_path, "[data\n")
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML"):
        read_config(path)
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        read_config(tmp_path / "gone.toml")
