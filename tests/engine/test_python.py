"""The engine from Python: `gerank.load`, and `gerank.engine.Engine`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gerank
from gerank import _engine
from gerank.data.request import Request, RequestError
from gerank.data.request_check import parse_request
from gerank.engine import Engine, EngineOptions, StatusError
from gerank.export.artifact import Artifact, ArtifactError
from gerank.ranker import Ranker
from tests.cli.command import environment
from tests.data.bad_requests import BAD_DOCUMENTS, valid_document
from tests.data.request_cases import CONTRACT, random_document
from tests.export.conftest import content, generator, written  # noqa: F401  fixtures

Arrays = tuple[NDArray[Any], ...]


def stand_in(version: str, gate: threading.Event | None = None) -> Ranker:
    """A model in Python that puts candidate n into slot n, once the gate is open."""

    def model(*arrays: NDArray[Any]) -> Arrays:
        if gate is not None and arrays[0].any():  # the ages of a warm-up are 0
            assert gate.wait(30)
        pins, mask = arrays[6], arrays[4]
        places = np.broadcast_to(np.arange(pins.shape[1]), pins.shape)
        slates = np.where(places < mask.sum(1, keepdims=True), places, -1)
        return slates, np.zeros(pins.shape, np.float32), np.zeros(pins.shape, np.int64)

    native = _engine.Ranker.over_function(json.dumps(CONTRACT.to_json()), version, model)
    return Ranker(native)


def plain() -> Request:
    return replace(parse_request(valid_document(), CONTRACT), pins=(), dedup_keys=None)


@pytest.fixture
def ranker(written: tuple[Path, Artifact]) -> Ranker:  # noqa: F811
    return gerank.load(written[0])


def test_a_loaded_artifact_says_what_it_is(
    ranker: Ranker,
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    assert ranker.contract == written[1].contract
    assert ranker.manifest == written[1].manifest
    assert ranker.model_version == written[1].model_version


def test_documents_and_columns_get_the_same_slates(ranker: Ranker, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = [random_document(rng, CONTRACT) for _ in range(50)]
    columns = [parse_request(document, CONTRACT) for document in documents]
    assert ranker.rank(documents) == ranker.rank(columns)
    assert ranker.rank([]) == []


def test_a_slate_does_not_depend_on_the_batch_it_travels_in(ranker: Ranker, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = [random_document(rng, CONTRACT) for _ in range(50)]
    alone = [ranker.rank([document])[0] for document in documents]
    together = ranker.rank(documents)
    assert [slate.candidates for slate in together] == [slate.candidates for slate in alone]


def test_a_drawn_seed_is_told_and_repeats_the_slate(ranker: Ranker) -> None:
    request = replace(plain(), seed=None, greedy=False)
    [first], [second] = ranker.rank([request]), ranker.rank([request])
    assert first.seed != second.seed
    assert ranker.rank([replace(request, seed=first.seed)]) == [first]


@pytest.mark.parametrize("case", BAD_DOCUMENTS)
def test_every_bad_document_is_refused_with_its_place(ranker: Ranker, case: str) -> None:
    spoil, field, shown = BAD_DOCUMENTS[case]
    document = valid_document()
    spoil(document)
    with pytest.raises(RequestError) as caught:
        ranker.rank([valid_document(), document])
    assert caught.value.field.startswith(f"requests[1].{field}")
    assert shown in str(caught.value)


def test_bad_columns_are_refused_with_their_place(ranker: Ranker) -> None:
    spoiled = replace(plain(), weights={"clicks": 9.0})
    with pytest.raises(RequestError) as caught:
        ranker.rank([plain(), spoiled])
    assert caught.value.field == "requests[1].weights.clicks"


def test_loading_needs_no_torch_in_python(written: tuple[Path, Artifact]) -> None:  # noqa: F811
    code = f"import gerank, sys; gerank.load({str(written[0])!r}); print('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert run.stdout == "False\n", run.stderr


def test_an_engine_answers_many_threads(written: tuple[Path, Artifact], seed: int) -> None:  # noqa: F811
    rng = np.random.default_rng(seed)
    documents = [random_document(rng, CONTRACT) for _ in range(64)]
    expected = [slate.candidates for slate in gerank.load(written[0]).rank(documents)]
    with Engine(EngineOptions(workers=2, max_batch=8)) as engine, ThreadPoolExecutor(8) as pool:
        engine.load("feed", written[0])
        answers = list(pool.map(lambda document: engine.rank([document]), documents))
        assert [answer.slates[0].candidates for answer in answers] == expected
        stats = engine.stats()
        assert stats["answered"] == stats["accepted"] == stats["batch_queries"]["sum"] == 64
    assert {answer.model_version for answer in answers} == {written[1].model_version}


def test_the_gil_is_free_while_the_engine_works() -> None:
    gate = threading.Event()
    with Engine() as engine, ThreadPoolExecutor(1) as pool:
        engine.publish("feed", stand_in("v1", gate))
        blocked = pool.submit(engine.rank, [plain()])
        while engine.stats()["running"] == 0:
            time.sleep(0.001)
        assert not blocked.done()
        gate.set()
        assert blocked.result(30).slates[0].candidates == (0, 1, 2, 3, 4)


def test_deadlines_cancels_and_refusals_have_their_codes() -> None:
    gate = threading.Event()
    with Engine(EngineOptions(max_queue=2, max_queries=2)) as engine:
        with pytest.raises(StatusError, match="no model is loaded yet") as early:
            engine.rank([plain()])
        engine.publish("feed", stand_in("v1", gate))
        running = engine.submit([plain()])
        while engine.stats()["running"] == 0:
            time.sleep(0.001)
        late = engine.submit([plain()], timeout_s=0.01)
        with pytest.raises(StatusError) as expired:
            late.wait()
        doomed, ended = engine.submit([plain()]), threading.Event()
        waiting = engine.submit([plain()], callback=ended.set)
        with pytest.raises(StatusError) as refused:
            engine.rank([plain()])
        assert doomed.cancel() and doomed.done() and not doomed.cancel()
        with pytest.raises(StatusError) as cancelled:
            doomed.wait()
        assert not ended.is_set()
        gate.set()
        assert ended.wait(30)
        assert waiting.wait().slates == running.wait().slates
        with pytest.raises(RequestError, match=r"must be 1 to 2, got 0"):
            engine.rank([])
    codes = [caught.value.code for caught in (early, expired, refused, cancelled)]
    assert codes == ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"]
    assert refused.value.retry_after_s > 0


def test_a_forgotten_call_is_cancelled() -> None:
    gate = threading.Event()
    with Engine() as engine:
        engine.publish("feed", stand_in("v1", gate))
        running = engine.submit([plain()])
        while engine.stats()["running"] == 0:
            time.sleep(0.001)
        engine.submit([plain()])
        assert engine.stats()["cancelled"] == 1
        gate.set()
        running.wait()


def test_a_model_that_raises_fails_its_call_alone() -> None:
    def model(*arrays: NDArray[Any]) -> Arrays:
        if arrays[0].any():
            raise RuntimeError("the model is broken")
        nothing = np.full(arrays[6].shape, -1)
        return nothing, nothing, nothing

    native = _engine.Ranker.over_function(json.dumps(CONTRACT.to_json()), "v1", model)
    with Engine() as engine:
        engine.publish("feed", Ranker(native))
        with pytest.raises(StatusError, match="the model is broken") as caught:
            engine.rank([plain()])
        assert caught.value.code == "INTERNAL"
        engine.publish("feed", stand_in("v2"))
        assert engine.rank([plain()]).model_version == "v2"


def test_a_damaged_artifact_is_refused_and_the_old_one_serves_on(
    written: tuple[Path, Artifact],  # noqa: F811
    content: bytes,  # noqa: F811
    tmp_path: Path,
) -> None:
    damaged = tmp_path / "damaged.gerank"
    with Engine() as engine:
        engine.load("feed", written[0])
        for altered in (content[: len(content) // 2], content[:-700] + b"\0" * 700, b""):
            damaged.write_bytes(altered)
            with pytest.raises(ArtifactError, match=r"damaged\.gerank: not an artifact"):
                engine.load("feed", damaged)
        assert engine.rank([plain()]).model_version == written[1].model_version
        assert engine.stats()["swaps"] == 1


def test_versions_can_be_kept_named_rolled_back_and_retired() -> None:
    with Engine() as engine:
        engine.publish("feed", stand_in("v1"))
        engine.publish("feed", stand_in("v2"), keep_old=True)
        assert [model[:3] for model in engine.models()] == [
            ("feed", "v1", False),
            ("feed", "v2", True),
        ]
        assert engine.rank([plain()]).model_version == "v2"
        assert engine.rank([plain()], version="v1").model_version == "v1"
        engine.make_current("feed", "v1")
        assert engine.rank([plain()]).model_version == "v1"
        engine.retire("feed", "v1")
        assert engine.rank([plain()]).model_version == "v2"
        with pytest.raises(StatusError, match=r"'v1' is published; there are \['v2'\]") as caught:
            engine.make_current("feed", "v1")
        assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize("given", [float("nan"), "5", None], ids=repr)
def test_a_grace_that_is_none_is_named_and_the_engine_serves_on(given: Any) -> None:
    with Engine() as engine:
        engine.publish("feed", stand_in("v1"))
        with pytest.raises(ValueError, match=r"^grace_s: must be a number of seconds, got"):
            engine.stop(given)
        assert len(engine.rank([plain()]).slates) == 1


def test_a_callback_that_is_no_function_is_named() -> None:
    with Engine() as engine:
        engine.publish("feed", stand_in("v1"))
        with pytest.raises(ValueError, match=r"^callback: must be a function without .*, got 5$"):
            engine.submit([plain()], callback=5)  # type: ignore[arg-type]
