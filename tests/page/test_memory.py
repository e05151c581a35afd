"""A page model is one block that a file holds once, and that needs no torch to be read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.artifact import load_artifact, write_artifact
from gerank.export.golden import draw_batch
from gerank.nn.generator import Generator, GeneratorShape

ROOT = Path(__file__).resolve().parents[2]
ROWS, WIDTH = 100_000, 8


def test_an_artifact_holds_a_table_once_and_its_encoder_reads_it(tmp_path: Path) -> None:
    schema = FeatureSchema(
        user=(Feature("age", FeatureKind.DENSE),),
        candidate=(Feature("item", FeatureKind.ID, ROWS, hashed=True),),
    )
    contract = RequestContract(schema, 20, 4, {"clicks": WeightRange(0.0, 1.0, 1.0)})
    generator = Generator(schema, GeneratorShape(8, 8, WIDTH))
    path = tmp_path / "large.gerank"
    write_artifact(generator, contract, path, name="large", training={})
    assert path.stat().st_size < 1.1 * 4 * ROWS * WIDTH
    module, batch = load_artifact(path).module, draw_batch(contract, 5, 12, seed=0)
    with torch.no_grad():
        encoded = module.encode(*batch.features, batch.weights)
        slates = torch.ops.gerank.decode_slates(
            *encoded, *batch.rules, batch.seeds, batch.greedy, 1, module.context_window
        )
        answer = module(*batch)
    assert torch.equal(slates[0].squeeze(1), answer[0])


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a compiler")
@pytest.mark.parametrize(
    "source",
    [*(ROOT / "csrc/page").glob("*.cpp"), ROOT / "csrc/kernels/instruction_set.cpp"],
)
def test_the_pass_includes_no_torch(source: Path) -> None:
    torch_headers = Path(torch.__file__).parent / "include"
    command = ["c++", "-std=c++20", "-M", f"-I{ROOT / 'csrc/include'}", f"-I{torch_headers}"]
    result = subprocess.run([*command, source], check=True, capture_output=True, text=True)
    assert "page_format.h" in result.stdout
    assert str(torch_headers) not in result.stdout
