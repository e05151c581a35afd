"""decode_slates against eager PyTorch and its compilers, and against what the core can do.

Decoding is greedy and without rules, except where a row says otherwise. Every way is checked before
it is timed: a wrong one is reported as wrong. All ways run in turns in one process on one thread;
times are medians, in microseconds per request.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import statistics
import subprocess
import sys

import torch
from compiled_decoders import (
    UNROLLED_SLOTS,
    Arguments,
    compile_ahead,
    compile_loop,
    has_onnx_runtime,
    run_onnx,
    script,
    script_pointer_step,
)
from decode_plot import plot_times
from eager_decoder import EagerDecoder, Shape
from harness import RESULTS, Row, options, publish
from peaks import Peaks, decode_floor_us, measure_peaks
from step_loops import choose_by_decoder, choose_by_logits
from timing import Work, interleaved_medians

from gerank.ops import decode_slates

SHAPES = [
    Shape(batch, m, n, d)
    for (m, n, d), batches in {
        (20, 10, 64): (1, 8, 32),
        (100, 10, 64): (1, 32),
        (200, 50, 128): (1, 8),
        (500, 100, 128): (1, 8),
    }.items()
    for batch in batches
]
TOLERANCE = 1e-3
"""A log_prob may differ by this: other float32 roundings are right, another slate is not."""

OTHERS = {
    "TorchScript": script,
    "torch.compile": compile_loop,
    "AOTInductor": compile_ahead,
    "ONNX Runtime": run_onnx,
    "pointer_step": script_pointer_step,
}
STEP_LOOPS = {"StepDecoder": False, "own choice": True}
"""Tells of each loop over steps whether the caller chooses, by the logits."""


def make_requests(shape: Shape, seed: int) -> Arguments:
    """Random candidates with as many groups as slots."""
    source = torch.Generator().manual_seed(seed)
    size = (shape.batch, shape.candidates)
    return (
        torch.randn(*size, shape.width, generator=source),
        torch.randn(shape.batch, shape.width, generator=source),
        (torch.rand(*size, shape.flags, generator=source) < 0.3).float(),
        torch.randint(0, shape.slots, (*size, shape.groups), generator=source),
    )


def op_arguments(
    shape: Shape, decoder: EagerDecoder, requests: Arguments, rules: bool
) -> list[object]:
    """Arguments of `decode_slates`. Rules: spacing of every key, quotas of every flag, two pins."""
    candidates, set_vector, flags, groups = requests
    batch, m, n = shape.batch, shape.candidates, shape.slots
    weights, attention = (part.detach() for part in decoder.packed())
    pins = torch.full((batch, n), -1)
    spacing = torch.tensor([0, 0]).repeat(batch, shape.groups, 1)
    quotas = torch.tensor([0, -1]).repeat(batch, shape.flags, 1)
    if rules:
        pins[:, 1], pins[:, n // 2] = 3, 7
        spacing = torch.tensor([4, 2]).repeat(batch, shape.groups, 1)
        quotas = torch.tensor([n // 5, n // 2]).repeat(batch, shape.flags, 1)
    return [
        candidates, set_vector, torch.ones(batch, m, dtype=torch.bool), weights, attention,
        flags > 0, groups, pins, torch.full((batch, m), -1), spacing, quotas,
        torch.full((batch,), n), torch.ones(batch), torch.arange(batch),
        torch.ones(batch, dtype=torch.bool), 1, shape.window,
    ]  # fmt: skip


def step_loop(arguments: list[object], own_choice: bool) -> Work:
    """`StepDecoder` in a scripted loop, left alone or with the caller's own argmax."""
    *tensors, _, window = arguments
    loop = choose_by_logits if own_choice else choose_by_decoder
    return lambda: loop(*tensors, window)


def verdict(found: tuple[torch.Tensor, ...], exact: tuple[torch.Tensor, ...]) -> str | None:
    """None if the slates are the exact decoder's, else what is wrong."""
    differs = (found[0] != exact[0]).any(0)
    if differs.any():
        return f"wrong from slot {int(differs.nonzero()[0, 0])} on"
    worst = float((found[1].double() - exact[1]).abs().max())
    return None if worst < TOLERANCE else f"wrong log_prob, by {worst:.1g}"


def exact_slates(decoder: EagerDecoder, requests: Arguments) -> tuple[torch.Tensor, ...]:
    """By the eager loop in float64."""
    double = copy.deepcopy(decoder).double()
    answer: tuple[torch.Tensor, ...] = double(
        *(part.double() if part.is_floating_point() else part for part in requests)
    )
    return answer


def whole_op(shape: Shape, decoder: EagerDecoder, requests: Arguments, rules: bool = False) -> Work:
    """The call that is timed."""
    arguments = op_arguments(shape, decoder, requests, rules)
    return lambda: decode_slates(*arguments)  # type: ignore[arg-type]


