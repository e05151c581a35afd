"""A judge of another family than the evaluator: boosted trees over slots in their context.

An evaluator and a judge of one family that learned from one log share their errors, so that the
judge approves what the evaluator only imagines. Trees cannot extrapolate: where a log says nothing
they answer what the nearest logged slots say. Ke et al., "LightGBM: A highly efficient gradient
boosting decision tree", NeurIPS 2017.

It needs the package lightgbm, which `pip install 'gerank[compare]'` brings.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.rl.utilities import page_click
from gerank.train.feedback import Feedback
from gerank.train.page_batches import ordered_batches
from gerank.train.slot_features import SlotFeatures

_TREES, _PATIENCE, _LEARNING_RATE = 300, 30, 0.05
_MOST_LEAVES, _EXAMPLES_PER_LEAF = 31, 500
_PAGES_AT_ONCE, _SLOTS_AT_ONCE = 4096, 1 << 17  # bound the memory of a table


class BoostedJudgeError(ValueError):
    """Pages that no judge can be fitted on; the message names what and how many."""


def boosted_judge_available() -> bool:
    """Whether lightgbm is installed."""
    return importlib.util.find_spec("lightgbm") is not None


class BoostedJudge:
    """Click probabilities of slots by boosted trees; slots of a page are independent given it.

    It is thread-safe once built. Equal arguments and threads give equal answers.

    Attributes:
        features: The columns the trees read.
        trees: How many were kept; early stopping chose it.
        validation_loss: Log-loss per validation slot with these trees.
    """

    def __init__(
        self,
        log: ExposureLog,
        train: NDArray[Any],
        validation: NDArray[Any],
        slots: int,
        *,
        score: str = "",
        bootstrap: int = 0,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """Fits the trees.

        Args:
            log: Logged pages.
            train: Rows that teach; of people that the judged models did not learn from.
            validation: Rows that stop the boosting; of yet other people.
            slots: N. Longer logged slates are cut to their first N slots.
            score: Dense candidate feature whose contrast with the slots above is a column; "" =
                none.
            bootstrap: K, how many more models are fitted on people drawn anew: see `members`.
            seed: The seed of the trees and of the people drawn.
            threads: How many threads LightGBM uses.

        Raises:
            ImportError: lightgbm is not installed.
            BoostedJudgeError: There are too few pages, people or kinds of feedback.
            ValueError: `score` is no dense feature of the candidates.
        """
        _lightgbm()  # says what is missing before anything else fails
        self.features = SlotFeatures(log.schema, score)
        _check_counts(slots, bootstrap, threads, len(train), len(validation))
        table, clicked, pages = _examples(self.features, log, train, slots)
        clicks = int(clicked.sum())
        if not 0 < clicks < len(clicked):
            raise BoostedJudgeError(
                f"train: {clicks} of {len(clicked)} slots are clicked; clicks and no clicks are "
                "needed"
            )
        held_out = _examples(self.features, log, validation, slots)[:2]
        people, person = np.unique(log.person_ids[train], return_inverse=True)
        if bootstrap and len(people) < 2:
            raise BoostedJudgeError(f"train: {len(people)} person; a bootstrap needs two or more")

        boosting = _Boosting(
            *(table, clicked, held_out),
            categorical=list(self.features.categorical),
            settings=_settings(len(clicked), seed, threads),
        )
        self._model = boosting.boosted(slice(None))
        rng = np.random.default_rng([seed, 1])
        self._members = []
        for _ in range(bootstrap):
            drawn = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
            times = drawn[person][pages]  # [examples]
            self._members.append(boosting.boosted(np.repeat(np.arange(len(clicked)), times)))
        self.trees = int(self._model.best_iteration)
        self.validation_loss = float(self._model.best_score["valid_0"]["cross_entropy"])

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        return _Trees(self.features, self._model)(rows, pages, slates)

    def to_json(self) -> dict[str, Any]:
        """All trees as text, for `from_json`."""
        models = [self._model, *self._members]
        return {
            "score": self.features.score,
            "models": [model.model_to_string() for model in models],
            "trees": self.trees,
            "validation_loss": self.validation_loss,
        }

    @classmethod
    def from_json(cls, schema: FeatureSchema, document: dict[str, Any]) -> BoostedJudge:
        """The judge that `to_json` described.

        Raises:
            ImportError: lightgbm is not installed.
        """
        lightgbm = _lightgbm()
        judge = cls.__new__(cls)
        judge.features = SlotFeatures(schema, document["score"])
        models = [lightgbm.Booster(model_str=text) for text in document["models"]]
        judge._model, judge._members = models[0], models[1:]
        judge.trees, judge.validation_loss = document["trees"], document["validation_loss"]
        return judge

    def members(self) -> list[Feedback]:
        """The K models on people drawn anew; where they disagree, the log does not say."""
        return [_Trees(self.features, model) for model in self._members]


class _Trees:
    """One booster as feedback."""

    def __init__(self, features: SlotFeatures, model: Any) -> None:
        self._features, self._model = features, model

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        step = max(1, _SLOTS_AT_ONCE // max(1, slates[:1].numel()))
        parts = [
            self._click(
                ExposureBatch(*(column[first : first + step] for column in pages)),
                slates[first : first + step],
            )
            for first in range(0, len(slates), step)
        ]
        click = torch.cat(parts) if parts else torch.zeros(slates.shape)
        return click, page_click(click, slates >= 0)

    def _click(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N], 0 where empty."""
        click = torch.zeros(slates.shape)
        table = self._features(pages, slates)
        if len(table):
            click[slates >= 0] = torch.from_numpy(self._model.predict(table)).float()
        return click


