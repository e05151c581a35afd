"""What a generator reaches on real pages: RankLens, cross-fitted over people.

People are split into folds. For each fold the others' pages are converted, an evaluator and a
generator are trained on them, and the fold's pages are converted with the item statistics of the
others and re-ranked. Every page is so judged once, by models that have not seen its person. The
judging needs no evaluator: logged clicks, known propensities, and NDCG.

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
from harness import Row, options, publish

from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens import write_ranklens
from gerank.metrics.auc import auc
from gerank.metrics.intervals import mean_interval
from gerank.train.config import TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.evaluate import compared_slates
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge
from gerank.train.logged_clicks import PageValues, clicks_table, ndcg_table, page_values
from gerank.train.report import show_interval
from gerank.train.train import train


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
class Judged:
    """One fold: its people, what its pages say of each policy, and its page-click predictions."""

    people: np.ndarray
    values: dict[str, PageValues]
    clicked: np.ndarray
    page_click: np.ndarray
    genres_per_page: dict[str, np.ndarray]


def judge_fold(train_log: Path, test_log: Path, config: TrainConfig, out: Path) -> Judged:
    data = dataclasses.replace(config.data, log=train_log)
    run = train(dataclasses.replace(config, data=data), out)
    log = ExposureLog.read(test_log)
    slates = compared_slates(run, log)
    judge = PageJudge(EvaluatorFeedback(run.load_evaluator("evaluator")), log, config.reward)
    predictions = {name: judge.feedback(order)[1] for name, order in slates.items()}
    clicks = log.batch(np.arange(len(log)), config.data.slots).clicks
    return Judged(
        log.person_ids,
        page_values(slates, predictions, log),
        (clicks.sum(1) > 0).numpy(),
        judge.feedback(slates["logged"])[0].numpy(),
        {name: distinct_genres(log, order.numpy()) for name, order in slates.items()},
    )


def distinct_genres(log: ExposureLog, slates: np.ndarray) -> np.ndarray:
    """[E] number of genres in each slate [E, N]."""
    genre = log.candidate["genre"]
    places = log.candidate_offsets[:-1, None] + slates
    return np.array([len(set(row)) for row in genre[places].tolist()], dtype=np.float64)


def rows_of(folds: list[Judged], slots: int) -> list[Row]:
    people = np.concatenate([fold.people for fold in folds])
    names = folds[0].values.keys()
    values = {n: PageValues.concatenate([f.values[n] for f in folds]) for n in names}
    clicked = np.concatenate([fold.clicked for fold in folds])
    scores = np.concatenate([fold.page_click for fold in folds])
    within = np.mean([auc(fold.clicked, fold.page_click) for fold in folds])
    rows: list[Row] = [
        {"table": f"Page AUC, any click in the first {slots}", "all folds": auc(clicked, scores)}
        | {"mean of folds": float(within), "pages": len(people)}
    ]
    for table in (clicks_table(values, people, slots), ndcg_table(values, people, slots)):
        rows += [
            {"table": table.title} | dict(zip(table.columns, row, strict=True))
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


def main() -> None:
    arguments = options(__doc__).parse_args()
    if "GERANK_RANKLENS" not in os.environ:
        sys.exit("set GERANK_RANKLENS to the RankLens events.jsonl.gz")
    folds, judged_folds = 4, 1 if arguments.quick else 4
    config = read_config(Path(str(files("gerank") / "configs" / "ranklens.toml")))
    if arguments.quick:
        generator = dataclasses.replace(config.generator, epochs=1)
        evaluator = dataclasses.replace(config.evaluator, epochs=1)
        config = dataclasses.replace(config, generator=generator, evaluator=evaluator)
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
