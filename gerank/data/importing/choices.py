"""The words that settings of a mapping file choose from."""

from __future__ import annotations

from enum import StrEnum


class Layout(StrEnum):
    """What a row of the source is."""

    LONG = "long"
    WIDE = "wide"


class Order(StrEnum):
    """What order the items of a page have where no column tells the slot."""

    ROWS = "rows"
    SHUFFLED = "shuffled"


class OnConflict(StrEnum):
    """What happens to a page that breaks a rule which can be mended."""

    REFUSE = "refuse"
    MEND = "mend"


class TimeUnit(StrEnum):
    """What a number of a time column counts from 1970 on; `order`: nothing but an order."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    ORDER = "order"


class SlotsOf(StrEnum):
    """Which slots of a page a number of the whole page belongs to."""

    ALL = "all"
    CLICKED = "clicked"


class ColumnKind(StrEnum):
    """How a column becomes a feature."""

    DENSE = "dense"
    ID = "id"
    FLAG = "flag"
    VECTOR = "vector"
    IDS = "ids"
    AGE_HOURS = "age_hours"
    HOUR = "hour"
