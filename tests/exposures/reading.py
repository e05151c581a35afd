"""Exposure files, read as protobuf's own delimited streams are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gerank.proto import exposure_pb2


def read_stream(content: bytes) -> Iterator[exposure_pb2.Exposure]:
    place = 0
    while place < len(content):
        size = shift = 0
        while True:
            byte = content[place]
            place += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield exposure_pb2.Exposure.FromString(content[place : place + size])
        place += size


def read_folder(folder: Path) -> list[exposure_pb2.Exposure]:
    """All records of the closed files, in the order of their names."""
    files = sorted(folder.glob("exposures-*.pb"))
    return [record for file in files for record in read_stream(file.read_bytes())]
