"""What each part of gerank's training is worth: one at a time left out, by the simulator's truth.

Logs with and without exploration; every variant is trained over the seeds and compared with the
full one on the same test pages, intervals by person and seed, corrected together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import Row, options, publish
from side_by_side import SEEDS, Setting, compared, rows_of

from gerank.compare.config import ComparatorConfig
from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.train.config import DataConfig

VARIANTS: dict[str, dict[str, Any]] = {
    "gerank": {},
    "with-channels": {"evaluator.residual": True},
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

_TUNED = {"evaluator.residual": False, "generator.support_price": 0.1}


def ablated(logging: Logging, setting: Setting, folder: Path) -> list[Row]:
    """The variants on one kind of log; nothing is tuned."""
    sizes = {"train": setting.pages, "test": 100 if setting.quick else 2000}
    for seed, (name, pages) in enumerate(sizes.items()):
        log, truth = simulate(SimulatorConfig(pages, seed=seed, logging=logging))
        log.write(folder / name)
        truth.write(folder / name)
    short = {"generator.epochs": 1, "generator.min_steps": 0, "evaluator.steps": 20}
    rows = {
        name: ComparatorConfig("gerank", _TUNED | (short if setting.quick else {}) | changes)
        for name, changes in VARIANTS.items()
        if not setting.quick or name in ("gerank", "ppo")
    }
    data = DataConfig(folder / "train", slots=10, score="ctr_score")
    config = setting.config(data, comparators=rows, optimum_pages=0)
    return rows_of(f"{logging} log", compared(config, folder).tables)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, default=Path("ablated"), help="kept comparisons")
    arguments = parser.parse_args()
    setting = Setting(SEEDS, 1, 10_000, quick=False)
    if arguments.quick:
        setting = Setting((0,), 1, 400, quick=True)
    rows = [
        row
        for logging in (Logging.SAMPLED, Logging.DETERMINISTIC)
        for row in ablated(logging, setting, arguments.out / logging)
    ]
    publish("ablations", rows, arguments)


if __name__ == "__main__":
    main()
