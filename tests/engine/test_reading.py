"""How the one file is read: what is no artifact is refused quickly, and every path is a path."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import gerank
from gerank.export.artifact import Artifact, ArtifactError, load_artifact
from gerank.ranker import Ranker
from tests.cli.command import environment, run

Load = Callable[[Path], Artifact | Ranker]
LOADS = [gerank.load, load_artifact]
GIB = 1 << 30


def of_zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * GIB)


def with_a_head(path: Path) -> None:
    """Begins as a zip archive does, and is none."""
    with path.open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(3 * GIB)


def of_another_model(path: Path) -> None:
    """A sound archive of three gigabytes, most of them a hole before it, without gerank.json."""
    with path.open("wb") as file:
        file.seek(3 * GIB)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("model/version", b"3\n")
            archive.writestr("model/data.pkl", b"")


def packed(path: Path) -> None:
    """Two megabytes that unpack to four hundred."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("model/version", b"3\n")
        archive.writestr("model/extra/gerank.json", b"{}")
        with archive.open("model/data/0", "w") as record:
            for _ in range(25):
                record.write(bytes(1 << 24))


@pytest.mark.parametrize("load", LOADS, ids=["gerank.load", "load_artifact"])
@pytest.mark.parametrize("make", [of_zeros, with_a_head, of_another_model, packed])
def test_a_huge_file_that_is_no_artifact_is_refused_at_once_and_without_memory(
    make: Callable[[Path], None], load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "model.gerank"
    make(path)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ArtifactError, match=r"model\.gerank: (not an artifact|no gerank\.json)"):
        load(path)
    assert time.process_time() - began < 1
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kilobytes < 64 << 10


def test_a_directory_of_more_entries_than_16_bits_can_count_is_read(
    artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "many.gerank"
    shutil.copy(artifact, path)
    with zipfile.ZipFile(path, "a") as archive:
        folder = archive.namelist()[0].split("/")[0]
        for place in range(1 << 16):
            archive.writestr(f"{folder}/more/{place:05d}", b"")
    with pytest.raises(ArtifactError, match="record 'more/00000' was added after it was written"):
        gerank.load(path)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("other/record", "its records lie in more than one folder"),
        ("record", "its records lie in more than one folder"),
        ("FOLDER/extra/gerank.json", "entry '.*/extra/gerank.json' comes twice"),
    ],
)
def test_an_odd_directory_is_put_in_words(
    artifact: Path, tmp_path: Path, entry: str, words: str
) -> None:
    path = tmp_path / "odd.gerank"
    shutil.copy(artifact, path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # Python, too, finds a name that comes twice odd
        folder = archive.namelist()[0].split("/")[0]
        archive.writestr(entry.replace("FOLDER", folder), b"{}")
    with pytest.raises(ArtifactError, match=words):
        gerank.load(path)


@pytest.mark.parametrize("load", LOADS, ids=["gerank.load", "load_artifact"])
def test_what_is_no_regular_file_is_named(load: Load, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    for path, words in [
        (tmp_path, "is a directory, not a regular file"),
        (fifo, "is a FIFO, not a regular file"),
        (Path("/dev/zero"), "is a device, not a regular file"),
        (tmp_path / "missing", "no such file"),
        (tmp_path / "fifo" / "below", "no such file"),
    ]:
        with pytest.raises(ArtifactError) as caught:
            load(path)
        assert str(caught.value) == f"{path}: {words}"


@pytest.mark.parametrize("load", LOADS, ids=["gerank.load", "load_artifact"])
@pytest.mark.parametrize("name", [b"model \xff.gerank", b"s3:model.gerank", b"exp:1"])
def test_every_path_is_a_path(name: bytes, load: Load, artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copy(artifact, path)
    assert load(path).model_version == load(artifact).model_version


def test_the_message_about_a_path_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"model \xff.gerank")
    path.write_bytes(b"no artifact")
    with pytest.raises(ArtifactError, match="not an artifact") as caught:
        gerank.load(path)
    str(caught.value).encode()
    result = run("info", path)
    assert result.code == 1 and "not an artifact" in result.err and "Traceback" not in result.err


ORDERS = [
    "import gerank; import torch",
    "import torch; import gerank",
    "import gerank, gerank.data.exposure_log",
]


@pytest.mark.parametrize("imports", ORDERS)
def test_torch_can_load_an_artifact_once_gerank_is_imported(imports: str, artifact: Path) -> None:
    code = f"{imports}\nimport torch, sys\nprint(type(torch.jit.load(sys.argv[1])).__name__)"
    words = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(artifact)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout == "RecursiveScriptModule\n", done.stderr


def test_a_process_without_torchscript_is_told_so(artifact: Path) -> None:
    code = (
        "import io, sys\nimport gerank\nfrom pathlib import Path\n"
        "from gerank.export.artifact import ArtifactError, load_artifact, script\n"
        "for use in (lambda: load_artifact(Path(sys.argv[1])), lambda: script(None)):\n"
        "    try: use()\n"
        "    except ArtifactError as error: print(error)\n"
        "print(gerank.load(sys.argv[1]).model_version[:12])\n"  # the engine needs no Python for it
    )
    words = [sys.executable, "-c", code, str(artifact)]
    settings = environment() | {"PYTORCH_JIT": "0"}
    done = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=120)
    off = (
        "PYTORCH_JIT=0 switches TorchScript off, and an artifact is TorchScript: "
        "unset PYTORCH_JIT and start again"
    )
    assert done.stdout == f"{artifact}: {off}\n{off}\nengine-tests\n", done.stdout + done.stderr
