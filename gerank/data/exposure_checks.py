"""What the columns of an exposure log must satisfy, said once for writing and for reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_fields import ExposureFields, LoggedAbove
from gerank.data.feature_block import EMPTY_HASHED, id_units
from gerank.data.feedback_values import RULES, contradicts
from gerank.data.log_columns import (
    ABOVE_KEY,
    ABOVE_PREFIX,
    CANDIDATE_ID,
    CANDIDATE_PREFIX,
    CLICK,
    FEEDBACK_PREFIX,
    LOG_PROPENSITY,
    MOST_ABOVE,
    PAGE_ID,
    PERSON_ID,
    PLACEMENT_PROPENSITY,
    SLATE,
    TIMESTAMP,
    USER_PREFIX,
)
from gerank.data.schema import Feature, FeatureKind
from gerank.data.texts import TextColumn, is_text_column

_LOG_ONE = 1e-5  # float32 log-probabilities of certain choices may come out a little above 0


class ExposureLogError(ValueError):
    """An exposure log that cannot be used; the message names file, column, page and value."""


def check_shapes(log: ExposureFields) -> None:
    """Refuses columns whose names, types or lengths do not fit each other: a caller's slip.

    Raises:
        ExposureLogError: Names the column.
    """
    for side, features in (("user", log.schema.user), ("candidate", log.schema.candidate)):
        given = set(log.user if side == "user" else log.candidate)
        names = {feature.name for feature in features}
        for name in sorted(names ^ given):
            verdict = "is missing" if name in names else "is not in the schema"
            raise ExposureLogError(f"column '{side}.{name}' {verdict}")
    if log.above is not None:
        told = {feature.name for feature in log.schema.above}
        for name in sorted(told ^ set(log.above.features)):
            verdict = "is missing" if name in told else "is no group key or flag of the schema"
            raise ExposureLogError(f"column '{ABOVE_PREFIX}{name}' {verdict}")
    kinds = [kind.name for kind in log.schema.feedback]
    if sorted(kinds) != sorted(log.feedback):
        raise ExposureLogError(f"feedback {sorted(log.feedback)} is not the schema's {kinds}")
    for name, values, kind, length in _expected_shapes(log):
        if not is_text_column(values) if kind == "O" else values.dtype.str[1:] != kind:
            raise ExposureLogError(f"column {name!r} is {values.dtype}, not {_DTYPES[kind]}")
        if values.shape != (length,):
            raise ExposureLogError(f"column {name!r} has shape {values.shape}, not ({length},)")
        if name.endswith("_offsets") and (values[0] != 0 or (np.diff(values) < 0).any()):
            raise ExposureLogError(f"column {name!r} does not rise from 0: {values.tolist()[:8]}")


_DTYPES = {"O": "a string", "i8": "int64", "f4": "float32"}


def _expected_shapes(log: ExposureFields) -> Iterator[tuple[str, TextColumn, str, int]]:
    """Name, values, kind and length of every column, offsets first: they tell the lengths."""
    pages = len(log)
    yield "candidate_offsets", log.candidate_offsets, "i8", pages + 1
    yield "slate_offsets", log.slate_offsets, "i8", pages + 1
    items, slots = int(log.candidate_offsets[-1]), int(log.slate_offsets[-1])
    yield PAGE_ID, log.page_ids, "O", pages
    yield PERSON_ID, log.person_ids, "O", pages
    yield TIMESTAMP, log.timestamps, "i8", pages
    yield CANDIDATE_ID, log.candidate_names, "O", items
    yield SLATE, log.slates, "i8", slots
    yield CLICK, log.clicks, "f4", slots
    yield LOG_PROPENSITY, log.log_propensity, "f4", slots
    yield PLACEMENT_PROPENSITY, log.placement_propensity, "f4", slots
    for name, values in log.feedback.items():
        yield f"{FEEDBACK_PREFIX}{name}", values, "f4", slots
    for feature in log.schema.user:
        yield f"{USER_PREFIX}{feature.name}", log.user[feature.name], _number(feature), pages
    for feature in log.schema.candidate:
        yield (
            f"{CANDIDATE_PREFIX}{feature.name}",
            log.candidate[feature.name],
            _number(feature),
            items,
        )
    if log.above is not None:
        yield "above_offsets", log.above.offsets, "i8", pages + 1
        count = int(log.above.offsets[-1])
        yield ABOVE_KEY, log.above.dedup_keys, "i8", count
        for name, told in log.above.features.items():
            yield f"{ABOVE_PREFIX}{name}", told, "i8", count


def _number(feature: Feature) -> str:
    return "f4" if feature.kind is FeatureKind.DENSE else "i8"


def check_exposures(log: ExposureFields, source: str) -> None:
    """Refuses a log that holds a value no model could be trained on.

    Args:
        log: Columns whose lengths already agree.
        source: Named first in every message: the file.

    Raises:
        ExposureLogError: The first offending column, page and value.
    """
    report = _Report(source, log.page_ids)
    _check_lengths_of_lists(log, report)
    pages = np.arange(len(log) + 1, dtype=np.int64)
    for feature in log.schema.user:
        _check_feature(
            feature, f"{USER_PREFIX}{feature.name}", log.user[feature.name], pages, report
        )
    for feature in log.schema.candidate:
        values = log.candidate[feature.name]
        column = f"{CANDIDATE_PREFIX}{feature.name}"
        _check_feature(feature, column, values, log.candidate_offsets, report)
    _check_lists(log, report)
    _check_candidates(log, report)
    _check_slates(log, report)
    _check_feedback(log, report)
    if log.above is not None:
        _check_above(log, log.above, report)


class _Report:
    """Turns the first True of a mask into an error."""

    def __init__(self, source: str, page_ids: TextColumn) -> None:
        self.source = source
        self.page_ids = page_ids

    def refuse(
        self,
        wrong: NDArray[np.bool_],
        column: str,
        values: TextColumn,
        offsets: NDArray[np.int64],
        rule: str,
    ) -> None:
        """Raises when any element of a flat column is wrong; `offsets` tell its page."""
        if not wrong.any():
            return
        place = int(np.argmax(wrong))
        page = int(np.searchsorted(offsets, place, side="right")) - 1
        raise ExposureLogError(
            f"{self.source}: column {column!r}, page {str(self.page_ids[page])!r}: "
            f"{values[place : place + 1].tolist()[0]!r} {rule}"
        )


def check_page_ids(page_ids: TextColumn, source: str) -> None:
    """Refuses a log in which two pages have one id; its arguments are as in `check_exposures`.

    Raises:
        ExposureLogError: Names the id.
    """
    hashes = np.fromiter(map(hash, page_ids), np.int64, len(page_ids))
    alike = np.flatnonzero(~_is_first(hashes))
    # Two ids may have one hash, so that only those that share one are compared.
    same = np.flatnonzero(np.isin(hashes, hashes[alike])) if len(alike) else alike
    repeated = np.zeros(len(page_ids), dtype=np.bool_)
    repeated[same] = ~_is_first(np.asarray(page_ids[same]))
    pages = np.arange(len(page_ids) + 1, dtype=np.int64)
    report = _Report(source, page_ids)
    report.refuse(repeated, PAGE_ID, page_ids, pages, "names more than one page")


def _is_first(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a value comes for the first time."""
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _check_lengths_of_lists(log: ExposureFields, report: _Report) -> None:
    pages = np.arange(len(log) + 1, dtype=np.int64)
    for column, offsets in ((CANDIDATE_ID, log.candidate_offsets), (SLATE, log.slate_offsets)):
        lengths = np.diff(offsets)
        report.refuse(lengths == 0, column, lengths, pages, "entries: a page needs at least one")


