"""What an installation promises: one torch, whole sources, a version that CMake can ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import gerank
from gerank.torch_version import LIBRARY_FOLDER, check_torch, installed_torch
from tests.cli.command import environment
from tests.cpp_projects import ROOT, tools
from tests.engine.write_artifact import write
from tests.server.stand_in import StandIn

LIBRARIES = sorted(LIBRARY_FOLDER.glob("*.so")) + sorted(Path(gerank.__file__).parent.glob("*.so"))
PROGRAM = LIBRARY_FOLDER / "gerank-server"
OTHER = "9.9.9"
SENTENCE = f"was built for torch {OTHER}, but this "


def run(
    *words: object, folder: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        timeout=200,
        cwd=folder,
        env=environment() | settings,
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This package, its libraries built for another torch, as far as they know."""
    package = tmp_path_factory.mktemp("installation") / "gerank"
    shutil.copytree(gerank.cmake_prefix_path, package, ignore=shutil.ignore_patterns("__pycache__"))
    library = package / "lib" / gerank.LIBRARY
    mark = b"gerank was built for torch "
    before = library.read_bytes()
    after = re.sub(
        re.escape(mark) + rb"[0-9.]+\0",
        lambda found: (mark + OTHER.encode()).ljust(len(found[0]), b"\0"),
        before,
    )
    assert after != before and len(after) == len(before)
    library.write_bytes(after)
    return package


def python(elsewhere: Path, code: str) -> subprocess.CompletedProcess[str]:
    paths = str(elsewhere.parent)
    return run(sys.executable, "-c", code, folder=elsewhere.parent, PYTHONPATH=paths)


def test_another_torch_is_told_before_the_library_is_loaded(elsewhere: Path) -> None:
    done = python(elsewhere, "import gerank.ops")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f"{SENTENCE}is torch {installed_torch()}: install torch=={OTHER}, or build" in last


def test_another_torch_does_not_keep_torch_itself_from_being_imported(elsewhere: Path) -> None:
    done = python(elsewhere, "import gerank, torch; print(torch.ones(1).item())")
    assert done.stdout == "1.0\n"
    assert f"torch.ops.gerank is not there: {elsewhere}" in done.stderr and SENTENCE in done.stderr


@pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
def test_a_server_runs_no_scripted_module_with_another_torch(
    elsewhere: Path, tmp_path: Path
) -> None:
    model = StandIn(tmp_path).path
    done = run(elsewhere / "lib" / PROGRAM.name, "--model", model, "--address", "127.0.0.1:0")
    assert done.returncode == 1 and done.stdout == ""
    assert f"error: {model}: gerank {SENTENCE}process has torch {installed_torch()}" in done.stderr


def test_stock_artifacts_are_served_with_any_torch(elsewhere: Path, tmp_path: Path) -> None:
    write(model := tmp_path / "model.gerank")
    done = python(elsewhere, f"import gerank; print(gerank.load({str(model)!r}).implementation)")
    assert done.stdout == "native\n", done.stderr


def test_the_library_names_its_torch_to_whoever_reads_it(tmp_path: Path) -> None:
    assert check_torch() == LIBRARY_FOLDER / gerank.LIBRARY
    with pytest.raises(ImportError, match="is missing: run `make build`"):
        check_torch(tmp_path)
    (tmp_path / gerank.LIBRARY).write_bytes(b"\x7fELF")
    with pytest.raises(ImportError, match="does not say which torch"):
        check_torch(tmp_path)


@pytest.mark.parametrize("file", [*LIBRARIES, PROGRAM], ids=lambda file: file.name)
def test_every_library_finds_all_its_symbols_when_it_is_loaded(file: Path) -> None:
    if not file.exists():
        pytest.skip("not built")
    dynamic = run("readelf", "--dynamic", "--wide", file).stdout
    assert re.search(r"\bNOW\b", dynamic), dynamic


def test_an_sdist_holds_all_sources_and_nothing_built(tmp_path: Path) -> None:
    done = run(
        sys.executable, ROOT / "setup.py", "-q", "egg_info", "--egg-base", tmp_path,
        "sdist", "--dist-dir", tmp_path,
        PATH=tools()["PATH"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    sources = [
        path.relative_to(ROOT).as_posix()
        for folder in ("cmake", "csrc", "protos", "server/native", "server/gerank_server")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".so")
    ]
    needed = {"CMakeLists.txt", "setup.py", "pyproject.toml", "LICENSE", "gerank/version.py"}
    assert (needed | {"tools/generate_protos.py", *sources}) - names == set()
    built = ("gerank/lib/", "gerank/include/", "gerank/proto/", "build/")
    assert [name for name in names if name.endswith(".so") or name.startswith(built)] == []


def configured(folder: Path, asked: str) -> subprocess.CompletedProcess[str]:
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(user LANGUAGES CXX)\n"
        f'find_package(gerank {asked} REQUIRED)\nmessage(STATUS "found ${{gerank_VERSION}}")\n'
    )
    return run(
        "cmake", "-S", folder, "-B", folder / "build",
        f"-DCMAKE_PREFIX_PATH={gerank.cmake_prefix_path}",
        PATH=tools()["PATH"],
    )  # fmt: skip


def test_cmake_finds_this_version_and_no_later_one(tmp_path: Path) -> None:
    found = configured(tmp_path, ".".join(gerank.__version__.split(".")[:2]))
    assert f"found {gerank.__version__}" in found.stdout, found.stderr
    assert configured(tmp_path, "99.0").returncode != 0


@pytest.mark.parametrize("header", ["engine", "ranker", "ops", "query", "status"])
def test_a_program_in_c_plus_plus_17_gets_a_sentence(header: str, tmp_path: Path) -> None:
    (tmp_path / "user.cpp").write_text(f"#include <gerank/{header}.h>\n")
    include = ROOT / "csrc" / "include"
    words = ["c++", "-fsyntax-only", f"-I{include}", tmp_path / "user.cpp"]
    old = run(*words, "-std=c++17")
    first = next(line for line in old.stderr.splitlines() if " error: " in line)
    assert old.returncode != 0 and "gerank's headers need C++20" in first
    assert run(*words, "-std=c++20").returncode == 0
