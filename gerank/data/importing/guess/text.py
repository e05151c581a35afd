"""A guessed mapping as a commented TOML file."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from gerank.data.importing.guess.facts import ColumnFacts
from gerank.data.importing.guess.lines import (
    feature_lines,
    item_id_lines,
    string,
    unsure_lines,
    vocabulary,
)
from gerank.data.importing.guess.roles import UNKNOWN, Facts, Roles
from gerank.data.importing.offered import MOST_CANDIDATES
from gerank.data.importing.sql import first_row, quoted

_HEAD = """\
# What the columns of this log mean, as `gerank import --guess` takes them: read it, mend what is
# wrong, and import with --map. A text that begins with = is an expression of DuckDB.
"""
_MOST_POSITIVE = 0.5
"""A grade counts as a click from the lowest grade on that at most this share of rows has."""


def mapping_text(
    connection: duckdb.DuckDBPyConnection, table: str, facts: Facts, roles: Roles
) -> Iterator[str]:
    """The lines of the file."""
    one_slot = _has_one_slot(connection, table, roles)
    yield from _HEAD.splitlines()
    yield f'layout = "{"wide" if roles.wide else "long"}"  # a row per ' + (
        "page, lists in cells" if roles.wide else "shown item"
    )
    yield ""
    yield from _page(facts, roles)
    yield from _shown(connection, table, facts, roles, one_slot)
    yield from _candidates(facts, roles, one_slot)
    yield from _feedback(connection, table, facts, roles)
    if one_slot:
        yield f"[user.{roles.slot}]  # which slot of the page it was: known before it is filled"
        yield 'kind = "id"'
        yield f"vocabulary = {vocabulary(facts[roles.slot].distinct)}"
        yield "integers = true"
        yield ""
    told = [*roles.page_features, *roles.page_lists]
    yield from feature_lines("user", [facts[name] for name in told])
    for name in roles.unsure_lists:
        why = "a list without an entry per shown item; if it was known before the page was shown:"
        yield from unsure_lines("user", facts[name], why)
    items = [facts[name] for name in roles.item_features]
    yield from feature_lines("candidate", [c.of_item for c in items] if roles.wide else items)
    if roles.item != UNKNOWN:
        item = facts[roles.item]
        yield from item_id_lines(item, _entries(connection, table, item) / max(1, item.distinct))
    yield from (f"# {name} is left out: it {_verb(why)}" for name, why in roles.left_out.items())


def _verb(why: str) -> str:
    return f"is {why}" if why.startswith("a ") else why


def _page(facts: Facts, roles: Roles) -> Iterator[str]:
    yield "[page]"
    if roles.page:
        yield f"id = {string(roles.page)}{_not_found(roles.page)}"
    if roles.person:
        column = facts[roles.person]
        if column.present < column.rows:
            yield "# A page without a person is taken as one of another person each."
            own = f"'page ' || CAST({quoted(roles.page)} AS VARCHAR)"
            who = f"=coalesce(CAST({quoted(roles.person)} AS VARCHAR), {own})"
            yield f"person = {string(who)}"
        else:
            yield f"person = {string(roles.person)}"
    else:
        yield "# No column looks like a person: every page is taken as one of another person."
    if roles.time:
        yield f"time = {string(roles.time)}"
        column = facts[roles.time]
        if column.is_number:
            unit = _time_unit(column.highest or 0)
            yield f'time_unit = "{unit}"  # by the size of its numbers, {column.highest:.0f}'
    else:
        yield from _no_time(roles)
    yield ""


def _no_time(roles: Roles) -> Iterator[str]:
    yield "# No column looks like a time: pages are in the order of the source."
    if roles.other_times:
        yield "# Several hold times, though. Is one of them when the page was shown?"
        yield from (f"# time = {string(name)}" for name in roles.other_times)
    elif roles.maybe_order:
        yield f"# {roles.maybe_order} may tell their order:"
        yield f'# time = {string(roles.maybe_order)}\n# time_unit = "order"'


def _time_unit(highest: float) -> str:
    for unit, limit in (("s", 1e11), ("ms", 1e14), ("us", 1e17)):
        if highest < limit:
            return unit
    return "ns"


def _shown(
    connection: duckdb.DuckDBPyConnection, table: str, facts: Facts, roles: Roles, one_slot: bool
) -> Iterator[str]:
    yield "[shown]"
    yield f"item = {string(roles.item)}{_not_found(roles.item)}"
    if one_slot:
        yield f"# Each page has one row, at any of several slots: {roles.slot} is a feature."
    elif roles.slot:
        yield f"slot = {string(roles.slot)}"
        top = int(facts[roles.slot].lowest or 0)
        yield f"first_slot = {top}"
    elif not roles.wide:
        grades = roles.click != UNKNOWN and (facts[roles.click].highest or 0) > 1
        if grades:
            yield "# No column tells the slot, and grades are no clicks: was this ever a page?"
            yield 'order = "shuffled"'
        else:
            yield "# No column tells the slot: the order of the rows is taken for it."
    known = roles.item != UNKNOWN and roles.page != UNKNOWN and not roles.wide
    if known:
        yield from _irregular(connection, table, roles, one_slot)
    if roles.choice:
        yield f"choice_propensity = {string(roles.choice)}"
    if roles.placement:
        yield f"placement_propensity = {string(roles.placement)}  # P(this item at this slot)?"
    if not roles.choice and not roles.placement:
        yield "# No propensities: how pages were chosen is unknown."
    yield ""


def _irregular(
    connection: duckdb.DuckDBPyConnection, table: str, roles: Roles, one_slot: bool
) -> Iterator[str]:
    page, item = quoted(roles.page), quoted(roles.item)
    twice = _count(
        connection,
        f"SELECT page FROM (SELECT {page} AS page, {item} AS item, count(*) AS n "
        f"FROM {quoted(table)} GROUP BY ALL) WHERE n > 1 GROUP BY page",
    )
    if twice:
        yield f'repeated_items = "mend"  # {twice} pages show an item twice: the topmost is kept'
    if roles.slot and not one_slot:
        slot = quoted(roles.slot)
        once = (
            f"SELECT {page} AS page, {item} AS item, min({slot}) AS slot FROM {quoted(table)} "
            "GROUP BY ALL"
        )
        gaps = _count(
            connection,
            f"SELECT page FROM ({once}) GROUP BY page HAVING max(slot) - "
            f"(SELECT min({slot}) FROM {quoted(table)}) + 1 <> count(*)",
        )
        if gaps:
            yield f'slot_gaps = "mend"  # {gaps} pages lack a slot: what is below moves up'


def _candidates(facts: Facts, roles: Roles, one_slot: bool) -> Iterator[str]:
    if roles.candidates:
        yield "[candidates]"
        yield f"column = {string(roles.candidates)}"
    elif one_slot and facts[roles.item].distinct <= MOST_CANDIDATES:
        yield "[candidates]"
        yield f"every_item = true  # any of the {facts[roles.item].distinct} items could be shown?"
    else:
        yield "# Candidates that were not shown, if you have them in another table:"
        yield '# [candidates]\n# source = "candidates.parquet"\n# page = "..."\n# item = "..."'
    yield ""


def _feedback(
    connection: duckdb.DuckDBPyConnection, table: str, facts: Facts, roles: Roles
) -> Iterator[str]:
    yield "[feedback.click]"
    if roles.clicked_ids:
        yield f"ids = {string(roles.click)}  # the clicked ones of the shown items"
    else:
        yield f"column = {string(roles.click)}{_not_found(roles.click)}"
    if roles.click != UNKNOWN:
        column = facts[roles.click]
        graded = (column.highest or 0) > 1 and not roles.clicked_ids
        if graded:
            least, share = _grade(connection, table, column)
            yield f"at_least = {least}  # grades up to {column.highest:.0f}; {share:.0%} are clicks"
        if column.present < column.rows:
            yield "default = 0  # where it is empty"
    yield ""
    for kind, (name, numbers) in roles.feedback.items():
        yield f"[feedback.{kind}]  # a reward may speak of it: expected.{kind}"
        yield f"column = {string(name)}"
        yield f'kind = "{numbers}"'
        if roles.wide and not facts[name].is_list:
            yield 'slots = "clicked"  # a number of the page, taken for that of what was clicked'
        yield ""


def _grade(
    connection: duckdb.DuckDBPyConnection, table: str, column: ColumnFacts
) -> tuple[int, float]:
    """The lowest grade from which on rows count as clicked, and the share of rows that do."""
    values = f"unnest({quoted(column.name)})" if column.is_list else quoted(column.name)
    counted = connection.execute(
        f"SELECT value, count(*) FROM (SELECT {values} AS value FROM {quoted(table)}) "
        "WHERE value IS NOT NULL GROUP BY value ORDER BY value DESC"
    ).fetchall()
    total, above, least = sum(n for _, n in counted), 0, counted[0][0]
    for value, count in counted:
        if (above + count) / total > _MOST_POSITIVE:
            break
        above, least = above + count, value
    return int(least), above / total


def _has_one_slot(connection: duckdb.DuckDBPyConnection, table: str, roles: Roles) -> bool:
    """Whether each page has one row, at different slots: a log of single placements."""
    if roles.wide or not roles.slot or UNKNOWN in (roles.page, roles.item):
        return False
    several = _count(
        connection,
        f"SELECT 1 FROM {quoted(table)} GROUP BY {quoted(roles.page)} HAVING count(*) > 1 LIMIT 1",
    )
    slots = _count(connection, f"SELECT DISTINCT {quoted(roles.slot)} FROM {quoted(table)} LIMIT 2")
    return several == 0 and slots > 1


def _entries(connection: duckdb.DuckDBPyConnection, table: str, column: ColumnFacts) -> int:
    counted = f"sum(len({quoted(column.name)}))" if column.is_list else "count(*)"
    return int(first_row(connection, f"SELECT {counted} FROM {quoted(table)}")[0] or 0)


def _count(connection: duckdb.DuckDBPyConnection, select: str) -> int:
    return int(first_row(connection, f"SELECT count(*) FROM ({select})")[0])


def _not_found(name: str) -> str:
    return "  # no column looks like it: write its name here" if name == UNKNOWN else ""
