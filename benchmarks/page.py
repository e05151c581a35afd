"""A whole page, from padded features to slates, in one native pass and in every other way.

Pages have 64 floats, one hashed id and one flag, 10 slots and no rules; choices are greedy; one
thread works. "Native" is the artifact as the engine loads it, called with padded arrays, in float32
and in bfloat16; "scripted op" its scripted module, which calls `rank_page`. "Scripted layers" is
what artifacts were before, `set_features`, `encode_set` and `decode_slates` among small tensors,
and "layers" the same in Python. "Eager PyTorch" is the same model without an op of ours, compiled
by torch.compile and, ahead, by AOTInductor. All ways run in turns in one process, and give the same
slates, but for bfloat16; times are medians, in microseconds per page.

The floor counts the arithmetic of the layers as they stand and of the scores at what a core can do
at most, and for a page alone the weights' way from the level-2 cache where that is longer.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from embedded import FLOATS, SLOTS
from harness import Row, options, progress, publish
from peaks import Peaks, decode_floor_us, measure_peaks
from plain_page import PlainPage
from timing import Work, interleaved_medians
from torch import Tensor, nn

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.artifact import script, write_artifact
from gerank.export.golden import draw_batch
from gerank.nn.generator import Generator, GeneratorShape
from gerank.ranker import Ranker

SIZES = [(20, 1), (20, 32), (100, 1)]  # candidates, requests
LAYERS, SCRIPTED, OP, NATIVE, BFLOAT16 = (
    "layers",
    "scripted layers",
    "scripted op",
    "native",
    "native, bfloat16",
)
EAGER, COMPILED, AHEAD = "eager PyTorch", "torch.compile", "AOTInductor"


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


class Bare(nn.Module):
    """A generator that answers a plain tuple: in Python a named one costs more than a page."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments as in `RerankBatch`."""
        answer = self.generator(
            user_dense,
            user_ids,
            candidate_dense,
            candidate_ids,
            candidate_mask,
            weights,
            pins,
            dedup_keys,
            spacing,
            quotas,
            slots,
            temperature,
            seeds,
            greedy,
        )
        return answer.slates, answer.log_prob, answer.relaxed


def without_rules(candidates: int, requests: int) -> RerankBatch:
    """Full sets, nothing pinned, no rules, greedy choices."""
    batch = draw_batch(contract(), requests, candidates, seed=0)
    return batch._replace(
        candidate_mask=torch.ones_like(batch.candidate_mask),
        pins=torch.full_like(batch.pins, -1),
        dedup_keys=torch.full_like(batch.dedup_keys, -1),
        spacing=torch.zeros_like(batch.spacing),
        quotas=torch.tensor([0, -1]).expand_as(batch.quotas).contiguous(),
        temperature=torch.ones_like(batch.temperature),
        greedy=torch.ones_like(batch.greedy),
    )


def ways(model: Generator, batch: RerankBatch, compiled: bool) -> dict[str, Work]:
    """Every way to answer a batch, by one model."""
    native, layers = copy.deepcopy(model), copy.deepcopy(model)
    native.freeze()
    layers.encoder.freeze()
    layers.decoder.freeze()
    served = {OP: native, SCRIPTED: layers}
    plain = PlainPage(model, SLOTS, len(batch.slots), batch.candidate_mask.size(1)).eval()
    works: dict[str, Work] = {LAYERS: lambda: layers(*batch)}
    for name, module in served.items():
        scripted = torch.jit.freeze(script(Bare(module).eval()))
        works[name] = lambda scripted=scripted: scripted(*batch)
    works |= without_torch(model, batch)
    works[EAGER] = lambda: plain(*batch.features)
    if compiled:
        whole = torch.compile(plain, dynamic=False, fullgraph=True)
        works[COMPILED] = lambda: whole(*batch.features)
        ahead = compiled_ahead(plain, batch)
        works[AHEAD] = lambda: ahead(*batch.features)
    return works


def compiled_ahead(plain: PlainPage, batch: RerankBatch) -> Callable[..., tuple[Tensor, ...]]:
    """The plain model by AOTInductor, for the shapes of this batch."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = str(Path(folder) / "page.pt2")
        program = torch.export.export(plain, tuple(batch.features))
        torch._inductor.aoti_compile_and_package(program, package_path=path)
        loaded: Callable[..., tuple[Tensor, ...]] = torch._inductor.aoti_load_package(path)
    return loaded


def without_torch(model: Generator, batch: RerankBatch) -> dict[str, Work]:
    """The artifact of a model in each precision that this processor has."""
    fields = tuple(tensor.contiguous().numpy() for tensor in batch)
    works: dict[str, Work] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gerank"
        write_artifact(copy.deepcopy(model), contract(), path, name="page", training={})
        for name, precision in ((NATIVE, "float32"), (BFLOAT16, "bfloat16")):
            ranker = Ranker.load(path, precision=precision)
            if ranker.precision == precision:
                works[name] = lambda native=ranker.native: native.run(fields)
    return works


def floor_us(model: Generator, peaks: Peaks, candidates: int, requests: int) -> float:
    """The least time for one page."""
    width = model.encoder.width
    user, candidate = model.features.user_width, model.features.candidate_width
    layers = [  # rows, inputs, outputs
        (candidates, candidate, 3 * width),
        (candidates, width, 2 * width),
        (candidates, 2 * width, width),
        (1, user, 3 * width),
        (1, width, width),
        (1, width, width),
    ]
    total = decode_floor_us(peaks, candidates, SLOTS, width, alone=requests == 1)
    for rows, inputs, outputs in layers:
        arithmetic = 2 * rows * inputs * outputs / peaks.operations_per_us
        way = 4 * inputs * outputs / peaks.bytes_per_us if requests == 1 else 0.0
        total += max(arithmetic, way)
    return total


def measured(
    model: Generator, peaks: Peaks, size: tuple[int, int], seconds: float, compiled: bool
) -> Row:
    """One row: times per page of every way, and what they are to each other."""
    candidates, requests = size
    batch = without_rules(candidates, requests)
    works = ways(model, batch, compiled)
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[no-untyped-call]
        slates = works[LAYERS]()[0]  # type: ignore[index]
        for name, work in works.items():
            assert name == BFLOAT16 or torch.equal(torch.as_tensor(work()[0]), slates), name  # type: ignore[index]
        times = {name: us / requests for name, us in interleaved_medians(works, seconds).items()}
    row: Row = {"M": candidates, "N": SLOTS, "B": requests}
    shown = (EAGER, COMPILED, AHEAD, LAYERS, SCRIPTED, OP, NATIVE, BFLOAT16)
    row |= {f"{name}, us": times.get(name) for name in shown}
    row |= {
        f"{name} over scripted layers": times[name] / times[SCRIPTED]
        for name in (OP, NATIVE, BFLOAT16)
        if name in times
    }
    row |= {
        f"{name} over native": times[name] / times[NATIVE]
        for name in (EAGER, COMPILED, AHEAD)
        if name in times
    }
    floor = floor_us(model, peaks, candidates, requests)
    row |= {"floor, us": floor, "floor over scripted layers": floor / times[SCRIPTED]}
    return row | {"share of floor": floor / times[NATIVE]}


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Generator(contract().schema, GeneratorShape()).eval()
    rows: list[Row] = []
    seconds = 2.0 if arguments.quick else 15.0
    with progress(len(SIZES), "page") as advance:
        for size in SIZES:
            rows.append(measured(model, measure_peaks(), size, seconds, not arguments.quick))
            advance()
    publish("page", rows, arguments)


if __name__ == "__main__":
    main()
