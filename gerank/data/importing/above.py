"""What stood above the pages of a feed: the last slots of the page before."""

from __future__ import annotations

import duckdb

from gerank.data.importing.mapping import Mapping
from gerank.data.importing.pool import PAGES, POOL
from gerank.data.importing.sql import quoted
from gerank.data.log_columns import ABOVE_KEY, ABOVE_PREFIX, CANDIDATE_PREFIX
from gerank.data.schema import FeatureSchema

ABOVE = "above"
"""Table of slots above: the number of the page below them, the place from the top down, and the
columns of the log. It is there where the mapping names a feed."""


def make_above(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, schema: FeatureSchema
) -> int:
    """Makes the table out of the final pages and candidates; nothing without feeds.

    A page that was left out stands above none; the page that came before it does.

    Returns:
        How many pages something stands above.
    """
    if not mapping.page.feed:
        return 0
    told = "".join(
        f", shown.{quoted(CANDIDATE_PREFIX + f.name)} AS {quoted(ABOVE_PREFIX + f.name)}"
        for f in schema.above
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE {ABOVE} AS WITH "
        "following AS (SELECT number, lag(number) OVER (PARTITION BY person, feed "
        f"ORDER BY feed_order) AS before FROM {PAGES} WHERE feed IS NOT NULL), "
        "shown AS (SELECT *, row_number() OVER (PARTITION BY number ORDER BY slot DESC) AS height "
        f"FROM {POOL} WHERE slot IS NOT NULL), "
        "own AS (SELECT number, item, row_number() OVER (PARTITION BY number ORDER BY item) - 1 "
        f"AS candidate FROM {POOL}) "
        "SELECT following.number AS number, -shown.height AS place, "
        f"coalesce(own.candidate, -1) AS {quoted(ABOVE_KEY)}{told} FROM following "
        "JOIN shown ON shown.number = following.before "
        "LEFT JOIN own ON own.number = following.number AND own.item = shown.item "
        f"WHERE shown.height <= {mapping.page.above_slots}"
    )
    found = connection.execute(f"SELECT count(DISTINCT number) FROM {ABOVE}").fetchone()
    return 0 if found is None else int(found[0])
