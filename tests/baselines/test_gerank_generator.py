"""The generator as a comparator: what `gerank train` would train, on the pages that it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.gerank_generator import GerankGenerator
from gerank.train.setting_rules import ConfigError
from tests.baselines.pages import tiny_pages
from tests.train.tiny import SLOTS

FAST: dict[str, Any] = {
    "generator.width": 8,
    "generator.attention_width": 8,
    "generator.embedding_width": 2,
    "generator.epochs": 1,
    "generator.min_steps": 0,
    "generator.batch_size": 64,
    "evaluator.readings": ["examination"],
    "evaluator.prior_strengths": [64.0],
    "evaluator.compare_steps": 10,
    "evaluator.steps": 20,
}


def test_every_setting_of_training_reaches_the_run() -> None:
    settings = {"generator.support_price": 0.5, "evaluator.residual": True, "normalise": False}
    settings["reward"] = {"clicks": {}, "seller_diversity": {"min": 0.0, "default": 0.5}}
    config = GerankGenerator(settings, seed=9).config(tiny_pages())
    assert config.generator.support_price == 0.5 and config.evaluator.residual
    assert config.seed == 9 and not config.normalise
    assert list(config.reward) == ["clicks", "seller_diversity"]
    assert config.evaluator.page_slots == SLOTS  # what was shown, where nothing else is said
    assert config.data.slots == SLOTS and config.data.score == "ctr_score"


def test_a_value_that_does_not_fit_is_named_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"generator\.epochs: 0 is not >= 1"):
        GerankGenerator({"generator.epochs": 0}).config(tiny_pages())


def test_it_answers_alike_for_one_seed_and_otherwise_for_another() -> None:
    pages = tiny_pages()
    rows = np.arange(40)
    answers = []
    for seed in (1, 1, 2):
        generator = GerankGenerator(FAST, seed=seed)
        generator.fit(pages)
        answers.append(generator.slates(pages.log, rows, SLOTS))
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
    assert all(len(set(slate)) == SLOTS for slate in answers[0].tolist())
