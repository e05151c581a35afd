"""Loads `libgerank.so`, whose ops then exist as `torch.ops.gerank.*`."""

from __future__ import annotations

from pathlib import Path

import torch

from gerank.torch_version import LIBRARY_FOLDER, check_torch


def load_library(folder: Path = LIBRARY_FOLDER) -> None:
    """Registers the ops of the library in `folder`. Again: does nothing.

    Raises:
        ImportError: The library is missing, was built for another torch, or does not load.
    """
    library = check_torch(folder)
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ImportError(
            f"{library} does not load into torch {torch.__version__}: run `make build` again "
            f"({error})"
        ) from error