@dataclass(frozen=True)
class _Boosting:
    """Examples that trees are boosted on, and how.

    Attributes:
        table: [X, F]. Their columns.
        clicked: [X]. Their clicks.
        held_out: Table and clicks of the examples that stop the boosting.
        categorical: Columns of categories.
        settings: Set LightGBM.
    """

    table: NDArray[np.float32]
    clicked: NDArray[np.float32]
    held_out: tuple[NDArray[np.float32], NDArray[np.float32]]
    categorical: list[int]
    settings: dict[str, Any]

    def boosted(self, examples: NDArray[np.int64] | slice) -> Any:
        """Trees of some of the examples, repeats allowed."""
        lightgbm = _lightgbm()
        data = lightgbm.Dataset(
            self.table[examples],
            self.clicked[examples],
            categorical_feature=self.categorical,
            params={"verbose": -1},
            free_raw_data=True,
        )
        checked = data.create_valid(*self.held_out)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        return lightgbm.train(self.settings, data, _TREES, [checked], callbacks=[stop])


def _check_counts(slots: int, bootstrap: int, threads: int, train: int, validation: int) -> None:
    for name, value, least in (
        ("slots", slots, 1),
        ("bootstrap", bootstrap, 0),
        ("threads", threads, 1),
        ("train", train, 1),
        ("validation", validation, 1),
    ):
        if value < least:
            unit = " pages" if name in ("train", "validation") else ""
            raise BoostedJudgeError(f"{name}: {value}{unit}, not at least {least}")


def _examples(
    features: SlotFeatures, log: ExposureLog, rows: NDArray[Any], slots: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Table [X, F], clicks [X] and places in `rows` [X] of all shown slots of the pages `rows`."""
    tables, clicks, places = [], [], []
    for some in ordered_batches(log, rows, _PAGES_AT_ONCE):
        pages = log.batch(rows[some], slots)
        filled = pages.slates >= 0
        tables.append(features(pages, pages.slates.unsqueeze(1)))
        clicks.append(pages.clicks[filled].numpy())
        places.append(some[filled.nonzero()[:, 0].numpy()])
    return np.concatenate(tables), np.concatenate(clicks), np.concatenate(places)


def _settings(examples: int, seed: int, threads: int) -> dict[str, Any]:
    """Small trees: a log of few slots has no room for more."""
    return {
        "objective": "cross_entropy",  # the binary one, for labels between 0 and 1 too
        "metric": "cross_entropy",
        "learning_rate": _LEARNING_RATE,
        "num_leaves": int(np.clip(examples // _EXAMPLES_PER_LEAF, 4, _MOST_LEAVES)),
        "min_data_in_leaf": int(np.clip(examples // 200, 5, 50)),
        "lambda_l2": 5.0,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }


def _lightgbm() -> Any:
    if not boosted_judge_available():
        raise ImportError("a boosted judge needs lightgbm: pip install 'gerank[compare]'")
    import lightgbm

    return lightgbm
