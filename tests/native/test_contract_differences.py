"""Every way in which another artifact would refuse today's callers is told, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind
from gerank.server_error import ServerError
from tests.data.request_cases import CONTRACT
from tests.native.admin_server import AdminServer, administered
from tests.native.test_gerank_server import PROGRAM
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
ID, DENSE = FeatureKind.ID, FeatureKind.DENSE
_HOUR = Feature("hour", DENSE, default=12.0)
TODAY = replace(
    CONTRACT,
    schema=replace(CONTRACT.schema, user=(*CONTRACT.schema.user, _HOUR)),
    presets={"wide": {"slots": 4}},
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminServer]:
    today = StandIn(tmp_path_factory.mktemp("today"), "today", TODAY)
    with administered({"": today.path}) as running:
        yield running


def user(*features: Feature) -> RequestContract:
    return replace(TODAY, schema=replace(TODAY.schema, user=features))


def candidate(change: Callable[[Feature], Feature | None]) -> RequestContract:
    changed = (change(feature) for feature in TODAY.schema.candidate)
    return replace(
        TODAY,
        schema=replace(TODAY.schema, candidate=tuple(each for each in changed if each is not None)),
    )


def only(name: str, **changes: object) -> Callable[[Feature], Feature]:
    return lambda each: replace(each, **changes) if each.name == name else each  # type: ignore[arg-type]


AGE, COUNTRY = CONTRACT.schema.user
CASES = {
    "fewer candidates": (
        replace(TODAY, max_candidates=11),
        {"candidates: their number may be 12 now, and 11 then"},
    ),
    "fewer slots": (replace(TODAY, max_slots=5), {"slots: their number may be 6 now, and 5 then"}),
    "a feature gone": (user(COUNTRY, _HOUR), {"user.age: the feature is gone"}),
    "a feature new": (
        user(AGE, COUNTRY, _HOUR, Feature("zone", DENSE)),
        {"user.zone: the feature is new and has no default"},
    ),
    "a default gone": (
        user(AGE, COUNTRY, Feature("hour", DENSE)),
        {"user.hour: has a default now, and none then"},
    ),
    "a kind": (
        user(Feature("age", ID, vocabulary=7), COUNTRY, _HOUR),
        {"user.age: is a number now, and an id in [0, 6] then"},
    ),
    "a smaller vocabulary": (
        candidate(only("category", vocabulary=4)),
        {
            "candidates.category: is an id in [0, 4] now, and an id in [0, 3] then",
            "above.category: is an id in [0, 4] now, and an id in [0, 3] then",
        },
    ),
    "a hashed id that is none": (
        candidate(only("seller", hashed=False)),
        {
            "candidates.seller: is any id now, and an id in [0, 63] then",
            "above.seller: is any id now, and an id in [0, 63] then",
        },
    ),
    "a group key gone": (
        replace(TODAY, schema=replace(TODAY.schema, groups=("category",))),
        {"above.seller: the feature is gone", "spacing.seller: is a group key now, and none then"},
    ),
    "a flag gone": (
        replace(TODAY, schema=replace(TODAY.schema, flags=("cold",))),
        {"above.fresh: the feature is gone", "quotas.fresh: is a flag now, and none then"},
    ),
    "a utility gone": (
        replace(TODAY, weights={"clicks": TODAY.weights["clicks"]}),
        {"weights.diversity: the utility is gone"},
    ),
    "a narrower range": (
        replace(TODAY, weights={**TODAY.weights, "clicks": WeightRange(0.5, 2.0, 1.0)}),
        {"weights.clicks: its range is [0, 2] now, and [0.5, 2] then"},
    ),
    "a preset gone": (replace(TODAY, presets={}), {"preset.wide: the preset is gone"}),
    "what only gives more": (
        replace(
            user(AGE, replace(COUNTRY, vocabulary=4, values=("cz", "de", "pl", "sk")), _HOUR),
            max_slots=7,
            max_candidates=13,
            weights={**TODAY.weights, "dwell": WeightRange(0.0, 1.0, 0.5)},
        ),
        set(),
    ),
    "another order": (user(_HOUR, COUNTRY, AGE), set()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_told(server: AdminServer, case: str, tmp_path: Path) -> None:
    contract, differences = CASES[case]
    loaded = server.client.load("", StandIn(tmp_path, "next", contract).path, dry_run=True)
    assert {f"{each.field}: {each.rule}" for each in loaded.differences} == differences


def test_more_than_trailers_hold_are_told_by_a_dry_run_and_the_refusal_says_how_many(
    server: AdminServer, tmp_path: Path
) -> None:
    many = tuple(Feature(f"feature_of_some_length_{i}", DENSE) for i in range(100))
    path = StandIn(tmp_path, "many", user(AGE, COUNTRY, _HOUR, *many)).path
    assert len(server.client.load("", path, dry_run=True).differences) == 100
    with pytest.raises(
        ServerError, match=r"feature_of_some_length_0: .*; and \d+ more, which a dry"
    ):
        server.client.load("", path)
