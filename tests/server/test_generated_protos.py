"""The Python side of protos/ is generated, current, and points at its own package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import gerank.proto

ROOT = Path(__file__).parents[2]


def _generator() -> ModuleType:
    path = ROOT / "tools" / "generate_protos.py"
    spec = importlib.util.spec_from_file_location("generate_protos", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_package_is_current(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    fresh = _generator().generate_protos(tmp_path)
    assert fresh
    [installed] = map(Path, gerank.proto.__path__)
    for path in fresh:
        assert (installed / path.name).read_text() == path.read_text(), f"{path.name}: make build"


def test_current_files_are_not_rewritten(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    generate = _generator().generate_protos
    before = {path: path.stat().st_mtime_ns for path in generate(tmp_path)}
    assert {path: path.stat().st_mtime_ns for path in generate(tmp_path)} == before


def test_exposures_hold_queries_of_the_same_type() -> None:
    from gerank.proto import exposure_pb2, rerank_pb2

    request = rerank_pb2.RerankRequest(queries=[rerank_pb2.Query(id="page")])
    record = exposure_pb2.Exposure(request=request)
    assert exposure_pb2.Exposure.FromString(record.SerializeToString()).request == request
