"""LambdaMART through LightGBM: boosted trees that learn the order of a page's items.

Burges, "From RankNet to LambdaRank to LambdaMART: an overview", 2010. The report leaves open what a
label is where users click: here a shown item that was clicked is relevant and one that was not is
not, which takes the bias of slots for the taste of people. Items that were not shown teach nothing.
It needs the package lightgbm, which `pip install 'gerank[compare]'` brings.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.candidate_table import CandidateTable, on_pages
from gerank.baselines.comparator import Pages, UnfitPagesError
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator, fixed
from gerank.data.exposure_log import ExposureLog

_RATE, _SHARE, _SLOTS_BEYOND = 0.05, 0.5, 5


class LambdaMart(SlotwiseComparator):
    """Sorts by the trees' score.

    Settings:
        trees: How many.
        leaves: Leaves of a tree, at most.
        least: Slots in a leaf, at least.
    """

    name = "lambdamart"
    paper = "Burges, 2010"
    not_served = "its trees are no module that can be scripted"
    grid = MappingProxyType({"trees": (200, 50, 400), "leaves": (15, 4), "least": (100, 20)})

    def fit(self, pages: Pages) -> None:
        """Raises UnfitPagesError where no page has both a click and a slot without one."""
        self._table = CandidateTable(pages.log.schema)
        table, clicks, sizes = self._table.shown(pages.log, pages.train)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        clicked = np.add.reduceat(clicks > 0, starts)
        if not ((clicked > 0) & (clicked < sizes)).any():
            raise UnfitPagesError(
                f"train: none of {len(sizes)} pages has both a click and a slot without one"
            )
        self._ranker = lambdamart(
            table[:, 1:],
            (clicks > 0).astype(np.int64),
            sizes,
            {
                "n_estimators": self.settings["trees"],
                "num_leaves": self.settings["leaves"],
                "min_child_samples": self.settings["least"],
                "learning_rate": _RATE,
                "colsample_bytree": _SHARE,
                "subsample": 0.9,
                "subsample_freq": 1,
                "lambdarank_truncation_level": pages.slots + _SLOTS_BEYOND,
            },
            seed=self.seed,
        )

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        table = self._table.candidates(log, rows)[:, 1:]
        return fixed(on_pages(self._ranker.predict(table), log, rows))


def lambdamart(
    table: NDArray[np.floating],
    grades: NDArray[np.integer],
    sizes: NDArray[np.int64],
    settings: Mapping[str, Any],
    *,
    seed: int = 0,
) -> Any:
    """A fitted `lightgbm.LGBMRanker`; equal arguments give equal trees.

    Args:
        table: [D, F].
        grades: [D]. The gain is 2^grade - 1.
        sizes: [Q] documents of each query, in the order of the table.
        settings: Are passed to LGBMRanker.
        seed: The seed of the rows and columns that trees are shown.

    Raises:
        ImportError: lightgbm is not installed.
    """
    if importlib.util.find_spec("lightgbm") is None:
        raise ImportError("LambdaMART needs lightgbm: pip install 'gerank[compare]'")
    import lightgbm

    ranker = lightgbm.LGBMRanker(
        objective="lambdarank",
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
        **settings,
    )
    return ranker.fit(table, grades, group=sizes)
