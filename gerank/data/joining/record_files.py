"""The records of exposure folders, read one after the other: as much memory as one record takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from gerank.data.joining.errors import JoinError
from gerank.proto import exposure_pb2

_CLOSED, _OPEN = "exposures-*.pb", "exposures-*.pb.part"
_LONGEST_SIZE = 10  # bytes of a varint


@dataclass(frozen=True)
class RecordFile:
    """One file of an exposure log, as far as it went when it was found.

    Attributes:
        path: Where it was then; without `.part` once its server has closed it.
        size: Its length in bytes then. What is written later is of no concern.
    """

    path: Path
    size: int

    def open(self) -> BinaryIO:
        """The file, also where its server closed it since."""
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            if self.path.suffix != ".part":
                raise
            return self.path.with_suffix("").open("rb")


def find_files(folders: list[Path]) -> list[RecordFile]:
    """The files of exposure folders, in the order of their names, which begin with the time.

    Raises:
        JoinError: A folder is none, or holds no such file.
    """
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise JoinError(f"{folder}: no such folder")
        # A file that is closed in between has either name in one of the two looks.
        still_open = {path.with_suffix("").name: path for path in folder.glob(_OPEN)}
        closed = {path.name: path for path in folder.glob(_CLOSED)}
        paths = still_open | closed
        if not paths:
            raise JoinError(f"{folder}: no exposures-*.pb in this folder")
        found += [_as_found(path) for path in paths.values()]
    return sorted(found, key=lambda file: file.path.name)


def _as_found(path: Path) -> RecordFile:
    found = RecordFile(path, 0)
    with found.open() as file:
        return RecordFile(path, file.seek(0, 2))


def read_records(file: RecordFile) -> Iterator[exposure_pb2.Exposure | None]:
    """The records of a file; None at its end where a torn one follows.

    Raises:
        JoinError: What lies in the file is no record.
        OSError: The file cannot be read.
    """
    with file.open() as stream:
        while (place := stream.tell()) < file.size:
            size = _read_size(stream)
            if size is None or stream.tell() + size > file.size:
                yield None
                return
            try:
                record = exposure_pb2.Exposure.FromString(stream.read(size))
            except DecodeError:
                raise JoinError(f"{file.path}: no record of exposures at byte {place}") from None
            yield record


def _read_size(stream: BinaryIO) -> int | None:
    """A varint; None where the file ends within it, or it is none."""
    size = 0
    for place in range(_LONGEST_SIZE):
        byte = stream.read(1)
        if not byte:
            return None
        size |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return size
    return None
