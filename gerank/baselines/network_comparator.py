"""What all comparators with a network share: features, training, and slates under the rules."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages, ServedModule
from gerank.baselines.named_pages import NamedPages
from gerank.baselines.page_loss_stage import PageLossStage, Schedule, teach
from gerank.baselines.rerank_network import RerankNetwork
from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import own_slots
from gerank.data.schema import FeatureSchema
from gerank.train.device import CPU
from gerank.train.fit_features import fit_features
from gerank.train.page_batches import at_most, by_page
from gerank.train.pages import as_requests

_PAGES_AT_ONCE, _CANDIDATES_AT_ONCE = 512, 1 << 15
_MOST_SCALED = 100_000

TRAINING: dict[str, tuple[Any, ...]] = {
    "learning_rate": (3e-3, 1e-3),
    "width": (32,),
    "embedding_width": (8,),
    "steps": (400,),
    "batch_size": (64,),
}
"""Settings that all of them have; a setting with one value is fixed unless somebody asks."""

Network = TypeVar("Network", bound=RerankNetwork)


class NetworkComparator(Comparator, Generic[Network]):
    """A comparator whose `network`, once fitted, is called and answers as a generator does.

    It learns on the device of the pages and answers on the CPU, where the op works that fills slots
    one by one.
    """

    not_served = ""
    network: Network

    @abstractmethod
    def new_network(self, schema: FeatureSchema, pages: Pages) -> Network:
        """A network before its training, with the widths of the settings."""

    @abstractmethod
    def learn(self, pages: Pages) -> None:
        """Trains `network`, whose features are scaled by now, where it lies."""

    def fit(self, pages: Pages) -> None:
        """Scales the features by the training pages, then learns from them.

        Raises:
            ValueError: One of both parts has no page.
            RunError: The training diverged.
        """
        if not len(pages.train) or not len(pages.validation):
            raise ValueError(
                f"{self.name}: {len(pages.train)} training and {len(pages.validation)} validation "
                "pages; both are needed"
            )
        torch.manual_seed(self.seed)
        self.network = self.new_network(pages.log.schema, pages)
        fit_features(self.network.features, (), pages.log, at_most(pages.train, _MOST_SCALED))
        self.network.to(pages.device)
        self.learn(pages)
        self.network.eval().to(CPU)

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """The slates of some pages: [len(rows), N] int64, -1 behind the end."""

        def answered(places: NDArray[np.int64]) -> tuple[Tensor]:
            named = NamedPages.of(log, rows[places], slots)
            batch = as_requests(named.pages, torch.zeros(len(places), 1), log.schema, slots=slots)
            return (named.in_log(own_slots(batch, self.network(*batch).slates)),)

        with torch.inference_mode():
            return by_page(log, rows, _PAGES_AT_ONCE, answered, candidates=_CANDIDATES_AT_ONCE)[0]

    def served(self) -> ServedModule:
        """See `Comparator`."""
        return ServedModule(self.network, {})

    def schedule(self) -> Schedule:
        """How the settings say that a network learns."""
        return Schedule(
            steps=self.settings["steps"],
            learning_rate=self.settings["learning_rate"],
            batch_size=self.settings["batch_size"],
            seed=self.seed,
        )


class SupervisedComparator(NetworkComparator[Network]):
    """A comparator that learns a loss of whole pages."""

    @abstractmethod
    def page_loss(self, pages: ExposureBatch) -> Tensor:
        """[B] the losses of B pages, with gradient."""

    def learn(self, pages: Pages) -> None:
        """Descends on the loss until the validation pages see no more progress."""
        schedule = self.schedule()
        stage = PageLossStage(self.name, self.network, self.page_loss, pages, schedule)
        teach(stage, schedule.patience)
