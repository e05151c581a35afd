"""Artifacts on a real GPU: the slates of the processor, alone, in batches and by many threads.

`make test-cuda` runs this.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.data.slate import Slate
from gerank.engine import Engine, EngineOptions
from gerank.export.artifact import save_artifact, script, write_artifact
from gerank.export.golden import draw_batch
from gerank.export.manifest import build_manifest
from gerank.nn.generator import Generator, GeneratorShape
from gerank.ops import rank_page
from gerank.ranker import Ranker
from tests.data.any_request import CONTRACT, PRESETS, any_document

BUILT = torch._C._dispatch_has_kernel_for_dispatch_key("gerank::decode_slates", "CUDA")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif(not BUILT, reason="libgerank was built without CUDA: make test-cuda"),
]
TOLERANCE = 1e-4  # of log_prob


def new_generator() -> Generator:
    """An untrained model whose weights are scaled up until its logits differ clearly."""
    torch.manual_seed(1)
    shape = GeneratorShape(width=24, attention_width=20, utilities=2, controllable=True)
    generator = Generator(CONTRACT.schema, shape)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter *= 3
    return generator.eval()


def write_stock(path: Path) -> None:
    write_artifact(new_generator(), CONTRACT, path, name="stock", training={}, presets=PRESETS)


def write_module(path: Path) -> None:
    """A module of separate layers, as one with an encoder of one's own has them."""
    generator = new_generator()
    generator.encoder.freeze()
    generator.decoder.freeze()
    save_artifact(script(generator), CONTRACT, build_manifest(CONTRACT, "layers-1", {}), path)


@pytest.fixture(scope="module", params=[write_stock, write_module], ids=["stock", "module"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("served") / "model.gerank"
    request.param(found)
    return found


def documents(seed: int, count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [any_document(rng) | {"seed": int(rng.integers(2**63))} for _ in range(count)]


def expect_alike(found: list[Slate], expected: list[Slate]) -> None:
    """Fails unless slates are equal, but for one in fifty that a near tie sets apart."""
    apart = 0
    for mine, other in zip(found, expected, strict=True):
        if mine.candidates != other.candidates:
            apart += 1
            continue
        assert (mine.slots, mine.relaxed, mine.seed) == (other.slots, other.relaxed, other.seed)
        np.testing.assert_allclose(mine.log_prob, other.log_prob, rtol=0, atol=TOLERANCE)
    assert apart <= len(expected) / 50


def test_slates_are_those_of_the_processor(path: Path, seed: int) -> None:
    there = Ranker.load(path, device="cuda")
    here = Ranker.load(path, implementation="torchscript")
    assert (there.device, there.implementation, there.precision) == (
        "cuda",
        "torchscript",
        "float32",
    )
    asked = documents(seed, 300)
    expect_alike(there.rank(asked), here.rank(asked))


def test_a_request_is_answered_alike_alone_and_in_batches_of_any_size(
    path: Path, seed: int
) -> None:
    ranker = Ranker.load(path, device="cuda")
    asked = documents(seed, 64)
    together = ranker.rank(asked)
    for size in (1, 64, 3, 30):
        expect_alike(ranker.rank(asked[:size]), together[:size])


def test_threads_share_a_model_and_no_memory(path: Path, seed: int) -> None:
    ranker = Ranker.load(path, device="cuda")
    parts = [documents(seed + part, 10 + part) for part in range(8)]
    alone = [ranker.rank(part) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            for found, expected in zip(threads.map(ranker.rank, parts), alone, strict=True):
                expect_alike(found, expected)


def test_an_engine_of_several_workers_answers_on_the_gpu(path: Path, seed: int) -> None:
    asked = documents(seed, 60)
    expected = Ranker.load(path, implementation="torchscript").rank(asked)
    with Engine(EngineOptions(workers=3, device="cuda")) as engine:
        assert engine.load("feed", path).device == "cuda"
        calls = [engine.submit([document]) for document in asked]
        expect_alike([call.wait().slates[0] for call in calls], expected)


def test_the_op_of_a_frozen_generator_answers_on_the_gpu_as_well(seed: int) -> None:
    generator = new_generator()
    generator.freeze()
    batch = draw_batch(CONTRACT, 200, 40, seed)
    here = rank_page(generator.page, *batch)
    there = rank_page(generator.page.cuda(), *(part.cuda() for part in batch))
    assert all(part.device.type == "cuda" for part in there)
    alike = (there[0].cpu() == here[0]).all(1)
    assert alike.float().mean() >= 0.98
    torch.testing.assert_close(there[1].cpu()[alike], here[1][alike], rtol=0, atol=TOLERANCE)
