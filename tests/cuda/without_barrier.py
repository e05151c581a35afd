"""What happens to the kernels if one barrier is taken away? A script: a wild read may end it.

Prints, as JSON, per __syncthreads that the kernels meet whether its absence showed in one of
`SCHEDULES` orders of the threads: by another answer, an error of the shim, a crash, or by not
ending. The entry "" is the kernels as they are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from gerank import ops
from tests.cuda.shim_kernels import LaunchError, Plan, Shim, load_shim
from tests.ops.cases import Sizes, make_case
from tests.ops.step_cases import make_step

SCHEDULES = 20
SECONDS = 5

Run = Callable[[Shim], tuple[Tensor, ...]]


def runs(seed: int) -> list[Run]:
    """Small runs that walk through every kernel: several sequences, passes, slates, item groups.

    Teacher forcing also meets a first slate that is none, so that its sequences have nothing to do.
    """
    sizes = Sizes(batch=7, candidates=11, slots=4, width=9, attention_width=12, slates=2)
    case = make_case(seed, sizes, greedy=True, per_request_attention=True)
    plan = Plan(multiprocessors=1, sequences=2, threads=64, max_rows=2, blocks=2, slates_per_item=2)
    slates = ops.decode_slates(*case.arguments())[0]
    broken = slates.clone()
    broken[:, 0, 0] = 99
    grads = (torch.ones(slates.shape), torch.ones(slates.shape))
    step = make_step(seed, batch=4)

    def gradient(shim: Shim) -> tuple[Tensor, ...]:
        saved = shim.slate_log_prob(case, slates, plan)
        return (*saved, *shim.slate_log_prob_backward(case, slates, grads, saved, plan))

    def step_gradient(shim: Shim) -> tuple[Tensor, ...]:
        results = shim.pointer_step(step)
        return (*results, *shim.pointer_step_backward(step, (results[1], results[2]), results))

    return [
        lambda shim: shim.decode_slates(case, plan),
        gradient,
        lambda shim: shim.slate_log_prob(case, broken, plan),
        step_gradient,
    ]


def equal(mine: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(mine, other, strict=True)
    )


def differs(shim: Shim, known: list[tuple[Run, tuple[Tensor, ...]]]) -> bool:
    """Whether some run gives another answer, in this process."""
    try:
        return not all(equal(run(shim), answer) for run, answer in known)
    except (LaunchError, AssertionError):
        return True


def holds_in_a_fork(look: Callable[[], bool]) -> bool:
    """Whether `look` is true, or crashes or hangs, in a child of its own."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os._exit(1 if look() else 0)
    return os.waitpid(child, 0)[1] != 0


def main(seed: int) -> None:
    torch.set_num_threads(1)
    shim = load_shim()
    known = [(run, run(shim)) for run in runs(seed)]

    def shows(site: str) -> bool:
        shim.skip_barrier(site)
        for schedule in range(SCHEDULES):
            shim.schedule(seed + schedule)
            if holds_in_a_fork(lambda: differs(shim, known)):
                return True
        return False

    sites = [site for site in shim.met_barriers() if site.startswith("block:")]
    sys.stdout.write(json.dumps({site: shows(site) for site in ["", *sites]}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
