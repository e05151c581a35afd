"""The metadata of a call: what HTTP/2 can carry, said before gRPC blames the server."""

from __future__ import annotations

import re
from collections.abc import Sequence

Metadata = Sequence[tuple[str, str | bytes]]
_NAME = re.compile(r"[0-9a-z_.-]+")
_TEXT = re.compile(rb"[ -~]*")


class MetadataError(ValueError):
    """An entry of metadata cannot be sent; the message names its key, and shows no value."""


def checked_metadata(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """The entries, each of which a call can carry.

    Raises:
        MetadataError: One is no pair, has a malformed name or a value that cannot be sent.
    """
    return tuple(_checked(entry) for entry in metadata)


def _checked(entry: object) -> tuple[str, str | bytes]:
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        raise MetadataError(f"metadata: must be pairs of a name and a value, got {type(entry)}")
    name, value = entry
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        rule = "the name must be of lower-case letters, digits, '-', '_' and '.'"
        raise MetadataError(f"metadata: {rule}, got {name!r}")
    if not isinstance(value, str | bytes):
        raise MetadataError(f"metadata: {name}: the value must be a text or bytes")
    if name.endswith("-bin"):
        return name, value
    # A value may be a secret, so that no message shows one.
    content = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
    if not _TEXT.fullmatch(content):
        raise MetadataError(f"metadata: {name}: the value must be of visible ASCII and spaces")
    return name, value
