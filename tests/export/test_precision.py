"""Artifacts that ask for bfloat16: what is measured, who takes them at their word, who does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gerank.data.batch import RerankBatch
from gerank.export.artifact import Artifact, write_artifact
from gerank.export.golden import draw_batch
from gerank.export.precision import answer
from gerank.export.verify import verify_artifact
from gerank.ranker import Ranker
from tests.cli.command import done
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_generator

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = 4000


@pytest.fixture(scope="module")
def requests() -> RerankBatch:
    return draw_batch(CONTRACT, REQUESTS, 10, seed=3)


@pytest.fixture(scope="module")
def rounded(
    written: tuple[Path, Artifact],
    requests: RerankBatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    if Ranker.load(written[0], precision="bfloat16").precision != "bfloat16":
        pytest.skip("this processor lacks AVX512_BF16")
    path = tmp_path_factory.mktemp("rounded") / "model.gerank"
    model = random_generator(0, controllable=True)
    write_artifact(
        model, CONTRACT, path, name="rounded", training={}, precision="bfloat16", requests=requests
    )
    return path


def test_the_share_of_changed_slates_is_kept(rounded: Path, requests: RerankBatch) -> None:
    document = Ranker.load(rounded).manifest["precision"]
    exact, less = (
        answer(Ranker.load(rounded, precision=precision), requests)
        for precision in ("float32", "bfloat16")
    )
    changed = (exact.slates != less.slates).any(1).double().mean().item()
    assert document == {"name": "bfloat16", "changed_slates": changed, "requests": REQUESTS}
    assert changed < 0.5 and not torch.equal(exact.log_prob, less.log_prob)


def test_a_server_without_a_will_of_its_own_takes_the_artifacts(rounded: Path) -> None:
    for option, runs in (("auto", "bfloat16"), ("float32", "float32"), ("bfloat16", "bfloat16")):
        assert Ranker.load(rounded, precision=option).precision == runs
    scripted = Ranker.load(rounded, implementation="torchscript")
    assert (scripted.precision, scripted.wanted_precision) == ("float32", "bfloat16")


def test_an_artifact_without_it_is_float32(written: tuple[Path, Artifact]) -> None:
    assert "precision" not in written[1].manifest


def test_it_is_verified_in_float32(rounded: Path) -> None:
    ranker, compared = verify_artifact(rounded)
    assert ranker.precision == "float32"
    assert compared > 0


def test_info_tells_the_share(rounded: Path) -> None:
    share = Ranker.load(rounded).manifest["precision"]["changed_slates"]
    told = f"bfloat16: another slate than float32 for {share:.2%} of {REQUESTS} requests"
    assert told in done("info", rounded)


def test_where_it_cannot_be_measured_it_is_not_written(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from gerank.export.artifact import write_artifact; "
        "from tests.data.request_cases import CONTRACT; "
        "from tests.nn.batches import random_generator; "
        "write_artifact(random_generator(0), CONTRACT, Path(sys.argv[1]), name='a', training={}, "
        "precision='bfloat16')"
    )
    path = tmp_path / "model.gerank"
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        env=os.environ | {"GERANK_CPU": "avx2"},
        capture_output=True,
        text=True,
    )
    assert "precision: bfloat16 is measured when an artifact is written" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_precision_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'half' is not a valid Precision"):
        write_artifact(
            random_generator(0),
            CONTRACT,
            tmp_path / "model.gerank",
            name="a",
            training={},
            precision="half",
        )
