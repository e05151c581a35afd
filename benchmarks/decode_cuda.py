"""decode_slates on a GPU against eager PyTorch and a CUDA graph of torch.compile.

Decoding is greedy and without rules; times are medians, in microseconds per call, beside what a
roofline predicts for an H100. A way whose slates are not the exact decoder's, near ties aside, is
reported as wrong.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

import torch
from decode import exact_slates, make_requests, op_arguments
from eager_decoder import EagerDecoder, Shape
from harness import Row, options, publish
from near_ties import difference
from torch import Tensor

from gerank.ops import decode_slates

Decoded = tuple[Tensor, Tensor]
Decode = Callable[[], Decoded]

BATCHES = (1, 256, 4096)
SIZES = ((20, 10, 64), (100, 10, 64), (200, 50, 128), (500, 100, 128))
UNROLLED = (20, 10, 64)  # any other loop takes torch.compile minutes: it gets none
PREDICTED_US = {  # (M, N, D), B: lowest and highest
    ((20, 10, 64), 1): "6-10", ((20, 10, 64), 256): "12-16", ((20, 10, 64), 4096): "60-75",
    ((500, 100, 128), 1): "80-120", ((500, 100, 128), 256): "400-500",
    ((500, 100, 128), 4096): "6500-7000",
}  # fmt: skip


def captured(work: Decode) -> Decode:
    """The same work as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> Decoded:
        graph.replay()
        return result

    return replay


def ways(shape: Shape, decoder: EagerDecoder, requests: tuple[Tensor, ...]) -> dict[str, Decode]:
    """Every way to decode the requests, all on the GPU."""
    arguments = [
        value.cuda() if isinstance(value, Tensor) else value
        for value in op_arguments(shape, decoder, requests, rules=False)
    ]
    on_device = decoder.cuda()
    inputs = [value.cuda() for value in requests]

    def whole_op() -> Decoded:
        slates, log_prob, _ = decode_slates(*arguments)  # type: ignore[arg-type]
        return slates[:, 0], log_prob[:, 0]

    found: dict[str, Decode] = {
        "eager": lambda: on_device(*inputs),
        "decode_slates": whole_op,
        "decode_slates in a graph": captured(whole_op),
    }
    if (shape.candidates, shape.slots, shape.width) == UNROLLED:
        compiled = torch.compile(on_device, dynamic=False, fullgraph=True)
        found["torch.compile in a graph"] = captured(lambda: compiled(*inputs))
    return found


def median_us(work: Decode, seconds: float) -> float:
    """By events on the stream, over rounds of calls back to back."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times: list[float] = []
    calls, spent = 1, 0.0
    while spent < seconds or len(times) < 5:
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        taken = begin.elapsed_time(end)  # ms
        spent += taken / 1e3
        times.append(1e3 * taken / calls)
        if taken < 10:  # too short for the events' resolution
            calls *= 2
            times.clear()
    return statistics.median(times)


def measure(shape: Shape, seconds: float) -> Row:
    torch.manual_seed(0)
    decoder = EagerDecoder(shape).eval()
    requests = make_requests(shape, seed=1)
    sizes = (shape.candidates, shape.slots, shape.width)
    exact = exact_slates(decoder.cuda(), tuple(value.cuda() for value in requests))
    row: Row = {"M,N,D": "{},{},{}".format(*sizes), "B": shape.batch}
    times: dict[str, float] = {}
    for name, work in ways(shape, decoder.cpu(), requests).items():
        wrong = difference(work(), exact).wrong
        if not wrong:
            times[name] = median_us(work, seconds)
        row[name] = times.get(name, f"{wrong} slates are wrong")
    own = times.get("decode_slates in a graph")
    for name in ("eager", "torch.compile in a graph"):
        row[f"over {name}"] = times[name] / own if own and name in times else None
    return row | {"predicted on an H100": PREDICTED_US.get((sizes, shape.batch))}


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each way and size")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        nothing = "decode_cuda: no CUDA device, nothing measured"
        if not arguments.quick:
            sys.exit(nothing)
        print(nothing)
        return
    if not torch._C._dispatch_has_kernel_for_dispatch_key("gerank::decode_slates", "CUDA"):
        sys.exit("decode_cuda: libgerank was built without CUDA: run `make bench-cuda`")
    sizes = SIZES[:1] if arguments.quick else SIZES
    rows: list[Row] = [{"M,N,D": torch.cuda.get_device_name()}]
    with torch.inference_mode():
        shapes = [Shape(batch, *size) for size in sizes for batch in BATCHES]
        seconds = 0.2 if arguments.quick else arguments.seconds
        rows += [measure(shape, seconds) for shape in shapes]
    publish("decode_cuda", rows, arguments, device="cuda")


if __name__ == "__main__":
    main()
