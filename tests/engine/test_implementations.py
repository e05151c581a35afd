"""What computes the slates of an artifact: the native pass, or the scripted module."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import gerank
from gerank.engine import Engine, EngineOptions
from gerank.export import golden
from gerank.export.archive import no_deprecation
from gerank.export.artifact import load_artifact, write_artifact
from gerank.export.verify import verify_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.ranker import ArtifactError, Ranker
from tests.cli.command import environment
from tests.data.any_request import CONTRACT, PRESETS, any_document
from tests.export.archives import golden_of, name_of, packed, records, resummed
from tests.server.stand_in import StandIn


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model whose weights are scaled up until its logits differ clearly."""
    path = tmp_path_factory.mktemp("stock") / "stock.gerank"
    torch.manual_seed(1)
    shape = GeneratorShape(width=24, attention_width=20, utilities=2, controllable=True)
    generator = Generator(CONTRACT.schema, shape)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter *= 3
    write_artifact(generator, CONTRACT, path, name="stock", training={}, presets=PRESETS)
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose module is no stock generator."""
    return StandIn(tmp_path_factory.mktemp("own")).path


def of_format_1(path: Path, out: Path) -> Path:
    """The artifact as an older gerank wrote it: packed by torch, golden requests pickled."""
    parts = records(path.read_bytes())
    manifest = json.loads(parts[name_of(parts, "gerank.json")]) | {"format_version": 1}
    del manifest["page"]
    batch, answer = golden_of(parts[name_of(parts, "golden.safetensors")])
    pickled = io.BytesIO()
    torch.save(dict(batch._asdict() | answer._asdict()), pickled)
    extra = {"gerank.json": json.dumps(manifest).encode(), "golden.pt": pickled.getvalue()}
    module = load_artifact(path).module
    for sums in (b"{}", None):
        buffer = io.BytesIO()
        with no_deprecation():
            found = {} if sums is None else {"checksums.json": sums}
            torch.jit.save(module, buffer, _extra_files=extra | found)
        if sums is None:
            break
        known = resummed(records(buffer.getvalue()))
        extra["checksums.json"] = known[name_of(known, "checksums.json")]
    out.write_bytes(buffer.getvalue())
    with zipfile.ZipFile(out) as archive:
        assert any(entry.compress_type for entry in archive.infolist())
    return out


def test_the_native_pass_and_torchscript_give_the_same_bits(stock: Path, seed: int) -> None:
    native, scripted = Ranker.load(stock), Ranker.load(stock, implementation="torchscript")
    assert (native.implementation, scripted.implementation) == ("native", "torchscript")
    rng = np.random.default_rng(seed)
    documents = [any_document(rng) | {"seed": int(rng.integers(2**63))} for _ in range(300)]
    assert native.rank(documents) == scripted.rank(documents)
    alone = [native.rank([document])[0] for document in documents[:40]]
    assert alone == native.rank(documents)[:40]


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_within_a_pass_change_nothing(stock: Path, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    documents = [any_document(rng) | {"seed": 1} for _ in range(60)]
    expected = Ranker.load(stock).rank(documents)
    with Engine(EngineOptions(intra_op_threads=threads)) as engine:
        engine.load("feed", stock)
        assert engine.rank(documents).slates == expected


def test_a_process_that_serves_stock_artifacts_has_no_torch(stock: Path) -> None:
    code = (
        "import sys, gerank\n"
        "ranker = gerank.load(sys.argv[1])\n"
        "maps = open('/proc/self/maps').read()\n"
        "print(ranker.implementation, 'torch' in sys.modules, 'libtorch' in maps)"
    )
    words = [sys.executable, "-c", code, str(stock)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout == "native False False\n", done.stderr


def test_another_module_runs_as_torchscript_and_never_natively(own: Path) -> None:
    assert gerank.load(own).implementation == "torchscript"
    with pytest.raises(ArtifactError, match="has no page model to run natively"):
        Ranker.load(own, implementation="native")


def test_an_implementation_that_there_is_not_is_named(stock: Path) -> None:
    with pytest.raises(ValueError, match="implementation: must be auto, native or torchscript"):
        gerank.load(stock, implementation="onnx")
    with pytest.raises(ValueError, match="precision: must be a text, got None"):
        gerank.load(stock, precision=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"implementation: must be .*, got 'onnx'"):
        EngineOptions(implementation="onnx")


def test_an_engine_loads_as_it_was_told(stock: Path) -> None:
    with Engine(EngineOptions(implementation="torchscript")) as engine:
        assert engine.load("feed", stock).implementation == "torchscript"


def test_an_artifact_of_an_older_gerank_answers_as_before(stock: Path, tmp_path: Path) -> None:
    old = of_format_1(stock, tmp_path / "old.gerank")
    ranker = Ranker.load(old)
    assert ranker.implementation == "torchscript" and ranker.manifest["format_version"] == 1
    rng = np.random.default_rng(3)
    documents = [any_document(rng) | {"seed": 5} for _ in range(40)]
    assert ranker.rank(documents) == Ranker.load(stock).rank(documents)


def test_an_archive_that_was_packed_again_serves_natively(stock: Path, tmp_path: Path) -> None:
    """Its records no longer lie at multiples of 64 bytes."""
    path = tmp_path / "again.gerank"
    path.write_bytes(packed(records(stock.read_bytes())))
    assert Ranker.load(path).implementation == "native"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_was_compressed_is_refused_without_torch(
    stock: Path, tmp_path: Path, method: int
) -> None:
    path = tmp_path / "small.gerank"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in records(stock.read_bytes()).items():
            whole = name.endswith("gerank.json")
            archive.writestr(name, body, zipfile.ZIP_STORED if whole else method)
    code = (
        "import sys, gerank\n"
        "try:\n    gerank.load(sys.argv[1])\n"
        "except ValueError as error:\n    print(error)\n"
        "print('libtorch' in open('/proc/self/maps').read())"
    )
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120)
    message, has_torch = done.stdout.splitlines()
    assert message.endswith(
        "is packed, and an artifact of format 2 has none that is: export it again, or zip it "
        "without compression"
    )
    assert message.startswith(f"{path}: record 'data/0' ") and has_torch == "False"


def test_verify_holds_one_implementation_against_the_other(stock: Path, own: Path) -> None:
    ranker, compared = verify_artifact(stock)
    assert ranker.implementation == "native" and compared == 1024
    assert verify_artifact(own)[1] == 0


def test_verify_sees_weights_that_differ(stock: Path, tmp_path: Path) -> None:
    """A forger's page beside the module's own: both answer the golden requests they are given."""
    parts = records(stock.read_bytes())
    manifest_name = name_of(parts, "gerank.json")
    manifest = json.loads(parts[manifest_name])
    folder = manifest_name.split("/", 1)[0]
    page = np.frombuffer(parts[f"{folder}/{manifest['page']}"], np.float32).copy()
    page[-4000:] *= 1.5  # the decoder's, and the attention's
    other = parts | {
        f"{folder}/extra/page": page.tobytes(),
        manifest_name: json.dumps(manifest | {"page": "extra/page"}).encode(),
    }
    artifact = load_artifact(stock)
    batch = golden.draw_batch(artifact.contract, 1, 1, seed=0)  # nothing to choose
    golden_name = name_of(parts, "golden.safetensors")
    other[golden_name] = golden.to_bytes(batch, artifact.rerank(batch))
    path = tmp_path / "forged.gerank"
    path.write_bytes(packed(resummed(other)))
    assert Ranker.load(path).implementation == "native"
    with pytest.raises(ArtifactError, match="native pass and TorchScript differ: golden request"):
        verify_artifact(path)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("extra/gerank.json", "its page model "),
        ("data/none", "no record 'data/none'"),
        (7, "'page' must name a record, got 7"),
        ("", "'page' must name a record, got ''"),
    ],
)
def test_a_page_that_is_none_is_refused(
    stock: Path, tmp_path: Path, page: object, words: str
) -> None:
    parts = records(stock.read_bytes())
    name = name_of(parts, "gerank.json")
    parts[name] = json.dumps(json.loads(parts[name]) | {"page": page}).encode()
    path = tmp_path / "odd.gerank"
    path.write_bytes(packed(resummed(parts)))
    with pytest.raises(ArtifactError) as caught:
        Ranker.load(path)
    assert f"{path}: malformed artifact: {words}" in str(caught.value)


def test_presets_and_contract_are_those_of_the_file(stock: Path) -> None:
    contract = Ranker.load(stock).contract
    assert contract.schema == CONTRACT.schema and set(contract.presets) == set(PRESETS)
