"""`make install-cpp PREFIX=...`: everything that a C++ program needs lies under one folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cpp_projects import ROOT, tools
from tests.server.stand_in import StandIn

EXAMPLE = ROOT / "examples" / "cpp_embed"


def run(*words: object, **settings: str) -> str:
    command = list(map(str, words))
    environment = os.environ | tools() | settings
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(component: str, folder: Path) -> Path:
    build = ROOT / "build" / "cmake"
    if not (build / "libgerank_runtime.so").exists():
        pytest.skip("no build folder of `make build` to install from")
    run("cmake", "--install", build, "--component", component, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("cpp", tmp_path_factory.mktemp("prefix"))


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("runtime", tmp_path_factory.mktemp("runtime"))


def test_an_installation_is_headers_libraries_and_a_cmake_package(prefix: Path) -> None:
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {
        "include/gerank/engine.h",
        "lib/libgerank.so",
        "lib/libgerank_runtime.so",
        "lib/libgerank_torchscript.so",
        "lib/cmake/gerank/gerankConfig.cmake",
    } <= files
    assert not [name for name in files if "python" in name or name.endswith(".py")]


def test_a_program_builds_and_runs_against_an_installation(
    prefix: Path, artifact: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    run("cmake", "-S", EXAMPLE, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    libraries = run("ldd", build / "cpp_embed")
    assert str(prefix / "lib" / "libgerank_runtime.so") in libraries
    assert "not found" not in libraries
    pages = tmp_path / "pages.txt"
    pages.write_text("0\n")
    assert run(build / "cpp_embed", artifact, pages, 2) == ""


def test_the_runtime_alone_serves_stock_artifacts_without_torch(
    without_torch: Path, artifact: Path, tmp_path: Path
) -> None:
    assert [path.name for path in (without_torch / "lib").glob("*.so")] == ["libgerank_runtime.so"]
    build = tmp_path / "build"
    run("cmake", "-S", EXAMPLE, "-B", build, f"-DCMAKE_PREFIX_PATH={without_torch}")
    run("cmake", "--build", build)
    libraries = run("ldd", build / "cpp_embed")
    assert str(without_torch / "lib" / "libgerank_runtime.so") in libraries
    assert "not found" not in libraries and "torch" not in libraries and "c10" not in libraries
    pages = tmp_path / "pages.txt"
    pages.write_text("0\n")
    assert run(build / "cpp_embed", artifact, pages, 2) == ""
    own = StandIn(tmp_path).path
    words = list(map(str, [build / "cpp_embed", own, pages, 2]))
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{own}: libgerank_torchscript.so, which runs it, cannot be loaded: " in done.stderr


def test_an_unknown_component_is_named(without_torch: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(p CXX)\n"
        "find_package(gerank REQUIRED COMPONENTS gpu)\n"
    )
    words = ["cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={without_torch}"]
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, env=os.environ | tools()
    )
    assert done.returncode != 0 and "components runtime and ops, and no gpu" in done.stderr


def test_a_missing_installation_is_named(tmp_path: Path) -> None:
    words = ["cmake", "-S", EXAMPLE, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={tmp_path}"]
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, env=os.environ | tools()
    )
    assert done.returncode != 0 and "gerank" in done.stderr
