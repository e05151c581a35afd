"""decode_slates against its float64 reference, over thousands of random requests of every size.

Every answer is walked along: the reference, given the choices before a slot, says what each
candidate's log-probability was. A choice is a near tie where the reference's best is another, by
less than the bound. Scale multiplies what enters the tanh: at 30 the tables' range is left.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from harness import Row, options, progress, publish

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the cases of the tests

from gerank import ops
from tests.ops.cases import Sizes, make_case, random_sizes
from tests.ops.parity import choice_regret, follow

SCALES = (1.0, 3.0, 10.0, 30.0)
LARGE = (
    Sizes(batch=3, candidates=100, slots=10, width=64, attention_width=64, groups=3),
    Sizes(batch=2, candidates=200, slots=50, width=128, attention_width=128),
    Sizes(batch=1, candidates=512, slots=128, width=128, attention_width=128, groups=8, flags=16),
)
BOUND = 1e-5


def measure(scale: float, seeds: range, sizes: tuple[Sizes, ...] | None = None) -> Row:
    """One row: the worst errors over a case per seed, of random sizes or of those given."""
    slots = near_ties = wrong = over = 0
    absolute = relative = 0.0
    requests = 0
    for seed in seeds:
        size = sizes[seed % len(sizes)] if sizes else random_sizes(seed)
        case = make_case(seed, size, scale=scale, per_request_attention=seed % 2 == 0)
        slates, log_prob, _ = ops.decode_slates(*case.arguments())
        exact = case.to(torch.float64)
        requests += slates.shape[0]
        for slate in range(case.num_slates):
            given = slates[:, slate]
            trail = follow(exact, given, slate)
            regret = choice_regret(exact, trail, given, slate)
            error = (log_prob[:, slate].double() - trail.log_prob).abs()
            near_ties += int((regret > 0).sum())
            wrong += int((regret > BOUND).sum())
            slots += int((given >= 0).sum())
            over += int((error > BOUND).sum())
            absolute = max(absolute, float(error.max()))
            relative = max(relative, float((error / trail.log_prob.abs().clamp(min=1)).max()))
    return {
        "scale": scale, "sizes": "large" if sizes else "random", "cases": len(seeds),
        "requests": requests, "choices": slots, "near ties": near_ties, "wrong choices": wrong,
        "log_prob off by at most": absolute, "relative, where above 1": relative,
        "slots off by over 1e-5": over,
    }  # fmt: skip


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    torch.set_num_threads(1)
    each = 25 if arguments.quick else 1250
    rows = []
    with torch.inference_mode(), progress(2 * len(SCALES), "accuracy") as step:
        for scale in SCALES:
            rows.append(measure(scale, range(each)))
            step()
            rows.append(measure(scale, range(3 if arguments.quick else 30), LARGE))
            step()
    publish("decode_accuracy", rows, arguments)


if __name__ == "__main__":
    main()