def _check_feature(
    feature: Feature,
    column: str,
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    report: _Report,
) -> None:
    if feature.kind is FeatureKind.DENSE:
        report.refuse(~np.isfinite(values), column, values, offsets, "is not a finite float32")
    elif not feature.hashed:
        outside = (values < 0) | (values >= feature.vocabulary)
        rule = f"is outside [0, {feature.vocabulary - 1}]"
        report.refuse(outside, column, values, offsets, rule)


def _check_lists(log: ExposureFields, report: _Report) -> None:
    """Refuses negative ids in lists of hashed ids: there -1 says that there is no entry."""
    pages = np.arange(len(log) + 1, dtype=np.int64)
    for side, prefix, ids, columns, offsets in (
        ("user", USER_PREFIX, log.schema.user_ids, log.user, pages),
        (
            "candidate",
            CANDIDATE_PREFIX,
            log.schema.candidate_ids,
            log.candidate,
            log.candidate_offsets,
        ),
    ):
        for unit in id_units(ids, log.schema.blocks_of(side)):
            if unit.pool is None or not unit.feature.hashed:
                continue
            for column in unit.columns:
                values = columns[ids[column].name]
                rule = f"is neither >= 0 nor {EMPTY_HASHED} (no entry)"
                name = f"{prefix}{ids[column].name}"
                report.refuse(values < EMPTY_HASHED, name, values, offsets, rule)


