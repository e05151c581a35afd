"""Evaluations of every kind of run, and their pages; each is made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gerank.report.evaluation import evaluation_page
from gerank.train.config import UtilityConfig
from gerank.train.evaluate import Evaluation, evaluate
from gerank.train.train import train
from tests.report.outline import Outline, self_contained
from tests.train.feedback_log import feedback_log
from tests.train.tiny import RANGED, tiny_config, tiny_log, write_tiny_log
from tests.train.uniform_log import bare_config, uniform_log, written

PAGES = 80
REWARD = RANGED | {"expected.purchase": UtilityConfig(0.0, 1.0, 0.1)}


@dataclass(frozen=True)
class Reported:
    """An evaluation and its page, checked to be whole."""

    evaluation: Evaluation
    page: str
    outline: Outline

    @classmethod
    def of(cls, evaluation: Evaluation) -> Reported:
        page = evaluation_page(evaluation, "a run on a log")
        return cls(evaluation, page, self_contained(page))

    @property
    def text(self) -> str:
        return "".join(self.outline.text)

    @property
    def sections(self) -> list[str]:
        """The titles in the contents."""
        links = self.page[self.page.index("<nav") : self.page.index("</nav>")]
        return [link.text[0] for link in map(Outline, links.splitlines()[1:]) if link.text]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Three utilities with ranges, further feedback of all kinds, and the truth."""
    folder = tmp_path_factory.mktemp("full")
    log = feedback_log(600)
    log.write(folder / "log")
    run = train(tiny_config(folder / "log", reward=REWARD), folder / "run")
    return Reported.of(evaluate(run, feedback_log(PAGES, seed=1), tiny_log(PAGES, seed=1)[1]))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """One utility, and a log of which nothing else is known: no groups, no flags, no truth."""
    folder = tmp_path_factory.mktemp("plain")
    log = written(folder / "log", uniform_log(0, pages=120))
    run = train(bare_config(log), folder / "run")
    return Reported.of(evaluate(run, uniform_log(1, pages=40, candidates=(1, 6)), None))


@pytest.fixture(scope="session")
def rewarded(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """A run whose reward was no evaluator's."""

    def nothing(_rows: object, _pages: object, slates: Tensor) -> Tensor:
        return torch.zeros(*slates.shape[:2], 1)

    folder = tmp_path_factory.mktemp("rewarded")
    config = tiny_config(write_tiny_log(folder / "log"))
    run = train(config, folder / "run", reward=nothing)
    return Reported.of(evaluate(run, *tiny_log(PAGES, seed=1)))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "report.html"
