"""slate_log_prob, forward and backward with all gradients, against eager PyTorch and torch.compile.

With B=256, M=20, N=10, D=64 this is what a policy loss costs beside its encoder. Gradients are
compared with the eager loop's in float64 before anything is timed. All ways run in turns on one
thread; times are medians, in milliseconds. With `--device cuda` all tensors lie on the GPU, a call
ends when the GPU has done its work, and there are steps of 4096 requests as well.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import torch
from compiled_decoders import Arguments
from decode import make_requests, op_arguments
from eager_decoder import EagerDecoder, Shape
from harness import Row, options, publish
from timing import Work, interleaved_medians
from torch import Tensor

from gerank.ops import decode_slates, slate_log_prob

SHAPE = Shape(batch=256, candidates=20, slots=10, width=64)
BATCHES = {"cpu": (256,), "cuda": (256, 4096)}
ENTROPY_WEIGHT = 0.01

LogProb = Callable[[], tuple[Tensor, Tensor]]


def loss_of(log_prob: Tensor, entropy: Tensor) -> Tensor:
    """A policy loss with advantages that differ between requests."""
    advantage = torch.linspace(-1, 1, len(log_prob), dtype=log_prob.dtype, device=log_prob.device)
    return -(advantage[:, None] * log_prob).mean() - ENTROPY_WEIGHT * entropy.mean()


def leaves(decoder: EagerDecoder, requests: Arguments) -> list[Tensor]:
    """All that gets a gradient: both inputs, then the parameters."""
    return [*requests[:2], *decoder.parameters()]


def gradients(decoder: EagerDecoder, requests: Arguments, log_prob: LogProb) -> list[Tensor]:
    """Returns the gradients of the loss by all leaves."""
    return list(torch.autograd.grad(loss_of(*log_prob()), leaves(decoder, requests)))


def worst_error(found: list[Tensor], exact: list[Tensor]) -> float:
    """The largest difference, relative to the largest element of its gradient."""
    pairs = zip(found, exact, strict=True)
    return max(float((f.double() - e).abs().max() / e.abs().max()) for f, e in pairs)


def exact_gradients(decoder: EagerDecoder, requests: Arguments, slates: Tensor) -> list[Tensor]:
    """By the eager loop in float64."""
    double = copy.deepcopy(decoder).double()
    wide = tuple(
        part.detach().double().requires_grad_(part.requires_grad)
        if part.is_floating_point()
        else part
        for part in requests
    )
    return gradients(double, wide, lambda: double.log_prob_of(*wide, slates))


def op_inputs(decoder: EagerDecoder, requests: Arguments) -> list[object]:
    """Arguments of `decode_slates` that samples, where the requests are."""
    arguments = op_arguments(decoder.shape, decoder, requests, rules=False)
    arguments[14] = torch.zeros(decoder.shape.batch, dtype=torch.bool)
    device = requests[0].device
    return [part.to(device) if isinstance(part, Tensor) else part for part in arguments]


def ways_of(decoder: EagerDecoder, requests: Arguments, slates: Tensor) -> dict[str, LogProb]:
    """Every way to log_prob and entropy [B, N]."""
    compiled = torch.compile(decoder.log_prob_of, dynamic=False, fullgraph=True)
    arguments = op_inputs(decoder, requests)
    temperature, window = arguments[12], arguments[16]

    def by_op() -> tuple[Tensor, Tensor]:
        weights, attention = decoder.packed()
        log_prob, entropy = slate_log_prob(
            *requests[:2], arguments[2], weights, attention, *arguments[5:12], temperature,
            slates[:, None], window,
        )  # type: ignore[arg-type]  # fmt: skip
        return log_prob[:, 0], entropy[:, 0]

    return {
        "eager": lambda: decoder.log_prob_of(*requests, slates),
        "torch.compile": lambda: compiled(*requests, slates),
        "slate_log_prob": by_op,
    }


def ended(work: Work) -> Work:
    """The same work until the GPU has done it."""

    def run() -> None:
        work()
        torch.cuda.synchronize()

    return run


def measure(shape: Shape, device: str, seconds: float, compiled: bool) -> list[Row]:
    """A row for every way to take one step."""
    torch.manual_seed(0)
    decoder = EagerDecoder(shape).to(device)
    candidates, set_vector, *attributes = (part.to(device) for part in make_requests(shape, seed=1))
    requests = (candidates.requires_grad_(), set_vector.requires_grad_(), *attributes)
    roll_out = op_inputs(decoder, requests)
    slates = decode_slates(*roll_out)[0][:, 0]  # type: ignore[arg-type]
    ways = ways_of(decoder, requests, slates)
    if not compiled:
        del ways["torch.compile"]
    exact = exact_gradients(decoder, requests, slates)
    errors = {n: worst_error(gradients(decoder, requests, way), exact) for n, way in ways.items()}
    works: dict[str, Work] = {
        name: lambda way=way: gradients(decoder, requests, way) for name, way in ways.items()
    }
    works["forward alone"] = torch.no_grad()(ways["slate_log_prob"])
    works["sampled roll-out"] = lambda: decode_slates(*roll_out)  # type: ignore[arg-type]
    if device == "cuda":
        works = {name: ended(work) for name, work in works.items()}
    times = interleaved_medians(works, seconds)
    own = times["slate_log_prob"]
    return [
        {"B": shape.batch, "what": name, "ms": us / 1e3, "over slate_log_prob": us / own}
        | {"gradient error": errors.get(name)}
        for name, us in times.items()
    ]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--device", choices=list(BATCHES), default="cpu")
    parser.add_argument("--seconds", type=float, help="of all ways at one size (default 30)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seconds = arguments.seconds or (5.0 if arguments.quick else 30.0)
    rows: list[Row] = []
    for batch in BATCHES[arguments.device]:
        shape = dataclasses.replace(SHAPE, batch=batch)
        compiled = not arguments.quick and batch == SHAPE.batch  # compiling takes a minute
        rows += measure(shape, arguments.device, seconds, compiled)
    publish("training_step", rows, arguments, device=arguments.device)


if __name__ == "__main__":
    main()
