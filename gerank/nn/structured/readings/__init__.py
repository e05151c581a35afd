"""How users read a page: one form a file, found by its name or by `package.module:Class`."""

from __future__ import annotations

from gerank.nn.structured.readings.check import check_reading
from gerank.nn.structured.readings.competing import CompetingReadings
from gerank.nn.structured.readings.examination import ExaminationReading
from gerank.nn.structured.readings.hidden_reader import HiddenReader
from gerank.nn.structured.readings.logit import LogitReading
from gerank.nn.structured.readings.reading import Reading
from gerank.own_code import look_up

__all__ = ["AGAINST", "FORMS", "CompetingReadings", "Reading", "new_reading", "reading_form"]

AGAINST = "|"
"""Between the names of forms that compete in one ensemble."""

FORMS: dict[str, type[Reading]] = {
    "examination": ExaminationReading,
    "logit": LogitReading,
    "hidden_reader": HiddenReader,
}
"""Name -> form. A form of one's own is named as `package.module:Class`."""


def reading_form(name: str) -> type[Reading]:
    """The form of a name.

    Raises:
        ValueError: There is no such form, or what the path names is no `Reading`, or one that
            contradicts itself.
    """
    if name in FORMS:
        return FORMS[name]
    if not all(name.partition(":")):
        raise ValueError(f"{name!r} is not one of {', '.join(FORMS)}, or package.module:Class")
    try:
        form = look_up(name, "Class")
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from error
    if not (isinstance(form, type) and issubclass(form, Reading)):
        raise ValueError(f"{name!r} names {form!r}, which is not a Reading")
    check_reading(name, form)
    return form


def new_reading(name: str, members: int, slots: int) -> Reading:
    """A reading for an ensemble: of one form, or of several, `one|another`, a form per member.

    Raises:
        ValueError: As `reading_form`, or there are not as many members as forms.
    """
    names = name.split(AGAINST)
    if len(names) == 1:
        return reading_form(name)(members, slots)
    if len(names) != members:
        raise ValueError(f"{name!r}: {len(names)} forms for {members} members")
    return CompetingReadings([reading_form(form)(1, slots) for form in names])
