"""Builds the kernels for the CPU: g++ alone, no torch, no CUDA."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "csrc" / "ops" / "cuda"
SHIM = Path(__file__).resolve().parent / "shim"
BUILD = ROOT / "build" / "cuda_shim"
FLAGS = ["-x", "c++", "-std=c++20", "-O1", "-fPIC", "-Wall", "-Wextra", "-Werror",
         "-Wno-unknown-pragmas", "-I", str(SHIM)]  # fmt: skip


def compiler() -> str | None:
    """The C++ compiler, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++"))


def build_shim() -> Path:
    """The library, compiled again if a source has changed."""
    library = BUILD / f"libgerank_cuda_shim-{digest()}.so"
    if not library.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        for old in BUILD.iterdir():
            old.unlink()
        sources = [*sorted(KERNELS.glob("*.cu")), *sorted(SHIM.glob("*.cpp"))]
        with ThreadPoolExecutor(max_workers=2) as pool:
            objects = list(pool.map(_compile, sources))
        unfinished = library.with_suffix(".new")
        _run([str(compiler()), "-shared", "-o", str(unfinished), *map(str, objects)])
        unfinished.rename(library)
    return library


def digest() -> str:
    """Returns a digest of everything that is compiled, and of the flags."""
    folders = (KERNELS, KERNELS.parents[1] / "decode", SHIM)
    sources = sorted(p for f in folders for p in f.iterdir() if p.suffix in {".cu", ".cuh", ".h"})
    found = hashlib.sha256(" ".join(FLAGS).encode())
    for source in [*sources, *sorted(SHIM.glob("*.cpp"))]:
        found.update(source.read_bytes())
    return found.hexdigest()[:16]


def _compile(source: Path) -> Path:
    target = BUILD / f"{source.name}.o"
    _run([str(compiler()), *FLAGS, "-c", str(source), "-o", str(target)])
    return target


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
