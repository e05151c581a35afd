"""A mapping as a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.mapping import Mapping
from gerank.data.settings import SettingsReader

_READER = SettingsReader(ImportLogError)


def read_mapping(path: Path) -> Mapping:
    """Reads a mapping file.

    Raises:
        ImportLogError: The file is missing or not TOML, or a key or value does not fit.
    """
    mapping: Mapping = _READER.read(Mapping, path)
    return mapping


def build_mapping(document: dict[str, Any]) -> Mapping:
    """A mapping from the tables of a TOML file.

    Raises:
        ImportLogError: A key is unknown or missing, or a value does not fit.
    """
    mapping: Mapping = _READER.build(Mapping, document, "")
    return mapping
