"""The option `precision`: what it gets, what is refused, and who says what runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gerank.engine import Engine, EngineOptions
from gerank.export.artifact import Artifact
from gerank.export.golden import draw_batch
from gerank.ranker import Ranker
from gerank_server.options import OptionError, ServerOptions
from tests.export.conftest import written  # noqa: F401  a fixture


def test_float32_is_what_runs_where_nobody_says_otherwise(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    ranker = Ranker.load(written[0])
    assert (ranker.precision, ranker.wanted_precision) == ("float32", "float32")
    assert EngineOptions().precision == "auto"


def test_torchscript_in_bfloat16_is_refused_by_name(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    rule = "precision: must be auto or float32 where the implementation is torchscript"
    with pytest.raises(ValueError, match=rule):
        Ranker.load(written[0], implementation="torchscript", precision="bfloat16")
    with pytest.raises(ValueError, match=rule):
        EngineOptions(implementation="torchscript", precision="bfloat16")
    with pytest.raises(OptionError, match=rule):
        ServerOptions(implementation="torchscript", precision="bfloat16")


@pytest.mark.parametrize("options", [EngineOptions, ServerOptions])
def test_an_unknown_precision_is_refused_by_name(options: type[EngineOptions]) -> None:
    with pytest.raises(
        ValueError, match=r"precision: must be auto, float32.* bfloat16, got 'half'"
    ):
        options(precision="half")


def test_an_unknown_precision_loads_nothing(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    words = "precision: must be auto, float32 or bfloat16, got 'half'"
    with pytest.raises(ValueError, match=words):
        Ranker.load(written[0], precision="half")


def test_an_engine_loads_in_its_precision(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    alone = Ranker.load(written[0], precision="bfloat16")
    with Engine(EngineOptions(precision="bfloat16")) as engine:
        engine.load("default", written[0])
        found = engine.find()
    assert found is not None
    assert found.wanted_precision == "bfloat16"
    assert found.precision == alone.precision


def test_arrays_of_another_shape_are_refused_by_name(
    written: tuple[Path, Artifact],  # noqa: F811
) -> None:
    ranker = Ranker.load(written[0])
    batch = draw_batch(ranker.contract, 3, 5, seed=0)
    fields = [tensor.numpy() for tensor in batch]
    with pytest.raises(ValueError, match="fields: must be the 14 arrays of a RerankBatch, got 13"):
        ranker.native.run(tuple(fields[:13]))
    for place, name in enumerate(batch._fields):
        other = list(fields)
        other[place] = other[place][None]
        with pytest.raises(ValueError, match=rf"^{name}: must have the shape \[.*\], got \[1, "):
            ranker.native.run(tuple(other))
        other[place] = fields[place].astype("complex64")
        with pytest.raises(ValueError, match=f"^{name}: must be a contiguous array of "):
            ranker.native.run(tuple(other))
