"""Builds the libraries and the Python module with CMake, against the torch of this Python.

`pip install --no-build-isolation .` or `-e .`: the library must meet the very torch that will load
it, so pip must not build in an environment of its own. Everything else is in pyproject.toml.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    """Runs CMake in build/cmake, which stays for the next, incremental build."""

    def run(self) -> None:
        tools = Path(sys.executable).parent  # cmake and ninja of an environment not activated
        os.environ["PATH"] = os.pathsep.join([str(tools), os.environ.get("PATH", "")])
        in_tree = bool(self.editable_mode or self.inplace)
        package = ROOT if in_tree else Path(self.build_lib).resolve()
        build = ROOT / "build" / "cmake"
        configure = [
            "cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja",
            f"-DCMAKE_PREFIX_PATH={torch_prefix()}",
            f"-DGERANK_LIBRARY_DIR={package / 'gerank' / 'lib'}",
            "-DGERANK_PYTHON=ON",
            f"-DGERANK_MODULE_DIR={package / 'gerank'}",
            f"-DPython_EXECUTABLE={sys.executable}",
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",  # for clang-tidy
            f"-Dpybind11_DIR={pybind11_folder()}",
            # A wheel finds torch beside itself, a source tree where it was at build time.
            f"-DCMAKE_BUILD_WITH_INSTALL_RPATH={'OFF' if in_tree else 'ON'}",
            *os.environ.get("GERANK_CMAKE_ARGS", "").split(),
        ]  # fmt: skip
        self.spawn(configure)
        self.spawn(["cmake", "--build", str(build)])
        headers = ["cmake", "--install", str(build), "--prefix", str(package / "gerank")]
        self.spawn([*headers, "--component", "package"])

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


def torch_prefix() -> str:
    """Where torch's CMake package lies."""
    try:
        import torch
    except ModuleNotFoundError:
        sys.exit(
            "gerank compiles against torch, and this Python has none. Install it first, then let "
            "pip see it:\n"
            f"    {sys.executable} -m pip install torch setuptools wheel cmake ninja pybind11\n"
            f"    {sys.executable} -m pip install --no-build-isolation ."
        )
    return str(torch.utils.cmake_prefix_path)


def pybind11_folder() -> str:
    """Where pybind11's CMake package lies."""
    try:
        import pybind11
    except ModuleNotFoundError:
        sys.exit(f"gerank's Python module needs pybind11: {sys.executable} -m pip install pybind11")
    return str(pybind11.get_cmake_dir())


def generate_wire_code() -> None:
    """gerank/proto/ from protos/: before setuptools looks for packages."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from generate_protos import generate_protos
    except ModuleNotFoundError as error:
        print(f"gerank: no gRPC front, client or server: {error}; pip install grpcio-tools")
        return
    generate_protos(ROOT / "gerank" / "proto")


generate_wire_code()

# The sources are CMake's business; an extension without any makes the wheel one for this platform.
setup(
    ext_modules=[Extension("gerank.lib.libgerank", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
)
