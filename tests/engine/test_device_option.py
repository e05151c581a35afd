"""The option `device`: the ways in, and what is refused where there is no GPU or none can be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

import gerank
from gerank.engine import Engine, EngineOptions
from gerank.export.artifact import Artifact
from gerank.option_table import option_table
from gerank.ranker import ArtifactError, Ranker
from gerank_server import Front, best_front
from gerank_server.native import library_path
from gerank_server.options import OptionError, ServerOptions
from tests.cli.command import gerank as command
from tests.export.conftest import written  # noqa: F401  a fixture
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"
NATIVELY = "device: must be cpu where the implementation is native, got 'cuda'"
IN_BFLOAT16 = "precision: must be auto or float32 where the device is cuda, got "
ABSENT = "device: must be cpu where torch sees no CUDA device, got 'cuda'"
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
Written = tuple[Path, Artifact]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose module is no stock generator."""
    return StandIn(tmp_path_factory.mktemp("own")).path


def fronts() -> list[str]:
    return ["grpcio", "native"] if best_front() is Front.NATIVE else ["grpcio"]


def test_the_processor_is_what_works_where_nobody_says_otherwise(written: Written) -> None:  # noqa: F811
    path = written[0]
    assert option_table()["device"].default == "cpu"
    for ranker in (gerank.load(path), Ranker.load(path, device="cpu")):
        assert (ranker.device, ranker.implementation) == ("cpu", "native")
    assert EngineOptions().device == ServerOptions().device == "cpu"


@pytest.mark.parametrize("implementation", ["auto", "torchscript"])
@without_gpu
def test_a_gpu_that_is_not_there_is_refused_by_name(
    written: Written,  # noqa: F811
    own: Path,
    implementation: str,
) -> None:
    for path in (written[0], own):
        with pytest.raises(ArtifactError) as refused:
            gerank.load(path, device="cuda", implementation=implementation)
        assert str(refused.value) == f"{path}: {ABSENT}"


@without_gpu
def test_an_engine_hands_the_option_on(written: Written) -> None:  # noqa: F811
    with (
        Engine(EngineOptions(device="cuda")) as engine,
        pytest.raises(ArtifactError, match="device: must be cpu where torch sees no CUDA"),
    ):
        engine.load("feed", written[0])


def test_a_gpu_does_not_work_natively(written: Written) -> None:  # noqa: F811
    with pytest.raises(ValueError, match=NATIVELY):
        Ranker.load(written[0], device="cuda", implementation="native")
    with pytest.raises(ValueError, match=NATIVELY):
        EngineOptions(device="cuda", implementation="native")
    with pytest.raises(OptionError, match=NATIVELY):
        ServerOptions(device="cuda", implementation="native")


def test_a_gpu_does_not_work_in_bfloat16(written: Written) -> None:  # noqa: F811
    with pytest.raises(ValueError, match=IN_BFLOAT16):
        Ranker.load(written[0], device="cuda", precision="bfloat16")
    with pytest.raises(ValueError, match=IN_BFLOAT16):
        EngineOptions(device="cuda", precision="bfloat16")
    with pytest.raises(OptionError, match=IN_BFLOAT16):
        ServerOptions(device="cuda", precision="bfloat16")


def test_a_device_of_another_name_is_refused(written: Written) -> None:  # noqa: F811
    words = "device: must be cpu or cuda, got 'cuda:1'"
    with pytest.raises(ValueError, match=words):
        Ranker.load(written[0], device="cuda:1")
    with pytest.raises(OptionError, match=words):
        ServerOptions(device="cuda:1")
    with pytest.raises(ValueError, match="device: must be cpu, cuda, got 'cuda:1'"):
        EngineOptions(device="cuda:1")
    with pytest.raises(ValueError, match="device: must be a text, got 1"):
        Ranker.load(written[0], device=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("front", fronts())
@pytest.mark.parametrize("way", ["flag", "file"])
@without_gpu
def test_gerank_serve_takes_it_as_a_flag_and_from_a_file(
    written: Written,  # noqa: F811
    tmp_path: Path,
    front: str,
    way: str,
) -> None:
    config = tmp_path / "server.toml"
    config.write_text('device = "cuda"\n')
    how = ["--device", "cuda"] if way == "flag" else ["--config", config]
    refused = command("serve", "--model", written[0], "--port", 0, "--front", front, *how)
    assert refused.code == 1
    assert f"{written[0]}: {ABSENT}" in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
@pytest.mark.parametrize("way", ["flag", "file"])
@without_gpu
def test_gerank_server_takes_it_as_a_flag_and_from_a_file(
    written: Written,  # noqa: F811
    tmp_path: Path,
    way: str,
) -> None:
    config = tmp_path / "server.toml"
    config.write_text('device = "cuda"\n')
    how = ["--device", "cuda"] if way == "flag" else ["--config", str(config)]
    words = [str(PROGRAM), "--model", str(written[0]), "--address", "127.0.0.1:0", *how]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{written[0]}: {ABSENT}" in done.stderr


@pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--device", "tpu"), "device: must be cpu or cuda, got 'tpu'"),
        (("--device", "cuda", "--implementation", "native"), NATIVELY),
        (("--device", "cuda", "--precision", "bfloat16"), IN_BFLOAT16),
    ],
)
def test_gerank_server_refuses_what_cannot_be(
    written: Written,  # noqa: F811
    options: tuple[str, ...],
    told: str,
) -> None:
    words = [str(PROGRAM), "--model", str(written[0]), "--address", "127.0.0.1:0", *options]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert told in done.stderr
