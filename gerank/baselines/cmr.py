"""CMR: preference weights reach the pointer network by a linear hypernetwork.

Chen et al., "Controllable multi-objective re-ranking with policy hypernetworks", KDD 2023.

The paper: an evaluator is trained on logged pages; a pointer network learns by REINFORCE to please
it, for weights of the utilities that are drawn anew for every page; of its parameters those that
depend on the weights w are theta_w = theta + A w. gerank's generator is of this family; it adds a
non-linear part to the hypernetwork, see `gerank.nn.control`, and its own evaluator.

It leaves open how far the weights reach and how they are drawn.

Chosen: the evaluator and the training are gerank's own, so that what is compared is the
hypernetwork: clicks and the diversity of the first group key, each with a weight in 0..1; pages are
answered with those of the settings, by default clicks alone. A schema without groups has clicks
alone, whose weight then says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages, ServedModule
from gerank.baselines.named_pages import NamedPages
from gerank.baselines.page_loss_stage import teach
from gerank.data.contract import WeightRange
from gerank.data.exposure_log import ExposureLog
from gerank.nn.control import Control
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.config import GeneratorConfig, UtilityConfig
from gerank.train.device import CPU
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.fit_features import fit_features
from gerank.train.generator_stage import GeneratorStage
from gerank.train.page_batches import at_most, by_page
from gerank.train.pages import as_requests
from gerank.train.reward import UtilityReward, reward_statistics
from gerank.train.structured_stage import StructuredStage

_PAGES_AT_ONCE, _PATIENCE = 512, 4
_READING, _PRIOR_STRENGTH = "examination", 64.0


class Cmr(Comparator):
    """A controllable generator whose control is one linear layer.

    Attributes:
        network: The generator, once fitted.
    """

    name = "cmr"
    paper = "Chen et al., KDD 2023"
    not_served = ""
    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (2e-3, 1e-3),
        "width": (32,),
        "embedding_width": (8,),
        "evaluator_steps": (300,),
        "min_steps": (300,),
        "slates_per_request": (4,),
        "diversity_weight": (0.0,),
    }
    network: Generator

    def fit(self, pages: Pages) -> None:
        """Trains the evaluator, then the generator."""
        torch.manual_seed(self.seed)
        utilities = self._utilities(pages)
        self._weights = {n: WeightRange(u.min, u.max, u.default) for n, u in utilities.items()}
        feedback = EvaluatorFeedback(self._fitted_evaluator(pages))
        reward = UtilityReward(feedback, pages.log.schema, utilities)
        scale = torch.ones(len(utilities))
        if len(utilities) > 1:
            rows = pages.train
            scale = reward_statistics(reward, pages.log, rows, pages.slots, self.seed).scale
        self.network = self._new_generator(pages, utilities).to(pages.device)
        config = GeneratorConfig(
            learning_rate=self.settings["learning_rate"],
            slates_per_request=self.settings["slates_per_request"],
            min_steps=self.settings["min_steps"],
            epochs=1,
            control=Control.LINEAR,
        )
        stage = GeneratorStage(
            self.network,
            reward,
            pages.log,
            pages.train,
            pages.validation,
            config,
            utilities,
            pages.slots,
            self.seed,
            scale,
        )
        teach(stage, _PATIENCE)
        self.network.to(CPU)

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """The slates of some pages: [len(rows), N] int64, -1 behind the end."""
        weights = torch.tensor([1.0, self.settings["diversity_weight"]])
        weights = weights[: 2 if log.schema.groups else 1]

        def answered(places: NDArray[np.int64]) -> tuple[Tensor]:
            named = NamedPages.of(log, rows[places], slots)
            of_page = weights.expand(len(places), -1)
            batch = as_requests(named.pages, of_page, log.schema, slots=slots)
            return (named.in_log(self.network.page_slates(batch)),)

        with torch.inference_mode():
            return by_page(log, rows, _PAGES_AT_ONCE, answered)[0]

    def served(self) -> ServedModule:
        """See `Comparator`."""
        return ServedModule(self.network, self._weights)

    def _utilities(self, pages: Pages) -> dict[str, UtilityConfig]:
        utilities = {"clicks": UtilityConfig(0.0, 1.0, 1.0)}
        if pages.log.schema.groups:
            default = self.settings["diversity_weight"]
            kind = f"{pages.log.schema.groups[0]}_diversity"
            utilities[kind] = UtilityConfig(0.0, 1.0, default)
        return utilities

    def _fitted_evaluator(self, pages: Pages) -> Evaluator:
        schema, rows = pages.log.schema, pages.train
        width, score = self.settings["embedding_width"], pages.score or ""
        shape = StructuredShape(pages.slots, _READING, 1, width, score=score)
        structured = StructuredEvaluator(schema, shape)
        fit_features(structured.features, (), pages.log, at_most(rows))
        stage = StructuredStage(
            "evaluator",
            structured,
            pages.log,
            rows,
            pages.validation,
            torch.tensor([_PRIOR_STRENGTH]),
            steps=self.settings["evaluator_steps"],
            seed=self.seed,
            device=pages.device,
        )
        teach(stage, _PATIENCE)
        evaluator = Evaluator(schema, EvaluatorShape(shape))
        evaluator.structured.load_state_dict(structured.state_dict())
        return evaluator.eval().to(pages.device)

    def _new_generator(self, pages: Pages, utilities: dict[str, UtilityConfig]) -> Generator:
        shape = GeneratorShape(
            width=self.settings["width"],
            attention_width=self.settings["width"],
            embedding_width=self.settings["embedding_width"],
            context_window=1,
            utilities=len(utilities),
            controllable=True,
            control=Control.LINEAR,
            weight_ranges=tuple((u.min, u.max) for u in utilities.values()),
        )
        generator = Generator(pages.log.schema, shape)
        fit_features(generator.features, (), pages.log, at_most(pages.train))
        return generator
