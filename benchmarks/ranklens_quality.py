"""What a generator reaches on real pages: RankLens, cross-fitted over people.

People are split into folds. For each fold the others' pages are converted, an evaluator and a
generator are trained on them, and the fold's pages are converted with the item statistics of the
others and re-ranked. Every page is so judged once, by models that have not seen its person. The
judging needs no evaluator: logged clicks, known propensities, and NDCG. Logistic regression and
LambdaMART learn from the same pages and the same features, and order the same held-out pages.

The events file is named by the environment variable GERANK_RANKLENS.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from harness import Row, options, publish
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages
from gerank.baselines.lambdamart import LambdaMart
from gerank.baselines.logistic_regression import LogisticClicks, LogisticRegressionOrder
from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens import write_ranklens
from gerank.metrics.auc import auc
from gerank.metrics.calibration import expected_calibration_error
from gerank.metrics.intervals import mean_interval
from gerank.train.config import JudgeConfig, TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.evaluate import compared_slates
from gerank.train.feedback import EvaluatorFeedback, Feedback
from gerank.train.judges import PageJudge
from gerank.train.logged_click_tables import clicks_table, ranking_table
from gerank.train.logged_clicks import PageValues, page_values
from gerank.train.page_batches import by_page
from gerank.train.report import show_cell, show_interval
from gerank.train.train import train

_PAGES_AT_ONCE = 512


def split_events(events: Path, folder: Path, folds: int) -> list[tuple[Path, Path]]:
    """Writes, per fold, the events of its people and of all others: (train, test) files."""
    lines = gzip.decompress(events.read_bytes()).decode().splitlines()
    documents = [json.loads(line) for line in lines]
    people = sorted({d["user"] for d in documents if d["event"] == "ranking"})
    drawn = np.random.default_rng(0).permutation(len(people)) % folds
    fold_of = dict(zip(people, drawn.tolist(), strict=True))
    pairs = []
    for fold in range(folds):
        paths = folder / f"train{fold}.jsonl", folder / f"test{fold}.jsonl"
        for path, wanted in zip(paths, (False, True), strict=True):
            kept = (
                line
                for line, document in zip(lines, documents, strict=True)
                if "user" not in document or (fold_of[document["user"]] == fold) is wanted
            )
            path.write_text("\n".join(kept) + "\n")
        pairs.append(paths)
    return pairs


@dataclasses.dataclass
class PageHeads:
    """What a model of clicks says of the logged pages: P(any click), P(two or more), each [E]."""

    any_click: np.ndarray
    two_or_more: np.ndarray


@dataclasses.dataclass
class Judged:
    """One fold: its people, what its pages say of each policy, and predictions of its clicks."""

    people: np.ndarray
    values: dict[str, PageValues]
    clicks: np.ndarray
    heads: dict[str, PageHeads]
    genres_per_page: dict[str, np.ndarray]


def judge_fold(train_log: Path, test_log: Path, config: TrainConfig, out: Path) -> Judged:
    data = dataclasses.replace(config.data, log=train_log)
    run = train(dataclasses.replace(config, data=data), out)
    taught, log, slots = ExposureLog.read(train_log), ExposureLog.read(test_log), data.slots
    logistic = LogisticClicks(taught, np.arange(len(taught)))
    slates = compared_slates(run, log) | {
        "logistic regression": fitted_slates(LogisticRegressionOrder(), taught, log, slots),
        "LambdaMART": fitted_slates(LambdaMart(), taught, log, slots),
    }
    evaluator = EvaluatorFeedback(run.load_evaluator())
    judge = PageJudge(evaluator, log, config.reward)
    predictions = {name: judge.feedback(order)[1] for name, order in slates.items()}
    models: dict[str, Feedback] = {"evaluator": evaluator, "logistic regression": logistic}
    return Judged(
        log.person_ids,
        page_values(slates, predictions, log),
        log.batch(np.arange(len(log)), slots).clicks.sum(1).numpy(),
        {name: page_heads(model, log, slates["logged"]) for name, model in models.items()},
        {name: distinct_genres(log, order.numpy()) for name, order in slates.items()},
    )


def fitted_slates(
    comparator: Comparator, taught: ExposureLog, log: ExposureLog, slots: int
) -> Tensor:
    """[E, N] slates of `log` by a comparator that learnt from `taught`."""
    everything = np.arange(len(taught))
    comparator.fit(Pages(taught, everything, everything[:0], slots))
    return comparator.slates(log, np.arange(len(log)), slots)


def page_heads(feedback: Feedback, log: ExposureLog, slates: Tensor) -> PageHeads:
    """Predicts slates [E, N] by the model's own heads, or as if slots were independent."""

    def told(rows: np.ndarray) -> tuple[Tensor, Tensor]:
        pages, some = log.batch(rows), slates[rows].unsqueeze(1)
        if isinstance(feedback, EvaluatorFeedback):
            page, more = feedback.page_heads(pages, some)
        else:
            slot, page = feedback(rows, pages, some)
            more = two_of_independent(slot)
        return page.squeeze(1), more.squeeze(1)

    any_click, two_or_more = by_page(log, np.arange(len(log)), _PAGES_AT_ONCE, told)
    return PageHeads(any_click.numpy(), two_or_more.numpy())


