"""An artifact as a zip archive that also a reader without torch understands.

Torch packs a module's code; here every record lies in the file as it is, and begins at a multiple
of 64 bytes, so that a program that has read the file finds the weights aligned.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

_FOLDER = "artifact/"
_ALIGNMENT = 64
_LOCAL_HEADER = 30  # bytes before the name; PKWARE's APPNOTE.TXT, section 4.3.7
_LARGE_FIELD = 20  # bytes that zipfile puts before the padding of a record of gigabytes
_PADDING = 0x4246  # the id of the field of padding, as torch's own archives have it: "FB"


def records_of(scripted: torch.jit.ScriptModule) -> dict[str, bytes]:
    """What torch writes of a module: record by its name, without the archive's own folder."""
    buffer = io.BytesIO()
    with no_deprecation():
        torch.jit.save(scripted, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_archive(records: Mapping[str, bytes], path: Path) -> None:
    """Writes records side by side, none of them packed.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, body in records.items():
            entry = zipfile.ZipInfo(_FOLDER + name)
            begin = file.tell() + _LOCAL_HEADER + len(entry.filename.encode())
            if len(body) * 1.05 > zipfile.ZIP64_LIMIT:  # as zipfile decides
                begin += _LARGE_FIELD
            entry.extra = _padding(begin)
            archive.writestr(entry, body)


def _padding(begin: int) -> bytes:
    """A field behind which, where it stands at `begin`, an aligned record may follow."""
    length = -(begin + 4) % _ALIGNMENT
    return struct.pack("<HH", _PADDING, length) + bytes(length)


@contextmanager
def no_deprecation() -> Iterator[None]:
    """Keeps torch from saying that TorchScript is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        yield
