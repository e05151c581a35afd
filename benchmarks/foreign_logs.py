"""What a generator reaches on logs that other systems wrote.

- *letor* is LightGBM's lambdarank example: 201 judged queries to learn from and 50 to be judged on.
  The figure is NDCG@10 with the gain 2^grade - 1, against LambdaMART on the same features.
- *news* is pages of a news site, cross-fitted over readers. The figures are NDCG@10 and recall,
  against the order by the click rate of other readers.

In neither log does the order of a page tell anything, so a generator learns from shuffled pages of
a reader who looks at slot n with probability 1 / log2(n + 2): expected clicks are then the DCG.

The folder of the logs is named by the environment variable GERANK_LOGS.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from comparators import LIGHTGBM_EXAMPLE, by_score, tuned_settings
from foreign.letor import letor_log, read_queries
from foreign.news import news_log, read_news
from harness import Row, options, publish
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.lambdamart import lambdamart
from gerank.metrics.ndcg import ndcg_at_k
from gerank.train.config import (
    DataConfig,
    EvaluatorConfig,
    GeneratorConfig,
    JudgeConfig,
    TrainConfig,
)
from gerank.train.evaluate import compared_slates
from gerank.train.report import show_mean
from gerank.train.run_folder import RunFolder
from gerank.train.train import train

SLOTS = 10
_FOLDS = 4
_Values = dict[str, NDArray[np.floating]]


def config_for(
    log: Path, score: str, copies: int, *, judge_share: float, quick: bool
) -> TrainConfig:
    """A small generator, and priors as strong as the pages would need without their copies."""
    strengths = tuple(copies * strength for strength in EvaluatorConfig().prior_strengths)
    evaluator = EvaluatorConfig(embedding_width=2, prior_strengths=strengths)
    generator = GeneratorConfig(
        width=32, attention_width=32, embedding_width=2, slates_per_request=8
    )
    judge = JudgeConfig()
    if quick:
        judge = JudgeConfig(bootstraps=2, boosted=False, clone_steps=5)
        evaluator = dataclasses.replace(evaluator, steps=20, residual=False)
        generator = dataclasses.replace(generator, epochs=1, min_steps=0)
    data = DataConfig(log, slots=SLOTS, score=score, validation_share=0.15, judge_share=judge_share)
    return TrainConfig(data, evaluator=evaluator, generator=generator, judge=judge, threads=1)


def letor(folder: Path, *, quick: bool) -> list[Row]:
    taught, asked = read_queries(folder, "train"), read_queries(folder, "test")
    settings = {"LambdaMART, settings of the example": LIGHTGBM_EXAMPLE}
    if not quick:
        tuned = tuned_settings(taught.features, taught.grades, taught.sizes, SLOTS)
        settings["LambdaMART, tuned"] = tuned
    slates: dict[str, Tensor] = {}
    for name, some in settings.items():
        ranker = lambdamart(taught.features, taught.grades, taught.sizes, some)
        slates[name] = by_score(ranker.predict(asked.features), asked.offsets, SLOTS)
    with tempfile.TemporaryDirectory() as name:
        log, copies = Path(name) / "log", 2 if quick else 16
        letor_log(taught, copies, seed=0).write(log)
        run = train(config_for(log, "", copies, judge_share=0.0, quick=quick), Path(name) / "run")
        compared = compared_slates(run, letor_log(asked, 1, seed=1))
        verdict = verdict_of(run)
    slates |= named(compared, {"logged": "shuffled"})
    gains = asked.gain_table()
    values = {name: ndcg_at_k(gains, order.numpy()) for name, order in slates.items()}
    queries = np.arange(len(gains)).astype(np.str_)
    return paired_rows(f"letor, NDCG@{SLOTS}", values, queries) + verdict_rows("letor", [verdict])


def news(folder: Path, *, quick: bool) -> list[Row]:
    pages, history = read_news(folder)
    readers = sorted({page.reader for page in pages})
    fold = np.random.default_rng(0).permutation(len(readers)) % _FOLDS
    found: list[dict[str, _Values]] = []
    people, verdicts = [], []
    for held in range(1 if quick else _FOLDS):
        taught = [reader for reader, f in zip(readers, fold, strict=True) if f != held]
        asked = [reader for reader, f in zip(readers, fold, strict=True) if f == held]
        with tempfile.TemporaryDirectory() as name:
            log, copies = Path(name) / "log", 1 if quick else 8
            news_log(pages, history, taught, taught, copies, seed=held).write(log)
            config = config_for(log, "click_rate", copies, judge_share=0.2, quick=quick)
            run = train(config, Path(name) / "run")
            test = news_log(pages, history, asked, taught, 0, seed=0)
            slates = compared_slates(run, test)
            slates = named(slates, {"sort by score": "click-rate order"})
            verdicts.append(verdict_of(run))
        batch = test.batch(np.arange(len(test)))
        clicks = batch.clicks.numpy()  # shown in the order of the candidates
        found.append(
            {
                f"news, NDCG@{SLOTS}": {n: ndcg_at_k(clicks, o.numpy()) for n, o in slates.items()},
                "news, recall@3": {n: recall(clicks, o[:, :3]) for n, o in slates.items()},
                f"news, recall@{SLOTS}": {n: recall(clicks, o) for n, o in slates.items()},
            }
        )
        people.append(test.person_ids)
    rows: list[Row] = []
    for title in found[0]:
        values = {
            name: np.concatenate([fold_values[title][name] for fold_values in found])
            for name in found[0][title]
        }
        rows += paired_rows(title, values, np.concatenate(people))
    return rows + verdict_rows("news", verdicts)


def named(slates: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """The slates that say something here, some of them by another name."""
    wanted = ("logged", "sort by score", "greedy on evaluator", "generator")
    return {names.get(name, name): slates[name] for name in wanted if name in slates}


def recall(clicks: NDArray[np.floating], slates: Tensor) -> NDArray[np.floating]:
    """[E] share of the clicked candidates [E, M] that stand in slates [E, N]."""
    order = slates.numpy()
    taken = np.take_along_axis(clicks, np.maximum(order, 0), axis=1) * (order >= 0)
    return taken.sum(1) / clicks.sum(1)


def paired_rows(title: str, values: _Values, people: NDArray[np.str_]) -> list[Row]:
    """Mean of each ranker, and of the generator's difference, with intervals by person."""
    ours = values["generator"]
    rows: list[Row] = []
    for name, theirs in values.items():
        row: Row = {"table": title, "ranker": name, "mean": show_mean(theirs, people)}
        if name != "generator":
            row["generator minus it"] = show_mean(ours - theirs, people)
        rows.append(row)
    return rows