def two_of_independent(click: Tensor) -> Tensor:
    """P(two clicks or more) [...] of independent slots [..., N]: the Poisson-binomial tail."""
    none = torch.ones(click.shape[:-1], dtype=torch.float64)
    one = torch.zeros_like(none)
    for slot in click.double().unbind(-1):
        none, one = none * (1 - slot), one * (1 - slot) + none * slot
    return (1 - none - one).clamp(0, 1).float()


def distinct_genres(log: ExposureLog, slates: np.ndarray) -> np.ndarray:
    """[E] number of genres in each slate [E, N]."""
    genre = log.candidate["genre"]
    places = log.candidate_offsets[:-1, None] + slates
    return np.array([len(set(row)) for row in genre[places].tolist()], dtype=np.float64)


def rows_of(folds: list[Judged], slots: int) -> list[Row]:
    people = np.concatenate([fold.people for fold in folds])
    names = folds[0].values.keys()
    values = {n: PageValues.concatenate([f.values[n] for f in folds]) for n in names}
    rows = head_rows(folds, slots)
    for table in (clicks_table(values, people, slots), ranking_table(values, people, slots)):
        assert table is not None  # RankLens has propensities
        rows += [
            {"table": table.title} | dict(zip(table.columns, map(show_cell, row), strict=True))
            for row in table.rows
        ]
    for name in names:
        genres = np.concatenate([fold.genres_per_page[name] for fold in folds])
        rows.append(
            {
                "table": "Genres per slate",
                "slates": name,
                "genres": show_interval(mean_interval(genres, people, seed=0)),
            }
        )
    return rows


def head_rows(folds: list[Judged], slots: int) -> list[Row]:
    """AUC and calibration error of any click and of two or more, per model of clicks."""
    rows: list[Row] = []
    for name in folds[0].heads:
        for head, least in (("any_click", 1), ("two_or_more", 2)):
            labels = [fold.clicks >= least for fold in folds]
            scores = [getattr(fold.heads[name], head) for fold in folds]
            within = [auc(*pair) for pair in zip(labels, scores, strict=True)]
            said, happened = np.concatenate(scores), np.concatenate(labels)
            rows.append(
                {
                    "table": f"Page predictions, clicks in the first {slots}",
                    "model": name,
                    "of": head.replace("_", " "),
                    "page AUC": auc(happened, said),
                    "AUC, mean of folds": float(np.mean(within)),
                    "calibration error": expected_calibration_error(happened, said),
                    "pages": len(happened),
                }
            )
    return rows


def main() -> None:
    arguments = options(__doc__).parse_args()
    if "GERANK_RANKLENS" not in os.environ:
        sys.exit("set GERANK_RANKLENS to the RankLens events.jsonl.gz")
    folds, judged_folds = 4, 1 if arguments.quick else 4
    config = read_config(Path(str(files("gerank") / "configs" / "ranklens.toml")))
    if arguments.quick:
        generator = dataclasses.replace(config.generator, epochs=1, min_steps=0)
        evaluator = dataclasses.replace(config.evaluator, steps=100, residual=False)
        judge = JudgeConfig(bootstraps=2, boosted=False, clone_steps=5)
        config = dataclasses.replace(config, generator=generator, evaluator=evaluator, judge=judge)
    judged = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = Path(os.environ["GERANK_RANKLENS"])
        pairs = split_events(events, folder, folds)[:judged_folds]
        for fold, (training, test) in enumerate(pairs):
            train_log, test_log = folder / f"train{fold}", folder / f"test{fold}"
            write_ranklens(training, train_log)
            write_ranklens(test, test_log, features_from=train_log)
            judged.append(judge_fold(train_log, test_log, config, folder / f"run{fold}"))
    publish("ranklens_quality", rows_of(judged, config.data.slots), arguments)


if __name__ == "__main__":
    main()
