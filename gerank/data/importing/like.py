"""Vocabularies of an earlier log, so that pages of another day have the same rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gerank.data.exposure_log import log_files
from gerank.data.exposure_reading import read_schema
from gerank.data.feature_block import EMPTY_NAME
from gerank.data.importing.choices import ColumnKind
from gerank.data.importing.errors import MappingError
from gerank.data.importing.feature_column import FeatureColumn
from gerank.data.importing.mapping import Mapping
from gerank.data.schema import UNKNOWN_NAME, Feature, FeatureSchema
from gerank.data.schema_difference import schema_differences


class EarlierLog:
    """The schema of a log that another one is imported like."""

    def __init__(self, directory: Path) -> None:
        """Reads the schema.

        Raises:
            ExposureLogError: There is no log; the file is named.
        """
        self._title, self._schema = str(directory), read_schema(log_files(directory)[0])

    def with_its_values(self, mapping: Mapping) -> Mapping:
        """The mapping with the values and vocabularies of the earlier log's ids.

        Raises:
            MappingError: The earlier log has no values of an id with `min_count`.
        """

        def of_side(side: str) -> dict[str, FeatureColumn]:
            columns = getattr(mapping, side)
            return {name: self._column(side, name, column) for name, column in columns.items()}

        return dataclasses.replace(mapping, user=of_side("user"), candidate=of_side("candidate"))

    def check(self, schema: FeatureSchema) -> None:
        """Refuses a schema that a model of the earlier log could not go on with.

        Raises:
            MappingError: Names the first features that differ.
        """
        different = schema_differences(self._schema, schema)
        if different:
            raise MappingError(
                f"like {self._title}: this mapping makes another log: {'; '.join(different)}"
            )

    def _column(self, side: str, name: str, column: FeatureColumn) -> FeatureColumn:
        if column.kind not in (ColumnKind.ID, ColumnKind.IDS):
            return column
        listed = column.kind is ColumnKind.IDS
        earlier = self._schema.named[side].get(f"{name}_0" if listed else name)
        if earlier is not None and earlier.values:
            return self._named(column, earlier)
        if column.min_count:
            reason = "is not in that log" if earlier is None else "has no named values in that log"
            raise MappingError(f"{side}.{name}: min_count: like {self._title}: it {reason}")
        if earlier is None or column.values:
            return column  # `check` names what differs
        rows = earlier.vocabulary - (1 if listed and not earlier.hashed else 0)
        return dataclasses.replace(column, vocabulary=rows)

    def _named(self, column: FeatureColumn, earlier: Feature) -> FeatureColumn:
        if not (column.values or column.min_count):
            return column
        values = tuple(v for v in earlier.values if v not in (UNKNOWN_NAME, EMPTY_NAME))
        unknown = UNKNOWN_NAME in earlier.values
        return dataclasses.replace(column, min_count=0, values=values, unknown=unknown)
