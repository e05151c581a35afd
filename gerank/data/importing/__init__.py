"""Logs of other systems as exposure logs: DuckDB reads, casts, groups and sorts."""

from __future__ import annotations

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.log import Imported, import_log, write_imported
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.mapping_toml import read_mapping

__all__ = ["ImportLogError", "Imported", "Mapping", "import_log", "read_mapping", "write_imported"]