def _check_candidates(log: ExposureFields, report: _Report) -> None:
    """A name stands once on a page, as the id of a candidate does in a request."""
    names = log.candidate_names
    hashes = np.fromiter(map(hash, names), np.int64, len(names))
    page = np.repeat(np.arange(len(log)), np.diff(log.candidate_offsets))
    order = np.lexsort((hashes, page))
    alike = (np.diff(hashes[order]) == 0) & (np.diff(page[order]) == 0)
    repeated = np.zeros(len(names), dtype=np.bool_)
    for before, after in zip(order[:-1][alike], order[1:][alike], strict=True):
        repeated[after] = names[before] == names[after]  # two names may have one hash
    report.refuse(
        repeated, CANDIDATE_ID, names, log.candidate_offsets, "is a candidate of the page twice"
    )


def _check_slates(log: ExposureFields, report: _Report) -> None:
    counts = np.diff(log.candidate_offsets)
    limit = np.repeat(counts, np.diff(log.slate_offsets))
    outside = (log.slates < 0) | (log.slates >= limit)
    rule = "is not a candidate of the page"
    report.refuse(outside, SLATE, log.slates, log.slate_offsets, rule)
    page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    placed = log.candidate_offsets[page] + log.slates  # unique per candidate of the whole log
    repeated = np.ones(placed.shape, dtype=np.bool_)
    repeated[np.unique(placed, return_index=True)[1]] = False
    report.refuse(repeated, SLATE, log.slates, log.slate_offsets, "is shown twice")


def _check_above(log: ExposureFields, above: LoggedAbove, report: _Report) -> None:
    offsets = above.offsets
    for feature in log.schema.above:
        column = f"{ABOVE_PREFIX}{feature.name}"
        _check_feature(feature, column, above.features[feature.name], offsets, report)
    limit = np.repeat(np.diff(log.candidate_offsets), np.diff(offsets))
    outside = (above.dedup_keys < -1) | (above.dedup_keys >= limit)
    rule = "is neither a candidate of the page nor -1 (none of them)"
    report.refuse(outside, ABOVE_KEY, above.dedup_keys, offsets, rule)
    lengths, pages = np.diff(offsets), np.arange(len(log) + 1, dtype=np.int64)
    rule = f"slots above the page: at most {MOST_ABOVE}"
    report.refuse(lengths > MOST_ABOVE, ABOVE_KEY, lengths, pages, rule)


def _check_feedback(log: ExposureFields, report: _Report) -> None:
    offsets = log.slate_offsets
    clicks, choice, placement = log.clicks, log.log_propensity, log.placement_propensity
    outside = ~((clicks >= 0) & (clicks <= 1))
    report.refuse(outside, CLICK, clicks, offsets, "is outside [0, 1]")
    for kind in log.schema.feedback:
        values = log.feedback[kind.name]
        wrong = contradicts(kind.kind, values)
        report.refuse(wrong, f"{FEEDBACK_PREFIX}{kind.name}", values, offsets, RULES[kind.kind])
    outside = ~(np.isnan(choice) | (np.isfinite(choice) & (choice <= _LOG_ONE)))
    rule = "is neither the logarithm of a positive probability nor NaN (unknown)"
    report.refuse(outside, LOG_PROPENSITY, choice, offsets, rule)
    outside = ~(np.isnan(placement) | ((placement > 0) & (placement <= 1 + _LOG_ONE)))
    rule = "is neither a positive probability nor NaN (unknown)"
    report.refuse(outside, PLACEMENT_PROPENSITY, placement, offsets, rule)


def check_lengths(
    name: str, lengths: NDArray[np.int64], expected: NDArray[np.int64], pages: TextColumn
) -> None:
    """Refuses a list column whose lists are not as long as its leading column's.

    Raises:
        ExposureLogError: Names column, page and both lengths; no file.
    """
    wrong = np.flatnonzero(lengths != expected)
    if wrong.size:
        page = int(wrong[0])
        raise ExposureLogError(
            f"column {name!r}, page {str(pages[page])!r}: a list of {int(lengths[page])}, "
            f"not of {int(expected[page])}"
        )
