"""The ops and the engine are for C++ programs too: they neither need nor mention Python or gRPC."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import torch

import gerank
import gerank.ops

LIBRARY = Path(gerank.__file__).parent / "lib" / gerank.LIBRARY
ENGINE = LIBRARY.with_name("libgerank_runtime.so")
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


def grpc_symbols(library: Path) -> set[str]:
    """Symbols of gRPC and of protobuf that a library defines or needs by itself."""
    symbols = {line.split()[-1] for line in run("nm", "-D", library).splitlines()}
    return {name for name in symbols if re.match(r"grpc_|gpr_|_ZNK?(4grpc|6google8protobuf)", name)}


def grpc_libraries(library: Path) -> set[str]:
    """Libraries of gRPC and of protobuf among those that it needs, at any depth."""
    every = [line.split()[0] for line in run("ldd", library).splitlines()]
    return {name for name in every if re.match(r"lib(grpc|gpr|protobuf|absl)", name)}


@pytest.mark.parametrize("library", [LIBRARY, ENGINE], ids=["ops", "engine"])
def test_the_library_knows_nothing_of_python(library: Path) -> None:
    assert python_symbols(library) == set()
    assert python_libraries(library) == set()


@pytest.mark.parametrize("library", [LIBRARY, ENGINE], ids=["ops", "engine"])
def test_the_library_knows_nothing_of_grpc(library: Path) -> None:
    assert grpc_symbols(library) == set()
    assert grpc_libraries(library) == set()


def test_the_runtime_shows_its_interface_and_what_the_other_libraries_share() -> None:
    """Two programs' copies of a JSON reader, say, must not meet."""
    lines = run("nm", "-D", "--defined-only", "-C", ENGINE).splitlines()
    shown = {line.split(maxsplit=2)[2] for line in lines}
    ours = {name for name in shown if "gerank::" in name and not name.startswith("std::")}
    classes = r"(Call|Clock|Contract|Engine|Model|ModelOptions|Ranker|Status)\b"
    classes += r"|(code_name|new_names_id)\("
    shared = r"cpu::(float_kernels|double_kernels|instruction_set_error)\b"
    shared += r"|page::(PageModel|Bfloat16Weights)::"
    shared += r"|(pass_threads|this_process|has_lost_its_pools)\("
    pattern = rf"gerank::({classes}|{shared})"
    assert {name for name in ours if not re.search(pattern, name)} == set()
    assert any(name.startswith("gerank::Engine::submit(") for name in ours)


def test_the_check_would_see_python() -> None:
    assert {"PyObject_Call", "PyErr_SetString"} <= python_symbols(TORCH_PYTHON)
    with_python = Path(torch._C.__file__)
    assert "libtorch_python.so" in python_libraries(with_python)


def test_the_check_would_see_grpc(tmp_path: Path) -> None:
    grpc_itself, user = tmp_path / "libgrpc.so.1", tmp_path / "libuser.so"
    for name, code in (("grpc", "void grpc_init(void) {}"), ("user", "void grpc_init(void);")):
        (tmp_path / f"{name}.c").write_text(f"{code} void use(void) {{ grpc_init(); }}")
    build = ("cc", "-shared", "-fPIC")
    run(*build, "-Wl,-soname,libgrpc.so.1", "-o", grpc_itself, tmp_path / "grpc.c")
    run(*build, "-o", user, tmp_path / "user.c", grpc_itself)
    assert grpc_symbols(user) == {"grpc_init"}
    assert grpc_libraries(user) == {"libgrpc.so.1"}


@pytest.mark.parametrize("op", ["pointer_step", "set_features", "decode_slates", "slate_log_prob"])
def test_the_three_names_meet(op: str) -> None:
    """The library, the namespace and the package are those that the package says."""
    assert LIBRARY.exists()
    schema = getattr(getattr(torch.ops, gerank.NAMESPACE), op).default._schema
    assert str(schema).startswith(f"{gerank.__name__}::{op}(")
