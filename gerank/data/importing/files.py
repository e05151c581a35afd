"""Which files a source means, and of what format they are."""

from __future__ import annotations

import glob
import gzip
import re
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from gerank.data.importing.errors import ImportLogError

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".svm": "svmlight",
    ".libsvm": "svmlight",
    ".svmlight": "svmlight",
    ".letor": "svmlight",
}
"""The ending of a file's name, less that of its compression -> its format."""
_COMPRESSION = (".gz", ".zst", ".zstd")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_PARTITION = re.compile(r"/([^/=]+)=[^/]*(?=/)")
_SVMLIGHT_LINE = re.compile(rb"^[-+0-9.eE]+\s+(qid:\S+\s+)?\d+:\S+")


class Files(NamedTuple):
    """The files of a source.

    Attributes:
        names: Paths or URLs, sorted within each source.
        format: One of the values of `FORMATS`.
        partitions: Names of columns that folders above the files hold, as in hour=12.
    """

    names: list[str]
    format: str
    partitions: frozenset[str]


def find_files(
    connection: duckdb.DuckDBPyConnection, sources: list[str], format_name: str = ""
) -> Files:
    """The files that paths, globs, folders and URLs mean.

    Args:
        connection: Learns to open the URLs.
        sources: As a person writes them.
        format_name: Overrules the names of the files.

    Raises:
        ImportLogError: Nothing is there, or the formats are unknown or differ.
    """
    known = sorted(set(FORMATS.values()))
    if format_name and format_name not in known:
        raise ImportLogError(f"source.format: {format_name!r} is not one of {', '.join(known)}")
    names = [name for source in sources for name in _expand(connection, source)]
    formats = {name: format_name or _format_of(name) for name in names}
    first = formats[names[0]]
    for name, kind in formats.items():
        if kind != first:
            raise ImportLogError(f"{name}: is {kind}, and {names[0]} is {first}: import one format")
    partitions = (column for name in names for column in _PARTITION.findall(name))
    return Files(names, first, frozenset(partitions))


def is_url(source: str) -> bool:
    """Whether a source is opened through fsspec rather than as a path."""
    return _URL.match(source) is not None and not source.startswith("file://")


def base_name(name: str) -> str:
    """A file's name without the ending of its compression."""
    for ending in _COMPRESSION:
        name = name.removesuffix(ending)
    return name


def _expand(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    if is_url(source):
        return _expand_url(connection, source)
    source = source.removeprefix("file://")
    path = Path(source)
    if path.is_dir():
        inside = (entry for entry in path.rglob("*") if entry.is_file())
        wanted = [str(entry) for entry in inside if _is_part(str(entry.relative_to(path)))]
        return _some(source, wanted, "no file with a name that gerank knows in this folder")
    if path.is_file():
        return [source]
    if glob.has_magic(source):
        matches = glob.glob(source, recursive=True)  # noqa: PTH207 - of absolute patterns too
        found = [name for name in matches if Path(name).is_file()]
        return _some(source, found, "no such file")
    raise ImportLogError(f"{source}: no such file")


def _expand_url(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    import fsspec

    protocol = source.split("://")[0]
    try:
        files: Any = fsspec.filesystem(protocol)
        connection.register_filesystem(files)
        if glob.has_magic(source):
            found = files.glob(source)
        elif files.isdir(source):
            found = [name for name in files.find(source) if _is_part(name)]
        else:
            found = [source] if files.exists(source) else []
    except (ImportError, ValueError, OSError) as error:
        raise ImportLogError(f"{source}: {error}") from None
    named = [name if _URL.match(name) else f"{protocol}://{name.lstrip('/')}" for name in found]
    return _some(source, named, "no such file")


def _some(source: str, names: list[str], complaint: str) -> list[str]:
    if not names:
        raise ImportLogError(f"{source}: {complaint}")
    return sorted(names)


def _is_part(name: str) -> bool:
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return not hidden and Path(base_name(name)).suffix.lower() in FORMATS


def _format_of(name: str) -> str:
    ending = Path(base_name(name)).suffix.lower()
    if ending in FORMATS:
        return FORMATS[ending]
    if not is_url(name) and _SVMLIGHT_LINE.match(_first_line(name)):
        return "svmlight"
    raise ImportLogError(
        f"{name}: the format is not known by the name; set source.format, or --format, to one of "
        f"{', '.join(sorted(set(FORMATS.values())))}"
    )


def _first_line(name: str) -> bytes:
    opener: Any = gzip.open if name.endswith(".gz") else open
    try:
        with opener(name, "rb") as file:
            line: bytes = file.readline(65536)
            return line
    except (OSError, EOFError):
        return b""
