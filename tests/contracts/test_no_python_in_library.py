"""`libgerank.so` is for C++ programs too: it must neither need nor mention Python."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import torch

import gerank
import gerank.ops

LIBRARY = Path(gerank.__file__).parent / "lib" / gerank.LIBRARY
TORCH_PYTHON = Path(torch.__file__).parent / "lib" / "libtorch_python.so"


def run(*command: object) -> str:
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def python_symbols(library: Path) -> set[str]:
    """Symbols of the C API of Python, of pybind11, and of torch's Python side."""
    symbols = {line.split()[-1] for line in run("nm", "-D", library).splitlines()}
    return {name for name in symbols if re.match(r"_?Py[A-Z_]|.*pybind11|.*THPVariable", name)}


def python_libraries(library: Path) -> set[str]:
    """Python's libraries among those that it needs, at any depth."""
    direct = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", library))
    every = [line.split()[0] for line in run("ldd", library).splitlines()]
    return {name for name in direct + every if "python" in name}


def test_the_library_knows_nothing_of_python() -> None:
    assert python_symbols(LIBRARY) == set()
    assert python_libraries(LIBRARY) == set()


def test_the_check_would_see_python() -> None:
    assert {"PyObject_Call", "PyErr_SetString"} <= python_symbols(TORCH_PYTHON)
    with_python = Path(torch._C.__file__)
    assert "libtorch_python.so" in python_libraries(with_python)


@pytest.mark.parametrize("op", ["pointer_step", "set_ranks", "decode_slates", "slate_log_prob"])
def test_the_three_names_meet(op: str) -> None:
    """The library, the namespace and the package are those that the package says."""
    assert LIBRARY.exists()
    schema = getattr(getattr(torch.ops, gerank.NAMESPACE), op).default._schema
    assert str(schema).startswith(f"{gerank.__name__}::{op}(")
