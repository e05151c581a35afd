"""Pages per second of an artifact's TorchScript model on the GPU and on the processor, by batch.

Pages have 100 candidates of 64 floats, one hashed id and one flag, 10 slots and no rules; choices
are greedy. A batch goes in as padded arrays in host memory and comes back as such: what is timed is
what a worker of the engine waits for. The processor has all its cores here, as torch uses them;
beside it stands the native pass, which is what the engine runs by default, on one core: it has as
many workers as one gives it. Slates of the GPU are held against the processor's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from harness import Row, options, progress, publish
from near_ties import difference
from page import contract, without_rules
from timing import Work, interleaved_medians

from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.ranker import Ranker

CANDIDATES = 100
BATCHES, QUICK_BATCHES = (1, 8, 64, 256, 1024), (1, 64)
NATIVE = "native, one core"


def artifact(folder: Path) -> Path:
    """An untrained generator whose logits are scaled up until they differ clearly."""
    torch.manual_seed(0)
    model = Generator(contract().schema, GeneratorShape()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3
    path = folder / "model.gerank"
    write_artifact(model, contract(), path, name="page", training={})
    return path


def loaded(path: Path, devices: Sequence[str]) -> dict[str, Ranker]:
    """The artifact once for every device, and natively."""
    scripted = {
        device: Ranker.load(path, implementation="torchscript", device=device) for device in devices
    }
    return scripted | {NATIVE: Ranker.load(path)}


def measure(rankers: dict[str, Ranker], batch: int, seconds: float) -> Row:
    """One size of batch: pages per second of every way, and how its slates differ."""
    fields = tuple(part.contiguous().numpy() for part in without_rules(CANDIDATES, batch))
    works: dict[str, Work] = {
        name: lambda native=ranker.native: native.run(fields) for name, ranker in rankers.items()
    }
    answers = {
        name: tuple(torch.from_numpy(part) for part in work())  # type: ignore[attr-defined]
        for name, work in works.items()
    }
    row: Row = {"M": CANDIDATES, "B": batch}
    times = interleaved_medians(works, seconds)
    row |= {f"{name}, pages per second": 1e6 * batch / us for name, us in times.items()}
    row |= {f"{name}, us per batch": us for name, us in times.items()}
    if "cuda" in rankers:
        apart = difference(answers["cuda"][:2], answers["cpu"][:2])
        row |= {"cuda over cpu": times["cpu"] / times["cuda"]}
        row |= {"slates apart at a near tie": apart.near_ties, "wrong slates": apart.wrong}
    return row


def chosen_devices(parser: argparse.ArgumentParser, asked: str | None) -> list[str]:
    """The processor, and the GPU where it is there or asked for."""
    if asked == "cuda" and not torch.cuda.is_available():
        parser.error(f"--device: cuda is not there: torch {torch.__version__} sees no GPU")
    has_gpu = torch.cuda.is_available() if asked is None else asked == "cuda"
    return ["cpu", "cuda"] if has_gpu else ["cpu"]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: what is there")
    arguments = parser.parse_args()
    devices = chosen_devices(parser, arguments.device)
    batches = QUICK_BATCHES if arguments.quick else BATCHES
    seconds = 0.5 if arguments.quick else 3.0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, progress(len(batches), "served") as advance:
        rankers = loaded(artifact(Path(folder)), devices)
        for batch in batches:
            rows.append(measure(rankers, batch, seconds))
            advance()
    publish("served_device", rows, arguments, device=devices[-1])


if __name__ == "__main__":
    main()
