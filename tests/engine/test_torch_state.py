"""An answer depends on request and seed, not on what its caller has switched on in torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gerank.data.slate import Slate
from gerank.engine import Engine
from gerank.export.artifact import load_artifact
from gerank.ranker import Ranker
from tests.cli.command import environment
from tests.data.request_cases import CONTRACT, random_document
from tests.nn.batches import random_batch

Documents = list[dict[str, Any]]


class Passing(TorchDispatchMode):
    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        return function(*arguments, **(named or {}))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "FakeTensorMode": FakeTensorMode,
    "a dispatch mode": Passing,
    "default dtype": lambda: default_dtype(torch.float64),
    "default device": lambda: torch.device("meta"),
    "gradients": torch.enable_grad,
    "inference": torch.inference_mode,
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
}
WAYS: dict[str, Callable[[Path, Ranker, Engine, Documents], list[Slate]]] = {
    "Ranker.rank": lambda path, ranker, engine, asked: ranker.rank(asked),
    "Ranker.load": lambda path, ranker, engine, asked: loaded_again(path, ranker).rank(asked),
    "Engine.rank": lambda path, ranker, engine, asked: engine.rank(asked).slates,
    "Engine.submit": lambda path, ranker, engine, asked: engine.submit(asked).wait().slates,
}


def loaded_again(path: Path, ranker: Ranker) -> Ranker:
    return Ranker.load(path, implementation=ranker.implementation)


def documents(seed: int) -> Documents:
    rng = np.random.default_rng(seed)
    return [random_document(rng, CONTRACT) for _ in range(16)]


@pytest.fixture(scope="module", params=["torchscript", "native"])
def ranker(artifact: Path, request: pytest.FixtureRequest) -> Ranker:
    return Ranker.load(artifact, implementation=request.param)


@pytest.fixture(scope="module")
def engine(ranker: Ranker) -> Iterator[Engine]:
    with Engine() as started:
        started.publish("feed", ranker)
        yield started


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES)
def test_the_answer_is_the_same_in_every_state_of_torch(
    state: str, way: str, artifact: Path, ranker: Ranker, engine: Engine, seed: int
) -> None:
    asked = documents(seed)
    expected = ranker.rank(asked)
    with STATES[state]():
        assert WAYS[way](artifact, ranker, engine, asked) == expected
    assert ranker.rank(asked) == expected


@pytest.mark.parametrize("transform", [torch.vmap, torch.func.grad])
def test_the_answer_is_the_same_within_a_transform(
    transform: Callable[[Any], Any], ranker: Ranker, seed: int
) -> None:
    asked = documents(seed)
    expected, answers = ranker.rank(asked), []

    def asking(value: torch.Tensor) -> torch.Tensor:
        answers.append(ranker.rank(asked))
        return value.sum()

    value = torch.ones(3, 2) if transform is torch.vmap else torch.ones(2)
    transform(asking)(value)
    assert answers == [expected]


@pytest.mark.parametrize("state", ["autocast to bfloat16", "FakeTensorMode", "default device"])
def test_an_artifact_is_checked_in_python_as_in_every_state(
    state: str, artifact: Path, seed: int
) -> None:
    batch = random_batch(seed, 5)
    expected = load_artifact(artifact).rerank(batch)
    with STATES[state]():
        loaded = load_artifact(artifact)
        answer = loaded.rerank(batch)
    assert all(map(torch.equal, expected, answer))


def test_torch_is_as_it_was_afterwards(ranker: Ranker, seed: int) -> None:
    asked = documents(seed)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ranker.rank(asked)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    with FakeTensorMode():
        ranker.rank(asked)
        assert type(torch.ones(1)).__name__ == "FakeTensor"
    ranker.rank(asked)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


THREADS = """
import json, sys, threading
import numpy as np
import gerank, torch
from gerank import _engine
from gerank.engine import Engine, EngineOptions
from gerank.ranker import Ranker
from tests.data.request_cases import CONTRACT, random_document

torch.set_num_threads(3)
def of_a_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start(); thread.join()
    return found[0]

of_workers = []
def model(*arrays):
    of_workers.append((threading.get_ident(), torch.get_num_threads()))
    torch.ones(300_000).sin_()  # a parallel loop, which must not change it
    of_workers.append((threading.get_ident(), torch.get_num_threads()))
    nothing = np.full(arrays[6].shape, -1)
    return nothing, nothing.astype(np.float32), nothing

before = of_a_new_thread()
engine = Engine(EngineOptions(workers=2, intra_op_threads=2, implementation="torchscript"))
started = of_a_new_thread()
engine.load("feed", sys.argv[1])
document = random_document(np.random.default_rng(0), CONTRACT)
engine.submit([document]).wait()
contract = json.dumps(CONTRACT.to_json())
engine.publish("feed", Ranker(_engine.Ranker.over_function(contract, "v", model)))
engine.submit([document]).wait()
engine.submit([document]).wait()
running = of_a_new_thread()
here = torch.get_num_threads()
engine.stop()
main = threading.get_ident()
workers = {threads for thread, threads in of_workers if thread != main}
print(before, started, running, here, of_a_new_thread(), workers)
"""


def test_an_engine_leaves_the_process_its_number_of_threads(artifact: Path) -> None:
    words = [sys.executable, "-c", THREADS, str(artifact)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout == "3 3 3 3 3 {2}\n", done.stdout + done.stderr
