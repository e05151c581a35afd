from __future__ import annotations

import pytest

from gerank.baselines.comparator import Comparator
from gerank.baselines.mmr import Mmr
from gerank.baselines.registry import UnknownComparatorError, comparator_class, comparators


def test_every_comparator_is_found_by_its_name_and_tells_its_paper() -> None:
    known = comparators()
    assert {"logged", "upstream_score", "mmr", "dpp", "lambdamart", "gerank"} <= set(known)
    for name, kind in known.items():
        assert kind.name == name and kind.paper
        assert comparator_class(name) is kind
        kind()  # has a first value of every setting


def test_a_class_of_ones_own_is_named_by_its_path() -> None:
    assert comparator_class("gerank.baselines.mmr:Mmr") is Mmr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nmr", "comparator 'nmr' is not one of .*mmr"),
        ("gerank.baselines.mmr:MMR", "gerank.baselines.mmr has no 'MMR'"),
        ("gerank.baselines.comparator:Comparator", "which is no subclass"),
        ("nowhere:Thing", "comparator 'nowhere:Thing': module 'nowhere' does not import"),
    ],
)
def test_a_name_that_no_comparator_has_is_refused(name: str, message: str) -> None:
    with pytest.raises(UnknownComparatorError, match=message):
        comparator_class(name)


def test_a_comparator_cannot_be_made_without_its_methods() -> None:
    with pytest.raises(TypeError):
        Comparator()  # type: ignore[abstract]
