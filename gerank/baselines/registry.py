"""Comparators by name: those of this package, and those of users as `package.module:Class`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import gerank.baselines
from gerank.baselines.comparator import Comparator
from gerank.own_code import look_up


class UnknownComparatorError(ValueError):
    """A name that no comparator has; the message lists those that there are."""


@cache
def comparators() -> dict[str, type[Comparator]]:
    """Name -> class of every comparator that a file of this package defines, by name."""
    found: dict[str, type[Comparator]] = {}
    for file in pkgutil.iter_modules(gerank.baselines.__path__):
        module = importlib.import_module(f"gerank.baselines.{file.name}")
        for kind in vars(module).values():
            if _is_comparator(kind) and kind.__module__ == module.__name__:
                found[kind.name] = kind
    return dict(sorted(found.items()))


def comparator_class(name: str) -> type[Comparator]:
    """The comparator of a name, or of `package.module:Class`.

    Raises:
        UnknownComparatorError: There is none.
    """
    if ":" in name:
        try:
            kind = look_up(name, "Class")
        except ValueError as error:
            raise UnknownComparatorError(f"comparator {name!r}: {error}") from None
        if kind is None:
            module, _, own_name = name.partition(":")
            raise UnknownComparatorError(f"comparator {name!r}: {module} has no {own_name!r}")
        if not _is_comparator(kind):
            raise UnknownComparatorError(
                f"comparator {name!r} names {kind!r}, which is no subclass of "
                "gerank.baselines.comparator.Comparator with a name"
            )
        own: type[Comparator] = kind
        return own
    known = comparators()
    if name not in known:
        raise UnknownComparatorError(f"comparator {name!r} is not one of {', '.join(known)}")
    return known[name]


def _is_comparator(kind: object) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, Comparator)
        and not inspect.isabstract(kind)
        and hasattr(kind, "name")
    )
