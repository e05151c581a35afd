"""The kernels on the CPU, built once a session; a new order of their threads for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.cuda.shim_build import compiler
from tests.cuda.shim_kernels import Shim, load_shim


@pytest.fixture(scope="session")
def library() -> Shim:
    if compiler() is None:
        pytest.skip("no C++ compiler: g++, or what CXX names")
    return load_shim()


@pytest.fixture
def shim(library: Shim, seed: int) -> Shim:
    library.schedule(seed)
    return library


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
