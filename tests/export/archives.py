"""Takes an artifact apart and puts it together again, altered."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

from safetensors.torch import load

from gerank.data.batch import RerankBatch, Slates


def records(content: bytes) -> dict[str, bytes]:
    """Name (with the archive's own prefix) -> body."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    """A sound zip of these records."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def name_of(parts: dict[str, bytes], ending: str) -> str:
    """The one record whose name ends so."""
    (name,) = (name for name in parts if name.endswith(ending))
    return name


def with_manifest(content: bytes, *, checksums: bool, **changes: Any) -> bytes:
    """`gerank.json` changed; the checksums left as they are, or made to agree."""
    parts = records(content)
    name = name_of(parts, "extra/gerank.json")
    manifest = json.loads(parts[name]) | changes
    manifest = {key: value for key, value in manifest.items() if value is not None}
    parts[name] = json.dumps(manifest).encode()
    return packed(resummed(parts) if checksums else parts)


def resummed(parts: dict[str, bytes]) -> dict[str, bytes]:
    """The records with checksums that agree, as a forger would leave them."""
    sums = name_of(parts, "extra/checksums.json")
    kept = {name: body for name, body in parts.items() if name != sums}
    found = {
        name.split("/", 1)[1]: zlib.crc32(body)
        for name, body in kept.items()
        if not name.endswith("serialization_id")
    }
    return kept | {sums: json.dumps(found).encode()}


def golden_of(body: bytes) -> tuple[RerankBatch, Slates]:
    """The golden requests and their answers, out of the record that holds them."""
    tensors = load(body)
    return (
        RerankBatch(*(tensors[name] for name in RerankBatch._fields)),
        Slates(*(tensors[name] for name in Slates._fields)),
    )