def measure(shape: Shape, peaks: Peaks, seconds: float, skipped: set[str]) -> Row:
    """One row of the table: every way that is right, in turns."""
    torch.manual_seed(0)
    decoder = EagerDecoder(shape).eval()
    requests = make_requests(shape, seed=1)
    exact = exact_slates(decoder, requests)
    op, with_rules = (whole_op(shape, decoder, requests, rules) for rules in (False, True))
    found = op()
    wrong = {"decode_slates": verdict((found[0][:, 0], found[1][:, 0]), exact)}
    works: dict[str, Work] = {"decode_slates": op, "with rules": with_rules}
    arguments = op_arguments(shape, decoder, requests, rules=False)
    for name, own_choice in STEP_LOOPS.items():
        works[name] = step_loop(arguments, own_choice)
        wrong[name] = verdict(works[name](), exact)
    ways = {"eager": lambda decoder, _: decoder} | OTHERS
    for name in ways.keys() - skipped:
        try:
            way = ways[name](decoder, requests)
            wrong[name] = verdict(way(*requests), exact)
        except Exception as error:  # a compiler that fails is a row of the table, not the end of it
            wrong[name] = f"fails: {str(error).splitlines()[0][:80]}"
            continue
        works[name] = lambda way=way: way(*requests)
    right = {name: work for name, work in works.items() if wrong.get(name) is None}
    times = {name: us / shape.batch for name, us in interleaved_medians(right, seconds).items()}
    return row_of(shape, peaks, times, {k: v for k, v in wrong.items() if v is not None})


def row_of(shape: Shape, peaks: Peaks, times: dict[str, float], wrong: dict[str, str]) -> Row:
    own = times["decode_slates"]
    compiled = {name: times[name] for name in OTHERS if name in times and name != "pointer_step"}
    best = min(compiled, key=lambda name: compiled[name], default=None)
    sizes = (shape.candidates, shape.slots, shape.width)
    floor = decode_floor_us(peaks, *sizes, alone=shape.batch == 1)
    whole_loop = shape.slots <= UNROLLED_SLOTS
    row: Row = {"table": "us per request", "M,N,D": "{},{},{}".format(*sizes), "B": shape.batch}
    row |= {name: times.get(name, wrong.get(name)) for name in ("eager", *OTHERS)}
    row |= {"compilers got": "the loop" if whole_loop else "a slot", "decode_slates": own}
    row |= {"over eager": times["eager"] / own if "eager" in times else None}
    row |= {"over best compiler": compiled[best] / own if best else None, "best": best}
    row |= {"floor us": floor, "share of floor": floor / own}
    row |= {"rules / none": times["with rules"] / own}
    row |= {"step / whole": times["pointer_step"] / own if "pointer_step" in times else None}
    row |= {f"{name} / whole": times[name] / own for name in STEP_LOOPS if name in times}
    return row


def threads_row(shape: Shape, seconds: float) -> Row:
    """Two threads against one."""
    torch.manual_seed(0)
    op = whole_op(shape, EagerDecoder(shape).eval(), make_requests(shape, seed=1))

    def on(threads: int) -> Work:
        def work() -> None:
            torch.set_num_threads(threads)
            op()

        return work

    times = interleaved_medians({"one": on(1), "two": on(2)}, seconds)
    torch.set_num_threads(1)
    return {"table": "two threads over one"} | named(shape) | {"ratio": times["one"] / times["two"]}


def named(shape: Shape) -> Row:
    return {"M,N,D": f"{shape.candidates},{shape.slots},{shape.width}", "B": shape.batch}


def instruction_set_rows(shapes: list[Shape], seconds: float) -> list[Row]:
    """AVX2 against AVX-512: a process keeps its choice, so these are processes in turns."""
    rounds: dict[str, list[list[float]]] = {"avx512": [], "avx2": []}
    for name in ("avx512", "avx2") * 3:
        environment = os.environ | {"GERANK_CPU": name}
        command = [
            sys.executable,
            __file__,
            "--only-op",
            json.dumps([seconds / 6, *map(dataclasses.astuple, shapes)]),
        ]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            reason = result.stderr.strip().splitlines()[-1]
            return [{"table": "AVX2 / AVX-512", "ratio": f"not measured: {reason}"}]
        rounds[name].append(json.loads(result.stdout))
    rows = []
    for i, shape in enumerate(shapes):
        median = {k: statistics.median(each[i] for each in v) for k, v in rounds.items()}
        ratio = median["avx2"] / median["avx512"]
        rows.append({"table": "AVX2 / AVX-512"} | named(shape) | {"ratio": ratio})
    return rows


def only_op(arguments: str) -> None:
    """Prints microseconds per call of the op, for `instruction_set_rows`."""
    seconds, *shapes = json.loads(arguments)
    times = []
    with torch.inference_mode():
        for shape in (Shape(*sizes) for sizes in shapes):
            torch.manual_seed(0)
            op = whole_op(shape, EagerDecoder(shape).eval(), make_requests(shape, seed=1))
            times.append(interleaved_medians({"op": op}, seconds)["op"])
    json.dump(times, sys.stdout)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--only-op", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only_op is not None:
        only_op(arguments.only_op)
        return
    peaks = measure_peaks()
    rows: list[Row] = [
        {"table": "peaks of a core", "GFLOP/s": peaks.operations_per_us / 1e3}
        | {"level-2 cache GB/s": peaks.bytes_per_us / 1e3}
    ]
    shapes = [SHAPES[0], SHAPES[2]] if arguments.quick else SHAPES
    skipped = {"torch.compile", "AOTInductor", "ONNX Runtime"} if arguments.quick else set()
    if not has_onnx_runtime():
        skipped.add("ONNX Runtime")
    seconds = 3.0 if arguments.quick else 10.0
    with torch.inference_mode():
        rows += [measure(shape, peaks, seconds, skipped) for shape in shapes]
        rows += [threads_row(shape, seconds) for shape in shapes if shape.batch >= 8]
    rows += instruction_set_rows(shapes, seconds)
    if not has_onnx_runtime():
        rows.append({"table": "ONNX Runtime", "best": "not installed, not measured"})
    publish("decode", rows, arguments)
    if not arguments.quick:
        plot_times(rows, RESULTS / "decode.svg")


if __name__ == "__main__":
    main()
