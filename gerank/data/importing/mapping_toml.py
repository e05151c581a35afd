"""A mapping as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.mapping import Mapping
from gerank.data.settings import SettingsReader


def read_mapping(path: Path) -> Mapping:
    """Reads a mapping file.

    Raises:
        ImportLogError: The file is missing or not TOML, or a key or value does not fit.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ImportLogError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImportLogError(f"{path}: not TOML: {error}") from None
    try:
        return build_mapping(document)
    except ImportLogError as error:
        raise ImportLogError(f"{path}: {error}") from None


def build_mapping(document: dict[str, Any]) -> Mapping:
    """A mapping from the tables of a TOML file.

    Raises:
        ImportLogError: A key is unknown or missing, or a value does not fit.
    """
    mapping: Mapping = SettingsReader(ImportLogError).build(Mapping, document, "")
    return mapping
