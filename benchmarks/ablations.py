"""What each part of gerank's training is worth: one at a time left out, by the simulator's truth.

Logs with and without exploration; every variant is trained over three seeds and compared with the
full one on the same test pages, intervals by person and seed, corrected together.

Ranks and z-scores of dense features have no setting: a variant makes a vector of all dense features
of a candidate, whose columns are left without. Ways in which weights reach the policy are compared
where a second utility has a range, at the default weights; how well they steer is the matter of
`benchmarks/control.py`.

The folder of the comparisons is kept, so that a run which was killed goes on where it was. The
result of a log is written when that log is done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, commit_part, options, publish
from numpy.typing import NDArray
from side_by_side import SEEDS, Setting, compared, rows_of
from torch import Tensor

from gerank.baselines.comparator import Pages
from gerank.baselines.gerank_generator import GerankGenerator
from gerank.compare.config import ComparatorConfig
from gerank.data.exposure_log import ExposureLog
from gerank.data.feature_block import Block, BlockKind
from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.nn.channels import Channel
from gerank.nn.control import Control
from gerank.train.config import DataConfig

OUT = Path(__file__).parents[1] / "build" / "ablations"
LOGS = (Logging.SAMPLED, Logging.DETERMINISTIC)
_TWO_UTILITIES = {
    "clicks": {"min": 0.0, "max": 1.0, "default": 1.0},
    "seller_diversity": {"min": 0.0, "max": 1.0, "default": 0.0},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gerank": {},
    "with-channels": {"evaluator.residual": True},
    **{
        f"with-channels-but-{left_out}": {
            "evaluator.residual": True,
            "evaluator.channels": [channel for channel in Channel if channel is not left_out],
        }
        for left_out in Channel
    },
    "without-local-context": {"generator.local_context": False},
    **{
        f"two-utilities-{control}": {"reward": _TWO_UTILITIES, "generator.control": str(control)}
        for control in Control
    },
    "without-support-price": {"generator.support_price": 0.0},
    "credit-of-slates": {"generator.credit": "slate"},
    "baseline-exposed-page": {"generator.baseline": "exposed_page"},
    "baseline-greedy": {"generator.baseline": "greedy_rollout"},
    "without-gradient-clipping": {"generator.clip_norm": 1e6},
    "ppo": {"generator.policy_loss": "ppo"},
    "ppo-hardly-clipped": {"generator.policy_loss": "ppo", "generator.ppo_clip": 10.0},
    "wide-context-window": {"generator.context_window": 3},
    "reading-examination": {"evaluator.readings": ["examination"]},
    "reading-logit": {"evaluator.readings": ["logit"]},
    "reading-hidden-reader": {"evaluator.readings": ["hidden_reader"]},
}
"""Name -> the settings that differ from the full training."""


class WithoutRanks(GerankGenerator):
    """The same training on candidates whose dense features have no rank and no z-score."""

    name = "gerank_without_ranks"

    def fit(self, pages: Pages) -> None:
        """See `Comparator`."""
        super().fit(dataclasses.replace(pages, log=without_ranks(pages.log)))

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """See `Comparator`."""
        return super().slates(without_ranks(log), rows, slots)


def without_ranks(log: ExposureLog) -> ExposureLog:
    """The same pages, all dense features of a candidate being a vector without context."""
    dense = tuple(feature.name for feature in log.schema.candidate_dense)
    block = Block("candidate", "dense", BlockKind.VECTOR, dense)
    schema = dataclasses.replace(log.schema, blocks=(block,))
    return dataclasses.replace(log, schema=schema)


_TUNED = {"evaluator.residual": False, "generator.support_price": 0.1}
_WITHOUT_RANKS = "without-ranks"
_QUICK = ("gerank", "ppo", "without-local-context", "two-utilities-linear", _WITHOUT_RANKS)


def ablated(logging: Logging, setting: Setting, folder: Path, variants: Sequence[str]) -> list[Row]:
    """Some variants on one kind of log; nothing is tuned."""
    sizes = {"train": setting.pages, "test": 100 if setting.quick else 2000}
    for seed, (name, pages) in enumerate(sizes.items()):
        log, truth = simulate(SimulatorConfig(pages, seed=seed, logging=logging))
        log.write(folder / name)
        truth.write(folder / name)
    short = {"generator.epochs": 1, "generator.min_steps": 0, "evaluator.steps": 20}
    common = _TUNED | (short if setting.quick else {})
    rows = {
        name: ComparatorConfig("gerank", common | changes)
        for name, changes in VARIANTS.items()
        if name in variants
    }
    if _WITHOUT_RANKS in variants:
        rows[_WITHOUT_RANKS] = ComparatorConfig("ablations:WithoutRanks", common)
    data = DataConfig(folder / "train", slots=10, score="ctr_score")
    config = setting.config(data, comparators=rows, optimum_pages=0)
    return rows_of(f"{logging} log", compared(config, folder).tables)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="kept comparisons")
    parser.add_argument("--only", choices=[str(log) for log in LOGS])
    known = [*VARIANTS, _WITHOUT_RANKS]
    parser.add_argument("--variants", nargs="+", choices=known, help="some of them, beside gerank")
    arguments = parser.parse_args()
    setting = Setting(SEEDS[:3], 1, 10_000, quick=False)
    if arguments.quick:
        setting = Setting((0,), 1, 400, quick=True)
    variants = arguments.variants or (_QUICK if arguments.quick else known)
    rows = []
    for logging in LOGS:
        if arguments.only in (None, str(logging)):
            found = ablated(logging, setting, arguments.out / logging, ["gerank", *variants])
            rows += found
            if not arguments.quick:
                commit_part("ablations", found)
    publish("ablations", rows, arguments, commit=False)


if __name__ == "__main__":
    main()