def verdict_of(run: RunFolder) -> dict[str, Any] | None:
    """What training itself concluded, None where it says nothing."""
    return json.loads((run.path / "run.json").read_text(encoding="utf-8")).get("verdict")


def verdict_rows(log: str, verdicts: list[dict[str, Any] | None]) -> list[Row]:
    """A row per run that has a verdict, its reasons beside it."""
    return [
        {"table": f"{log}, verdicts", "run": number, "verdict": found.get("verdict")}
        | {"reasons": " ".join(found.get("reasons", ()))}
        for number, found in enumerate(verdicts)
        if found is not None
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", choices=("letor", "news"), help="one of the logs; not committed")
    arguments = parser.parse_args()
    if "GERANK_LOGS" not in os.environ:
        sys.exit("set GERANK_LOGS to the folder of the foreign logs, with letor/ and news/ in it")
    folder = Path(os.environ["GERANK_LOGS"])
    rows: list[Row] = []
    for name, benchmark in (("letor", letor), ("news", news)):
        if arguments.only in (None, name):
            if not (folder / name).is_dir():
                sys.exit(f"GERANK_LOGS: {folder} has no folder {name}")
            rows += benchmark(folder / name, quick=arguments.quick)
    publish("foreign_logs", rows, arguments, commit=arguments.only is None)


if __name__ == "__main__":
    main()
