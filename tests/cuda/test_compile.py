"""The kernels compile with nvcc for every architecture, their glue against any build of torch.

Compiling takes a while, so what has compiled once is not compiled again until a source changes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths

from tests.cuda.shim_build import KERNELS, ROOT, SHIM, compiler

NVCC = shutil.which("nvcc")
BUILD = ROOT / "build" / "cuda_compile"
# Little is optimised: an error shows all the same, in a third of the time.
NVCC_FLAGS = [
    "-std=c++17", "-Xcicc=-O1", "-Xptxas=-O1", "-Xcompiler=-Wall,-Wextra", "-Werror=all-warnings",
    "-gencode=arch=compute_80,code=sm_80", "-gencode=arch=compute_90,code=[sm_90,compute_90]",
]  # fmt: skip
KERNEL_FILES = sorted(path.name for path in KERNELS.glob("*.cu"))
GLUE_FILES = sorted(KERNELS.glob("*.cpp"))
HEADERS = [
    *sorted(path for path in KERNELS.iterdir() if path.suffix in {".h", ".cuh"}),
    *sorted((ROOT / "csrc" / "decode").glob("*.h")),
    KERNELS.parent / "checks.h",
]

needs_nvcc = pytest.mark.skipif(NVCC is None, reason="no nvcc: the kernels are not compiled")


def compile_once(name: str, command: list[str], sources: list[Path], text: str = "") -> None:
    """Runs a compiler, with `text` as its input, unless it has accepted these sources before."""
    digest = hashlib.sha256(f"{command} {torch.__version__}".encode())
    for path in [*sources, *HEADERS]:
        digest.update(path.read_bytes())
    accepted = BUILD / f"{name}-{digest.hexdigest()[:16]}.ok"
    if accepted.exists():
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    for old in BUILD.glob(f"{name}-*.ok"):
        old.unlink()
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    accepted.touch()


def cuda_headers() -> str:
    """The folder of cuda_runtime.h, as nvcc itself tells: what is on the path may be a wrapper."""
    command = [str(NVCC), "--dryrun", "-x", "cu", "/dev/null"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    top = re.search(r"TOP=(.*)", told)
    assert top is not None, told
    return str(Path(top[1].strip()) / "include")


@needs_nvcc
@pytest.mark.parametrize("name", KERNEL_FILES)
def test_nvcc_compiles_each_kernel_for_sm_80_sm_90_and_ptx(name: str) -> None:
    source = KERNELS / name
    command = [str(NVCC), *NVCC_FLAGS, "-c", str(source), "-o", "/dev/null"]
    compile_once(name, command, [source])


@needs_nvcc
@pytest.mark.skipif(compiler() is None, reason="no C++ compiler: the glue is not compiled")
def test_the_glue_compiles_against_this_torch() -> None:
    system = [flag for path in [*include_paths(), cuda_headers()] for flag in ("-isystem", path)]
    # A CPU build of torch has CUDA's wrappers, but not the header that its build writes.
    configured = [] if torch.version.cuda else ["-DC10_CUDA_NO_CMAKE_CONFIGURE_FILE"]
    flags = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *configured, *system]
    everything = "".join(f'#include "{path}"\n' for path in GLUE_FILES)  # torch's headers once
    command = [str(compiler()), *flags, "-x", "c++", "-"]
    compile_once("glue", command, GLUE_FILES, everything)


def test_kernels_include_no_header_of_torch() -> None:
    kernels = [path for path in KERNELS.iterdir() if path.suffix in {".cu", ".cuh"}]
    headers = [KERNELS / "params.h", KERNELS / "plan.h", KERNELS / "capacity.h"]
    assert len(kernels) > 10
    for path in [*kernels, *headers, *SHIM.iterdir()]:
        assert not re.search(r"#include [<\"](ATen|c10|torch)/", path.read_text()), path.name
