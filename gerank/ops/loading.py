"""Loads `libgerank.so`, whose ops then exist as `torch.ops.gerank.*`."""

from __future__ import annotations

from pathlib import Path

import torch

from gerank import LIBRARY

_FOLDER = Path(__file__).resolve().parent.parent / "lib"


def load_library(folder: Path = _FOLDER) -> None:
    """Registers the ops of the library in `folder`.

    Raises:
        ImportError: The library is missing, was built for another torch, or does not load.
    """
    library = folder / LIBRARY
    if not library.exists():
        raise ImportError(f"{library} is missing: run `make build` to compile the ops")
    built_for = torch_built_for(folder)
    running = torch.__version__.partition("+")[0]
    if built_for is not None and built_for != running:
        raise ImportError(
            f"{library} was built for torch {built_for}, but this is torch {running}: "
            "run `make build` again"
        )
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ImportError(
            f"{library} does not load into torch {running}: run `make build` again ({error})"
        ) from error


def torch_built_for(folder: Path) -> str | None:
    """The torch version that the build wrote beside the library; None if it wrote none."""
    note = folder / "torch_version.txt"
    return note.read_text().strip().partition("+")[0] if note.exists() else None
