"""Every comparator on four logs: simulated with and without exploration, RankLens and LETOR.

Each is trained over the seeds with one tuning budget, and judged by the same judges, by logged
clicks, by the truth of the simulator and by the grades of LETOR. RankLens is cross-fitted: every
page is ranked by models that have not seen its person. The folder of the comparisons is kept, so
that a run which was killed goes on where it was.

On RankLens gerank's generator is also trained for fewer repeated genres, and MMR asked for them,
each at several weights: which of them keeps NDCG? These rows are not tuned; gerank's have the
settings of the RankLens preset.

RankLens is named by the environment variable GERANK_RANKLENS, LETOR by GERANK_LOGS. With `--quick`
the first log alone is looked at, unless `--only` names another. The result of a log is written when
that log is done, and those of the others stay as they are.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
from foreign.letor import letor_log, read_queries
from harness import Row, commit_part, options, publish
from numpy.typing import NDArray
from ranklens_quality import split_events

from gerank.baselines.registry import comparators
from gerank.compare.cells import Cell
from gerank.compare.compare import Comparison, compare
from gerank.compare.config import ComparatorConfig, CompareConfig, TunedBy, TuningConfig
from gerank.compare.differences import differences
from gerank.compare.results import Policy
from gerank.compare.tables import measure_table
from gerank.data.exposure_log import ExposureLog
from gerank.data.ranklens import write_ranklens
from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.metrics.ndcg import ndcg_at_k
from gerank.train.config import DataConfig, EvaluatorConfig, JudgeConfig, TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.report import Table

OUT = Path(__file__).parents[1] / "build" / "side_by_side"
SEEDS = (0, 1, 2, 3, 4)
_FOLDS = 4
_DIVERSITY_WEIGHTS = (0.05, 0.1, 0.2, 0.4)
_MMR_TRADEOFFS = (0.98, 0.95, 0.9, 0.8, 0.7)
_QUICK_ROWS = {name: ComparatorConfig() for name in ("logged", "upstream_score", "gerank")}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How much is done.

    Attributes:
        seeds: Each comparator is trained with every one of them.
        budget: Settings that each tries.
        pages: Simulated training pages.
        quick: A look whether all works.
    """

    seeds: tuple[int, ...]
    budget: int
    pages: int
    quick: bool

    def config(self, data: DataConfig, **changes: object) -> CompareConfig:
        """The comparison of every comparator on some pages."""
        config = CompareConfig(data, seeds=self.seeds, tuning=TuningConfig(self.budget))
        if self.quick:
            evaluator = EvaluatorConfig(
                readings=("examination",), prior_strengths=(64.0,), compare_steps=10, steps=20
            )
            short = {"generator.epochs": 1, "generator.min_steps": 0, "evaluator.steps": 20}
            rows = _QUICK_ROWS | {"gerank": ComparatorConfig(settings=short)}
            judge = JudgeConfig(bootstraps=2, boosted=False)
            config = dataclasses.replace(
                config, comparators=rows, evaluator=evaluator, judge=judge, optimum_pages=20
            )
        return dataclasses.replace(config, **changes)


def diverse_rows(preset: TrainConfig) -> dict[str, ComparatorConfig]:
    """Gerank and MMR at several weights of genres that do not repeat from slot to slot."""
    untuned = {
        "evaluator.residual": preset.evaluator.residual,
        "generator.support_price": preset.generator.support_price,
    }
    rows = {}
    for weight in _DIVERSITY_WEIGHTS:
        limits = {"min": weight, "max": weight, "default": weight}
        diversity = limits | {"options": {"window": 1}}
        settings = untuned | {"reward": {"clicks": {}, "genre_diversity": diversity}}
        rows[f"gerank-diversity-{round(100 * weight)}"] = ComparatorConfig("gerank", settings)
    for tradeoff in _MMR_TRADEOFFS:
        settings = {"tradeoff": tradeoff, "relevance": "logistic_regression"}
        settings |= {"similarity": "groups", "window": 1}
        rows[f"mmr-{round(100 * tradeoff)}"] = ComparatorConfig("mmr", settings)
    return rows


def simulated(logging: Logging, setting: Setting, folder: Path) -> list[Row]:
    """The comparison on simulated pages, judged by the truth among others."""
    sizes = {"train": setting.pages, "test": 100 if setting.quick else 2000}
    for seed, (name, pages) in enumerate(sizes.items()):
        log, truth = simulate(SimulatorConfig(pages, seed=seed, logging=logging))
        log.write(folder / name)
        truth.write(folder / name)
    data = DataConfig(folder / "train", slots=10, score="ctr_score")
    found = compared(setting.config(data), folder)
    return rows_of(f"simulator, {logging} log", found.tables)


