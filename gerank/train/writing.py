"""Files of a run: an error of writing names the file, and no part of a file stays."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gerank.data.whole_file import whole_file
from gerank.train.processes import current


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives an error of the system, such as a full disk, the name of the file that was written.

    Raises:
        OSError: With `path` as its file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{path}: {error}") from error
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all; one of several processes does, and the others wait.

    Raises:
        OSError: It cannot be written; the old file is as it was.
    """

    def write() -> None:
        with naming(path), whole_file(path) as draft:
            draft.write_text(text, encoding="utf-8")

    current().told_by_first(write)


def write_tensors(path: Path, document: dict[str, Any]) -> None:
    """Writes tensors and plain values, whole or not at all, and by the first process alone.

    They are put together in memory first: torch's own writer tells nothing of why it fails. Tensors
    are written as of the CPU, wherever they lie, so that a file can be read on any machine.

    Raises:
        OSError: It cannot be written; the old file is as it was.
    """

    def write() -> None:
        content = io.BytesIO()
        torch.save(_on_cpu(document), content)
        with naming(path), whole_file(path) as draft:
            draft.write_bytes(content.getbuffer())

    current().told_by_first(write)


def _on_cpu(value: Any) -> Any:
    """The same tensors and plain values, all on the CPU."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        copied = copy.copy(value)  # a state knows more of itself than its items
        copied.update((key, _on_cpu(each)) for key, each in value.items())
        return copied
    if isinstance(value, (list, tuple)):
        return type(value)(map(_on_cpu, value))
    return value
