"""Which column plays which part, guessed from names, types and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from gerank.data.importing import casts
from gerank.data.importing.guess import names
from gerank.data.importing.guess.facts import ColumnFacts
from gerank.data.importing.sql import first_row, quoted

Facts = Mapping[str, ColumnFacts]
UNKNOWN = "?"
"""Stands for a column that was not found; an import then says so by the mapping's key."""


@dataclass
class Roles:
    """A guess.

    Attributes:
        wide: Whether a row is a page.
        page, person, time, item, slot, click, placement, choice: Columns; empty = none.
        clicked_ids: Whether the click column lists the clicked items.
        feedback: Kind -> its column and what its numbers are.
        candidates: Column with the list of candidates of a wide table.
        left_out: Column -> why it is no feature.
        other_times: Columns that may be the page's time as well.
        maybe_order: Column of small numbers that may tell the order of pages.
        page_lists: Columns of a wide table with lists that tell of the user.
        unsure_lists: Columns of a wide table with lists that may tell of the user.
        page_features, item_features: Columns of features.
    """

    wide: bool = False
    page: str = ""
    person: str = ""
    time: str = ""
    item: str = ""
    slot: str = ""
    click: str = ""
    placement: str = ""
    choice: str = ""
    clicked_ids: bool = False
    candidates: str = ""
    feedback: dict[str, tuple[str, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    other_times: list[str] = field(default_factory=list)
    maybe_order: str = ""
    page_lists: list[str] = field(default_factory=list)
    unsure_lists: list[str] = field(default_factory=list)
    page_features: list[str] = field(default_factory=list)
    item_features: list[str] = field(default_factory=list)


def guess_roles(
    connection: duckdb.DuckDBPyConnection, table: str, facts: Facts, partitions: frozenset[str]
) -> Roles:
    """Guesses the part of every column.

    Args:
        connection: Where the table lives.
        table: Its name.
        facts: Describe its columns.
        partitions: Columns that are names of folders.
    """
    roles, free = Roles(), dict(facts)
    for name in [*free]:
        if name in partitions or names.is_named(name, names.BOOKKEEPING):
            roles.left_out[name] = "tells where a row came from"
        elif free[name].present == 0:
            roles.left_out[name] = "has no value"
        else:
            continue
        del free[name]
    roles.wide = _is_wide(free)
    _identify(roles, free)
    if roles.wide:
        _wide_lists(connection, table, roles, free)
    _outcomes(roles, free)
    _features(connection, table, roles, free)
    return roles


def _is_wide(facts: Facts) -> bool:
    lists = [name for name, column in facts.items() if column.is_list]
    if not names.first_named(lists, names.ITEM):
        return False
    scalars = [name for name in facts if name not in lists]
    return not (names.first_named(scalars, names.ITEM) and names.first_named(scalars, names.SLOT))


def _identify(roles: Roles, free: dict[str, ColumnFacts]) -> None:
    lists = [name for name, column in free.items() if column.is_list]
    scalars = [name for name in free if name not in lists]
    held = lists if roles.wide else scalars
    roles.candidates = names.first_named(lists, (r"candidates?(_?(item_?)?ids?)?",))
    if roles.candidates in held and len([n for n in held if names.is_named(n, names.ITEM)]) > 1:
        held = [name for name in held if name != roles.candidates]
    else:
        roles.candidates = ""
    roles.item = names.first_named(held, names.ITEM) or UNKNOWN
    roles.page = _take(scalars, names.PAGE) or ("" if roles.wide else UNKNOWN)
    roles.person = _take(scalars, names.PERSON)
    _find_time(roles, free, scalars)
    if not roles.wide:
        roles.slot = _take(scalars, names.SLOT)
    held = [name for name in held if name not in (roles.item, roles.page)]
    roles.click = names.first_named(held, names.CLICK) or UNKNOWN
    roles.choice = names.first_named(held, names.CHOICE_PROPENSITY)
    rest = [name for name in held if name != roles.choice]
    roles.placement = names.first_named(rest, names.PROPENSITY)
    for name in (
        roles.page, roles.person, roles.time, roles.item, roles.slot, roles.click,
        roles.choice, roles.placement, roles.candidates,
    ):  # fmt: skip
        free.pop(name, None)


def _find_time(roles: Roles, free: dict[str, ColumnFacts], scalars: list[str]) -> None:
    """The page's time: by name, else the one column of moments; several are told of."""
    likely = [name for name in scalars if _may_be_time(free[name])]
    sure = [name for name in likely if free[name].kind != "VARCHAR"]
    moments = [name for name in scalars if casts.is_moment(free[name].kind)]
    roles.time = names.first_named(likely, names.TIME) or names.first_named(sure, names.SHORT_TIME)
    if not roles.time and len(moments) == 1:
        roles.time = moments[0]
    if roles.time:
        scalars.remove(roles.time)
    else:
        roles.other_times = moments
        numbers = [name for name in scalars if casts.is_integer(free[name].kind)]
        roles.maybe_order = names.first_named(numbers, names.ORDER)


def _take(held: list[str], patterns: tuple[str, ...]) -> str:
    name = names.first_named(held, patterns)
    if name:
        held.remove(name)
    return name


def _may_be_time(column: ColumnFacts) -> bool:
    return (
        casts.is_moment(column.kind)
        or (column.is_number and (column.highest or 0) > 1e8)
        or (column.kind == "VARCHAR")
    )


def _wide_lists(
    connection: duckdb.DuckDBPyConnection, table: str, roles: Roles, free: dict[str, ColumnFacts]
) -> None:
    """Tells lists with an entry per shown item from lists of ids and others."""
    if roles.click != UNKNOWN:
        roles.clicked_ids = not _parallel(connection, table, roles, roles.click)
    for name in [n for n, column in free.items() if column.is_list]:
        if _parallel(connection, table, roles, name):
            continue
        feedback = [pattern for *_, pattern in names.FEEDBACK]
        told_after = names.is_named(name, (*names.CLICK, *names.OUTCOMES, *feedback))
        if names.is_named(name, names.HISTORY) and not told_after:
            roles.page_lists.append(name)
        else:
            roles.unsure_lists.append(name)
        del free[name]


def _parallel(connection: duckdb.DuckDBPyConnection, table: str, roles: Roles, name: str) -> bool:
    if roles.item == UNKNOWN:
        return False
    same = f"len({quoted(name)}) = len({quoted(roles.item)})"
    return bool(first_row(connection, f"SELECT bool_and({same}) FROM {quoted(table)}")[0])


def _outcomes(roles: Roles, free: dict[str, ColumnFacts]) -> None:
    for kind, numbers, pattern in names.FEEDBACK:
        name = names.first_named(free, (pattern,))
        if name and kind not in roles.feedback and (free[name].is_flag or numbers == "amount"):
            roles.feedback[kind] = name, numbers
            del free[name]
    for name in [n for n in free if names.is_named(n, names.OUTCOMES)]:
        roles.left_out[name] = "is known only after the page was shown"
        del free[name]


def _features(
    connection: duckdb.DuckDBPyConnection, table: str, roles: Roles, free: dict[str, ColumnFacts]
) -> None:
    if not free:
        return
    if roles.wide:
        roles.page_features = [name for name, column in free.items() if not column.is_list]
        roles.item_features = [name for name, column in free.items() if column.is_list]
        return
    if roles.page == UNKNOWN:
        roles.item_features = [*free]
        return
    checks = ", ".join(f"bool_and(min_{n} IS NOT DISTINCT FROM max_{n})" for n in range(len(free)))
    bounds = ", ".join(
        f"min({quoted(name)}) AS min_{n}, max({quoted(name)}) AS max_{n}"
        for n, name in enumerate(free)
    )
    pages = f"SELECT {bounds} FROM {quoted(table)} GROUP BY {quoted(roles.page)}"
    constant = first_row(connection, f"SELECT {checks} FROM ({pages})")
    same = dict(zip(free, constant, strict=True))
    of_items = {numbered_stem(name) for name in free if not same[name]} - {""}
    for name in free:
        of_page = same[name] and numbered_stem(name) not in of_items
        (roles.page_features if of_page else roles.item_features).append(name)


def numbered_stem(name: str) -> str:
    """What stands before the number of a column such as feature_12; else nothing."""
    numbered = re.fullmatch(r"(.*\D)\d+", name)
    return numbered.group(1) if numbered else ""
