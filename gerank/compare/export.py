"""A re-ranker of a comparison as an artifact: the file that `gerank export` writes of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.baselines.comparator import Comparator
from gerank.baselines.registry import comparator_class
from gerank.compare.cells import Cell, CellKind, read_cell, rows_of
from gerank.compare.config import CompareConfig
from gerank.compare.work import SLATES, fitted
from gerank.compare.workspace import CompareError, Workspace
from gerank.data.contract import RequestContract
from gerank.data.schema import FeatureSchema
from gerank.export.artifact import Artifact, save_artifact, script, write_artifact
from gerank.export.manifest import build_manifest, model_version
from gerank.nn.generator import Generator

_LARGEST_SET = 512  # what the decode ops take


def check_row(config: CompareConfig, name: str) -> None:
    """Is asked before anything is trained.

    Raises:
        CompareError: The comparison has no such row.
        NotServedError: No artifact can hold its comparator.
    """
    rows = rows_of(config)
    if name not in rows:
        raise CompareError(
            f"export {name!r}: the comparison has no such row; there are {', '.join(rows)}"
        )
    comparator_class(rows[name].comparator or name).check_served()


def export_row(space: Workspace, name: str, path: Path) -> Artifact:
    """Writes what answers as a row of the tables does with its first seed.

    A comparison keeps slates and no parameters. So the settings that were chosen are fitted anew,
    and what comes out must answer the test pages as it did in the comparison.

    Args:
        space: A comparison that is done.
        name: The row.
        path: The artifact.

    Raises:
        CompareError: There is no such row, it was left out, or the new fit is another one, as it
            may be on another kind of machine.
        NotServedError: No artifact can hold it.
        ArtifactError: What was written does not pass its checks.
    """
    check_row(space.config, name)
    settings, slates = _compared(space, name)
    with _one_thread():
        comparator = fitted(name, settings, space.config.seeds[0], space)
        again = comparator.slates(space.test, space.test_rows, space.config.data.slots).numpy()
    different = int((again != slates).any(axis=1).sum())
    if different:
        raise CompareError(
            f"export {name!r}: the same settings were fitted anew and answer {different} of "
            f"{len(slates)} test pages otherwise than in the comparison; export it where the "
            "comparison was made"
        )
    return export_comparator(comparator, space.log.schema, space.config.data.slots, path, name=name)


def export_comparator(
    comparator: Comparator, schema: FeatureSchema, slots: int, path: Path, *, name: str
) -> Artifact:
    """Writes a fitted comparator as an artifact.

    Args:
        comparator: One that is fitted; a generator of it is frozen.
        schema: The schema of the pages that it was fitted to.
        slots: N, of the longest slate that may be asked for.
        path: The artifact.
        name: The first part of the model version.

    Raises:
        NotServedError: No artifact can hold it.
        ArtifactError: What was written does not pass its checks.
    """
    served = comparator.served()
    facts: dict[str, Any] = {"comparator": comparator.name, "paper": comparator.paper}
    facts |= {"settings": comparator.settings, "seed": comparator.seed}
    contract = RequestContract(schema, _LARGEST_SET, slots, served.weights)
    if isinstance(served.module, Generator):
        return write_artifact(served.module, contract, path, name=name, training=facts)
    manifest = build_manifest(contract, model_version(name, served.module), facts)
    return save_artifact(script(served.module), contract, manifest, path)


def _compared(space: Workspace, name: str) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """The settings and slates of a row with the first seed."""
    cell = Cell(CellKind.SEED, name, space.config.seeds[0])
    document, arrays = read_cell(cell.file(space.out))
    if SLATES not in arrays:
        raise CompareError(f"export {name!r}: it was left out: {document['left_out']}")
    return document["settings"], arrays[SLATES]


@contextmanager
def _one_thread() -> Iterator[None]:
    """As the cells of a comparison are worked: figures depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
