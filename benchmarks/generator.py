"""A whole forward pass, from padded features to slates: as it is served, and of plain layers.

Pages have 20 or 100 candidates of 64 floats, one hashed id and one flag, and 10 slots; one thread
works. "As served" is
the scripted module of an artifact, its weights packed: `set_features`, `encode_set`,
`decode_slates`. "Plain layers" is the same generator before freeze(), scripted; "eager" is that
in Python. All call the same `set_features` and `decode_slates`.
"""

from __future__ import annotations

import copy

import torch
from embedded import FLOATS, SLOTS
from harness import Row, options, progress, publish
from timing import interleaved_medians

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.artifact import script
from gerank.export.golden import draw_batch
from gerank.nn.generator import Generator, GeneratorShape

SIZES = [(20, 1), (20, 8), (20, 32), (100, 1), (100, 32)]  # candidates, requests
EAGER, PLAIN, SERVED = "eager", "plain layers", "as served"


def contract() -> RequestContract:
    """64 floats, a group key and a flag."""
    candidate = (
        *(Feature(f"x{index}", FeatureKind.DENSE) for index in range(FLOATS)),
        Feature("seller", FeatureKind.ID, vocabulary=64, hashed=True),
        Feature("fresh", FeatureKind.ID, vocabulary=2),
    )
    user = (Feature("age", FeatureKind.DENSE),)
    schema = FeatureSchema(user=user, candidate=candidate, groups=("seller",), flags=("fresh",))
    return RequestContract(schema, 512, SLOTS, {"clicks": WeightRange(0.0, 2.0, 1.0)})


def generators() -> dict[str, torch.nn.Module]:
    """The three ways, of one model."""
    torch.manual_seed(0)
    eager = Generator(contract().schema, GeneratorShape()).eval()
    eager.decoder.freeze()
    served = copy.deepcopy(eager)
    served.freeze()
    scripted = {PLAIN: script(eager), SERVED: script(served)}
    return {EAGER: eager} | {name: torch.jit.freeze(way) for name, way in scripted.items()}


def measured(ways: dict[str, torch.nn.Module], batch: RerankBatch, seconds: float) -> Row:
    """Microseconds per request of each way; every way gives the same slates."""
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[no-untyped-call]
        answers = {name: way(*batch) for name, way in ways.items()}
        for name, answer in answers.items():
            torch.testing.assert_close(answer[1], answers[EAGER][1], rtol=1e-4, atol=1e-4)
            assert torch.equal(answer[0], answers[EAGER][0]), name
        times = interleaved_medians(
            {name: lambda way=way: way(*batch) for name, way in ways.items()}, seconds
        )
    requests = len(batch.slots)
    row: Row = {f"{name}, us": time / requests for name, time in times.items()}
    return row | {
        "over eager": times[EAGER] / times[SERVED],
        "over plain layers": times[PLAIN] / times[SERVED],
    }


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    torch.set_num_threads(1)
    ways = generators()
    rows: list[Row] = []
    with progress(len(SIZES), "generator") as advance:
        for candidates, requests in SIZES:
            batch = draw_batch(contract(), requests, candidates, seed=0)
            batch = batch._replace(candidate_mask=torch.ones_like(batch.candidate_mask))
            row: Row = {"M": candidates, "N": SLOTS, "B": requests}
            rows.append(row | measured(ways, batch, 1.0 if arguments.quick else 10.0))
            advance()
    publish("generator", rows, arguments)


if __name__ == "__main__":
    main()