def ranklens(setting: Setting, folder: Path) -> list[Row]:
    """The comparison on RankLens, by logged clicks, over folds of people."""
    events = Path(os.environ["GERANK_RANKLENS"])
    preset = read_config(Path(str(files("gerank") / "configs" / "ranklens.toml")))
    folder.mkdir(parents=True, exist_ok=True)
    found, people = [], []
    pairs = split_events(events, folder, _FOLDS)
    for fold, (train, test) in enumerate(pairs[: 1 if setting.quick else _FOLDS]):
        place = folder / f"fold{fold}"
        write_ranklens(train, place / "train")
        write_ranklens(test, place / "test", features_from=place / "train")
        data = dataclasses.replace(preset.data, log=place / "train")
        config = setting.config(data)
        tuning = dataclasses.replace(config.tuning, by=TunedBy.NDCG)
        evaluator = dataclasses.replace(config.evaluator, page_slots=preset.evaluator.page_slots)
        rows = (config.comparators or {name: ComparatorConfig() for name in comparators()}) | (
            {} if setting.quick else diverse_rows(preset)
        )
        config = dataclasses.replace(config, tuning=tuning, evaluator=evaluator, comparators=rows)
        found.append(compared(config, place))
        people.append(np.asarray(ExposureLog.read(place / "test").person_ids).astype(np.str_))
    policies = joined([each.results.policies for each in found])
    tables = [
        against_gerank(measure, policies, np.concatenate(people))
        for measure in policies["gerank"].measures
    ]
    return rows_of("RankLens, cross-fitted", tables)


def letor(setting: Setting, folder: Path) -> list[Row]:
    """The comparison on LETOR, by the grades of test queries, which nobody learnt from."""
    source = Path(os.environ["GERANK_LOGS"]) / "letor"
    taught, asked = read_queries(source, "train"), read_queries(source, "test")
    letor_log(taught, 2 if setting.quick else 16, seed=0).write(folder / "train")
    test = letor_log(asked, 1, seed=1)
    others = np.array([f"test-{query}" for query in test.person_ids], np.object_)
    dataclasses.replace(test, person_ids=others).write(folder / "test")
    data = DataConfig(folder / "train", slots=10, validation_share=0.15, judge_share=0.0)
    config = setting.config(data, optimum_pages=0)
    found = compared(config, folder)
    gains = asked.gain_table()
    graded = {
        name: dataclasses.replace(
            policy,
            measures={"NDCG@10 of grades": np.stack([ndcg_at_k(gains, s) for s in policy.slates])},
        )
        for name, policy in found.results.policies.items()
    }
    queries = np.arange(len(gains)).astype(np.str_)
    table = against_gerank("NDCG@10 of grades", graded, queries)
    return rows_of("LETOR", [table, found.tables[-1]])


def against_gerank(measure: str, policies: dict[str, Policy], people: NDArray[np.str_]) -> Table:
    """A measure of policies [E pages] of people [E], with gerank's differences from the others."""
    found = differences(measure, policies, "gerank", people, seed=0, resamples=10_000)
    return measure_table(found)


def compared(config: CompareConfig, folder: Path) -> Comparison:
    """The comparison in a folder with `train` and `test`; one that was begun goes on."""
    return compare(config, folder / "test", folder / "out", resume=True, watch=tell)


def tell(cell: Cell, is_done: bool) -> None:
    """A line on stderr for every cell that is done."""
    if is_done:
        print(f"{datetime.now():%H:%M:%S} {cell}", file=sys.stderr, flush=True)


def joined(folds: list[dict[str, Policy]]) -> dict[str, Policy]:
    """Policies of several folds as if of one log; measures that some fold lacks are left out."""
    found = {}
    for name, first in folds[0].items():
        parts = [fold[name] for fold in folds if name in fold]
        if len(parts) < len(folds):
            continue
        measures = {
            measure: np.concatenate([part.measures[measure] for part in parts], axis=1)
            for measure in first.measures
            if all(measure in part.measures for part in parts)
        }
        slates = np.concatenate([part.slates for part in parts], axis=1)
        found[name] = dataclasses.replace(first, slates=slates, measures=measures, weighted=None)
    return found


def rows_of(experiment: str, tables: list[Table]) -> list[Row]:
    """A row per line of every table."""
    return [
        {"experiment": experiment, "table": table.title}
        | dict(zip(table.columns, row, strict=True))
        for table in tables
        for row in table.rows
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="kept comparisons")
    parser.add_argument("--only", choices=("sampled", "deterministic", "ranklens", "letor"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments = parser.parse_args()
    setting = Setting(tuple(arguments.seeds), 4, 10_000, quick=False)
    if arguments.quick:
        setting = Setting((0,), 1, 400, quick=True)
    logs: dict[str, Callable[[Setting, Path], list[Row]]] = {
        "sampled": lambda s, f: simulated(Logging.SAMPLED, s, f),
        "deterministic": lambda s, f: simulated(Logging.DETERMINISTIC, s, f),
        "ranklens": ranklens,
        "letor": letor,
    }
    all_logs = ["sampled"] if arguments.quick else list(logs)
    wanted = [arguments.only] if arguments.only else all_logs
    for name, variable in (("ranklens", "GERANK_RANKLENS"), ("letor", "GERANK_LOGS")):
        if name in wanted and variable not in os.environ:
            sys.exit(f"set {variable} to the {name} log")
    rows = []
    for name in wanted:
        found = logs[name](setting, arguments.out / name)
        rows += found
        if not arguments.quick and tuple(arguments.seeds) == SEEDS:
            commit_part("side_by_side", found)
    publish("side_by_side", rows, arguments, commit=False)


if __name__ == "__main__":
    main()
