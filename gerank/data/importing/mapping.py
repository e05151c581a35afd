"""What the columns of a foreign log mean: the settings of a mapping file, documented once.

A column is named as the source names it. A text that begins with `=` is an expression of DuckDB
instead, as in a spreadsheet: `item = "=lower(sku)"`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gerank.data.feedback_kind import FeedbackKind
from gerank.data.importing.choices import (
    ColumnKind,
    Layout,
    OnConflict,
    Order,
    SlotsOf,
    TimeUnit,
)
from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.feature_column import FeatureColumn
from gerank.data.log_columns import MOST_ABOVE


@dataclass(frozen=True)
class SourceOptions:
    """How files are read; all of it can be left out for usual files.

    Attributes:
        format: parquet, csv, tsv, jsonl or svmlight; empty = by the files' names.
        delimiter: Separates the cells of a CSV file; empty = found out.
        header: Whether the first line of a CSV file names the columns.
        columns: Names of the columns of a CSV file without such a line.
        list_separator: What stands between the entries of a list that a CSV cell holds; empty: the
            cell is written as [a, b, c].
    """

    format: str = ""
    delimiter: str = ""
    header: bool = True
    columns: tuple[str, ...] = ()
    list_separator: str = ""


@dataclass(frozen=True)
class PageColumns:
    """Whose page, and when.

    Attributes:
        id: Column that names the page; empty in a wide table = a row's number.
        person: Column of the person; empty = every page is of another person.
        time: Column of a time; empty = pages are in the order of the source.
        time_unit: What the numbers of the column count; of timestamps and dates not needed.
        feed: Column of the endless feed (a visit, a session) that the page is part of: the pages of
            one feed of a person follow each other. Empty, or no value: the page stands alone.
        feed_order: Column of the page's number within its feed; empty = its pages are in the order
            of time.
        above_slots: Slots of the page before that stand above the page, at most.
    """

    id: str = ""
    person: str = ""
    time: str = ""
    time_unit: TimeUnit | None = None
    feed: str = ""
    feed_order: str = ""
    above_slots: int = 3

    def __post_init__(self) -> None:
        if self.feed_order and not self.feed:
            raise ImportLogError("feed_order: is the order within feed, which is missing")
        if self.feed and not (self.feed_order or self.time):
            raise ImportLogError("feed: its pages need an order: give feed_order or time")
        if not 1 <= self.above_slots <= MOST_ABOVE:
            raise ImportLogError(f"above_slots: {self.above_slots} is not in [1, {MOST_ABOVE}]")

    @property
    def has_time(self) -> bool:
        """Whether it is known when pages were shown, and not only in what order."""
        return bool(self.time) and self.time_unit is not TimeUnit.ORDER


@dataclass(frozen=True)
class ShownColumns:
    """What was shown where.

    Attributes:
        item: Column of the shown item; in a wide table, of the list of them from the top down.
        slot: Column of the slot; of a long table alone.
        first_slot: Number of the topmost slot.
        order: Where no column tells the slot: `rows`, as they stand in the source, or `shuffled`,
            where rows were never a page (judged documents).
        seed: Seeds the shuffle.
        repeated_items: A page that shows an item twice: `refuse`, or `mend`: the topmost is kept.
        slot_gaps: A page that lacks a slot above another: `refuse`, or `mend`: what is below moves
            up, as if the missing one had never been there.
        choice_propensity: Column of P(this item | those above it) when the page was made.
        placement_propensity: Column of P(this item at this slot) when the page was made.
    """

    item: str
    slot: str = ""
    first_slot: int = 0
    order: Order = Order.ROWS
    seed: int = 0
    repeated_items: OnConflict = OnConflict.REFUSE
    slot_gaps: OnConflict = OnConflict.REFUSE
    choice_propensity: str = ""
    placement_propensity: str = ""


@dataclass(frozen=True)
class CandidateColumns:
    """What else could have been shown. Shown items are candidates in any case.

    Attributes:
        column: Column of the list of a page's candidates, in the log itself.
        source: Another table, a row per page and candidate; its path is relative to the mapping.
        page: Column of the page in that table.
        item: Column of the candidate in that table.
        every_item: Whether all items that the log shows are candidates of every page.
    """

    column: str = ""
    source: str = ""
    page: str = ""
    item: str = ""
    every_item: bool = False

    def __post_init__(self) -> None:
        ways = [bool(self.column), bool(self.source), self.every_item]
        if sum(ways) > 1:
            raise ImportLogError("give one of column, source and every_item")
        if self.source and not (self.page and self.item):
            raise ImportLogError("source: a table of candidates needs page and item")


@dataclass(frozen=True)
class JoinedTable:
    """A table of items or people.

    Attributes:
        key: Column that the item or person is looked up in; once per row.
        source: Its file, folder or URL; a path is relative to the mapping. Empty where the table
            is given in Python.
    """

    key: str
    source: str = ""


@dataclass(frozen=True)
class FeedbackColumn:
    """What people did with shown items.

    Attributes:
        kind: `flag` (yes or no), `count` (0, 1, 2, ...) or `amount` (seconds, money).
        column: Column with a value per slot: a cell of a long table, a list of a wide one.
        ids: Column of a wide table with the list of items that it is true of.
        slots: Tells which slots a wide table's number of the whole page is for, `all` or `clicked`.
        at_least: Turns grades into a flag: true from this number on.
        default: Stands where the column is empty. Without it an empty cell is unknown, which a
            click cannot be.
    """

    kind: FeedbackKind = FeedbackKind.FLAG
    column: str = ""
    ids: str = ""
    slots: SlotsOf = SlotsOf.ALL
    at_least: float | None = None
    default: float | None = None

    def __post_init__(self) -> None:
        if bool(self.column) is bool(self.ids):
            raise ImportLogError("column: give one of column and ids")
        if self.ids and self.kind is not FeedbackKind.FLAG:
            raise ImportLogError(f"ids: a list of items is a flag, not a {self.kind}")


@dataclass(frozen=True)
class Mapping:
    """What the columns of a log mean.

    Attributes:
        shown: What was shown where.
        layout: `long`: a row per shown item, in any order; `wide`: a row per page, lists in cells.
        source: How files are read.
        page: Whose page, and when.
        candidates: What else could have been shown.
        items: A table of items.
        users: A table of people.
        feedback: Kind -> its column; `click` is needed.
        user: Name of a feature of the person or the page -> its column.
        candidate: Name of a feature of the items -> its column.
    """

    shown: ShownColumns
    layout: Layout = Layout.LONG
    source: SourceOptions = field(default_factory=SourceOptions)
    page: PageColumns = field(default_factory=PageColumns)
    candidates: CandidateColumns = field(default_factory=CandidateColumns)
    items: JoinedTable | None = None
    users: JoinedTable | None = None
    feedback: dict[str, FeedbackColumn] = field(default_factory=dict)
    user: dict[str, FeatureColumn] = field(default_factory=dict)
    candidate: dict[str, FeatureColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if CLICK not in self.feedback:
            raise ImportLogError("feedback.click: is missing: training learns from clicks")
        if self.feedback[CLICK].kind is not FeedbackKind.FLAG:
            raise ImportLogError(f"feedback.click: kind: {self.feedback[CLICK].kind}, not flag")
        if self.layout is Layout.LONG:
            if not self.page.id:
                raise ImportLogError("page.id: is missing: a long table needs the column of pages")
            for name, column in self.feedback.items():
                if column.ids:
                    raise ImportLogError(f"feedback.{name}: ids: is of wide tables")
        elif self.shown.slot:
            raise ImportLogError("shown.slot: is of long tables; a wide list is from the top down")
        for side, table in (("user", "items"), ("candidate", "users")):
            for name, feature in getattr(self, side).items():
                if feature.table == table:
                    raise ImportLogError(f"{side}.{name}: table: {table!r} has no {side}s")
                if feature.table and getattr(self, feature.table) is None:
                    raise ImportLogError(f"{side}.{name}: table: there is no [{feature.table}]")
                if side == "user" and (feature.group or feature.in_context):
                    which = "group" if feature.group else "in_context"
                    raise ImportLogError(f"user.{name}: {which}: is of candidates")
                if feature.kind is ColumnKind.AGE_HOURS and not self.page.has_time:
                    raise ImportLogError(f"{side}.{name}: age_hours: needs the page's time")


CLICK = "click"
"""The kind of feedback that every log has."""
