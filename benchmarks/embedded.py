"""One request at a time in a C++ process: what the engine adds to the bare model.

The target is at most 15 us. Both implementations of one artifact, the native pass and the scripted
module, get the same page of 20 or 100 candidates with 64 floats and 10 slots; the bare model gets a
padded batch ready-made, the engine columns, which it checks and pads.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from harness import Row, options, publish

import gerank
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.artifact import write_artifact
from gerank.nn.generator import Generator, GeneratorShape

ROOT = Path(__file__).parents[1]
CALLS = {20: 20, 100: 4}  # candidates -> calls of each way in a round
FLOATS, SLOTS = 64, 10
IMPLEMENTATIONS = ("native", "torchscript")
WAYS = (
    "bare model",
    "Ranker::rank",
    "Engine::rank",
    "Engine::submit and wait",
    "Engine::submit and wait, spin 100 us",
    "Engine::submit and poll, spin 100 us",
)


def program() -> Path:
    """Builds embedded/main.cpp against this gerank and its torch."""
    build = ROOT / "build" / "embedded"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = str(Path(__file__).with_suffix(""))
    configure = ["cmake", "-S", source, "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"]
    for command in (
        [*configure, f"-DCMAKE_PREFIX_PATH={gerank.cmake_prefix_path}"],
        ["cmake", "--build", str(build)],
    ):
        subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PATH": path})
    return build / "embedded"


def write_model(path: Path) -> None:
    """An untrained generator of the usual size."""
    dense = tuple(Feature(f"x{index}", FeatureKind.DENSE) for index in range(FLOATS))
    ids = (
        Feature("seller", FeatureKind.ID, vocabulary=64, hashed=True),
        Feature("fresh", FeatureKind.ID, vocabulary=2),
    )
    schema = FeatureSchema(
        user=(Feature("age", FeatureKind.DENSE),),
        candidate=dense + ids,
        groups=("seller",),
        flags=("fresh",),
    )
    contract = RequestContract(schema, 512, SLOTS, {"clicks": WeightRange(0.0, 2.0, 1.0)})
    torch.manual_seed(0)
    write_artifact(Generator(schema, GeneratorShape()), contract, path, name="bench", training={})


def compare(binary: Path, model: Path, candidates: int, rounds: int, calls: int) -> list[Row]:
    """The first decile over the rounds: what a call costs when other programs leave it alone."""
    command = [str(binary), str(model), str(candidates), str(rounds), str(calls)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    table = [[float(word) for word in line.split()] for line in output.splitlines()]
    deciles = [statistics.quantiles(column, n=10)[0] for column in zip(*table, strict=True)]
    rows: list[Row] = []
    for index, implementation in enumerate(IMPLEMENTATIONS):
        first = 2 * index * len(WAYS)
        bare_wall, bare_cpu = deciles[first : first + 2]
        for place, way in enumerate(WAYS):
            wall, cpu = deciles[first + 2 * place : first + 2 * place + 2]
            row: Row = {"candidates": candidates, "implementation": implementation, "way": way}
            row |= {"wall us": wall, "CPU us": cpu}
            if place > 0:
                row |= {"wall above bare": wall - bare_wall, "CPU above bare": cpu - bare_cpu}
            rows.append(row)
    return rows


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    rounds = 100 if arguments.quick else 400
    binary = program()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.gerank"
        write_model(model)
        for candidates, calls in CALLS.items():
            rows += compare(binary, model, candidates, rounds, calls)
    publish("embedded", rows, arguments)


if __name__ == "__main__":
    main()
