"""gerank.v1.AdminService: load, compare, roll back and retire while callers are served."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from gerank.admin import AdminClient, ContractDifference
from gerank.data.schema import Feature, FeatureKind
from gerank.server_error import ServerError
from tests.data.request_cases import CONTRACT
from tests.native.admin_server import AdminServer, Callers, administered, ask, code_of, payload
from tests.native.test_gerank_server import PROGRAM
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
_schema = CONTRACT.schema
NARROW = replace(
    CONTRACT,
    max_slots=5,
    schema=replace(
        _schema,
        user=(*_schema.user, Feature("hour", FeatureKind.DENSE)),
        candidate=tuple(each for each in _schema.candidate if each.name != "price"),
    ),
)
"""Refuses what callers of CONTRACT send: no price, an hour that it needs, fewer slots."""
DIFFERENCES = {
    ContractDifference("slots", "their number may be 6 now, and 5 then"),
    ContractDifference("user.hour", "the feature is new and has no default"),
    ContractDifference("candidates.price", "the feature is gone"),
}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("new"), "new")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("narrow"), "narrow", NARROW)


@pytest.fixture
def server(old: StandIn) -> Iterator[AdminServer]:
    with administered({"feed": old.path}) as running:
        yield running


def _versions(server: AdminServer) -> dict[str, bool]:
    """Whether each published version of the feed is current."""
    models = server.client.models().models
    return {each.version: each.current for each in models if each.name == "feed"}


def test_a_load_answers_and_the_version_before_goes_unless_it_is_kept(
    server: AdminServer, old: StandIn, new: StandIn
) -> None:
    loaded = server.client.load("feed", new.path)
    assert (loaded.version, loaded.previous_version) == ("new-1", "old-1")
    assert (loaded.current, loaded.previous_published, loaded.differences) == (True, False, ())
    assert ask(server.channel) == "new-1"
    assert code_of(server.channel, "feed", "old-1") == "NOT_FOUND"
    assert server.client.load("feed", old.path, keep_old=True).previous_published
    assert _versions(server) == {"new-1": False, "old-1": True}
    assert ask(server.channel, "feed", "new-1") == "new-1"


def test_one_call_rolls_back_and_another_one_returns(server: AdminServer, new: StandIn) -> None:
    server.client.load("feed", new.path, keep_old=True)
    made = server.client.make_current("feed")
    assert (made.version, made.previous_version) == ("old-1", "new-1")
    assert ask(server.channel) == "old-1"
    assert server.client.make_current("feed", "new-1").previous_version == "old-1"
    assert ask(server.channel) == "new-1"
    with pytest.raises(ServerError, match="NOT_FOUND: no version of model 'feed' 'x'"):
        server.client.make_current("feed", "x")


def test_beside_the_current_version_no_call_without_a_version_sees_the_new_one(
    server: AdminServer, new: StandIn
) -> None:
    with (
        Callers(server.channel, payload("feed")) as callers,
        Callers(server.channel, payload()) as nameless,
    ):
        for _ in range(3):
            loaded = server.client.load("feed", new.path, keep_current=True)
            assert not loaded.current and loaded.previous_published
            assert ask(server.channel, "feed", "new-1") == "new-1"
            server.client.retire("feed", "new-1")
    for each in (callers, nameless):
        assert each.failures == [] and set(each.versions) == {"old-1"}
    with pytest.raises(ServerError, match="'old-1' of 'feed' is current already"):
        server.client.load("feed", server.client.models().models[0].path, keep_current=True)
    with pytest.raises(ServerError, match="'other' has no current version to keep"):
        server.client.load("other", new.path, keep_current=True)


def test_what_would_refuse_todays_callers_is_refused_with_every_difference(
    server: AdminServer, narrow: StandIn
) -> None:
    with pytest.raises(ServerError) as caught:
        server.client.load("feed", narrow.path)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    told = set(map(ContractDifference, caught.value.fields, caught.value.rules))
    assert told == DIFFERENCES
    assert all(f"{each.field}: {each.rule}" in str(caught.value) for each in DIFFERENCES)
    assert _versions(server) == {"old-1": True} and ask(server.channel) == "old-1"
    [refused] = server.client.models().refused
    assert refused.name == "feed" and refused.path == str(narrow.path)
    assert "candidates.price: the feature is gone" in refused.error


def test_a_dry_run_tells_the_differences_and_changes_nothing(
    server: AdminServer, narrow: StandIn, new: StandIn
) -> None:
    dry = server.client.load("feed", narrow.path, dry_run=True)
    assert set(dry.differences) == DIFFERENCES and not dry.current
    assert server.client.load("feed", new.path, dry_run=True).differences == ()
    assert _versions(server) == {"old-1": True} and server.client.models().refused == ()


def test_it_is_loaded_where_it_may_refuse_them(server: AdminServer, narrow: StandIn) -> None:
    loaded = server.client.load("feed", narrow.path, keep_old=True, allow_breaking_contract=True)
    assert set(loaded.differences) == DIFFERENCES and loaded.current
    assert code_of(server.channel) == "INVALID_ARGUMENT"
    assert server.client.make_current("feed").version == "old-1"
    assert code_of(server.channel) == "OK"


def test_features_that_the_server_passes_over_are_no_difference(
    old: StandIn, narrow: StandIn
) -> None:
    with administered({"": old.path}, "--unknown-features", "ignore") as server:
        dry = server.client.load("default", narrow.path, dry_run=True)
    assert set(dry.differences) == DIFFERENCES - {
        ContractDifference("candidates.price", "the feature is gone")
    }


def test_sighup_swaps_all_the_same_and_warns(old: StandIn, narrow: StandIn, tmp_path: Path) -> None:
    served = tmp_path / "served.gerank"
    served.write_bytes(old.path.read_bytes())
    with administered({"": served}, "--log-format", "json") as server:
        served.unlink()
        served.hardlink_to(narrow.path)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr is not None
        event = json.loads(server.process.stderr.readline())
        assert (event["level"], event["event"]) == ("warning", "contract_changed")
        assert all(each.field in event["message"] for each in DIFFERENCES)
        assert code_of(server.channel) == "INVALID_ARGUMENT"


def test_what_is_in_use_is_not_retired(server: AdminServer, old: StandIn, new: StandIn) -> None:
    for version, words in (("old-1", "is the current version"), ("", "calls that name no model")):
        with pytest.raises(ServerError, match=f"FAILED_PRECONDITION: .*{words}"):
            server.client.retire("feed", version)
    with pytest.raises(ServerError, match="NOT_FOUND"):
        server.client.retire("feed", "x")
    server.client.load("search", new.path)
    server.client.retire("search")
    assert code_of(server.channel, "search") == "NOT_FOUND"
    assert [each.name for each in server.client.models().models] == ["feed"]


def test_a_damaged_file_is_refused_and_remembered_until_a_sound_one_comes(
    server: AdminServer, new: StandIn, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gerank"
    damaged.write_bytes(new.path.read_bytes()[:5000])
    began = time.time()
    with pytest.raises(ServerError, match=f"FAILED_PRECONDITION: {damaged}: "):
        server.client.load("feed", damaged)
    [refused] = server.client.models().refused
    assert abs(refused.time.timestamp() - began) < 60 and str(damaged) in refused.error
    server.client.load("feed", new.path)
    assert server.client.models().refused == ()


def test_the_list_tells_where_each_version_is_from_and_what_it_did(
    server: AdminServer, old: StandIn, new: StandIn
) -> None:
    server.client.load("feed", new.path, keep_old=True)
    server.client.load("search", new.path)
    for _ in range(3):
        ask(server.channel)
    models = {(each.name, each.version): each for each in server.client.models().models}
    assert set(models) == {("feed", "old-1"), ("feed", "new-1"), ("search", "new-1")}
    current = models["feed", "new-1"]
    assert current.current and current.is_default and current.answered == 3 and current.failed == 0
    assert current.path == str(new.path) and models["feed", "old-1"].path == str(old.path)
    assert abs(current.loaded_at.timestamp() - time.time()) < 60
    assert not models["search", "new-1"].is_default


def test_a_deadline_ends_the_wait_and_not_the_load(server: AdminServer, new: StandIn) -> None:
    new.hold()
    try:
        with (
            AdminClient(server.address, 0.5) as hasty,
            pytest.raises(ServerError, match="DEADLINE"),
        ):
            hasty.load("feed", new.path)
        assert ask(server.channel) == "old-1"
        assert _versions(server) == {"old-1": True}, "others wait for a load"
    finally:
        new.release()
    end = time.monotonic() + 30
    while ask(server.channel) != "new-1":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_loads_wait_for_each_other_and_too_many_are_refused(
    server: AdminServer, new: StandIn
) -> None:
    new.hold()
    outcomes: list[str] = []

    def load(name: str) -> None:
        try:
            server.client.load(name, new.path)
            outcomes.append("OK")
        except ServerError as error:
            outcomes.append(error.code.name)

    threads = [threading.Thread(target=load, args=(f"m{i}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + 20
        while len(outcomes) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        new.release()
    for thread in threads:
        thread.join()
    assert outcomes.count("RESOURCE_EXHAUSTED") == 3 and outcomes.count("OK") == 17
    assert len(server.client.models().models) == 18


def test_a_server_that_ends_ends_the_wait_for_loads(server: AdminServer, new: StandIn) -> None:
    new.hold()
    codes: list[str] = []

    def load() -> None:
        try:
            server.client.load("feed", new.path)
        except ServerError as error:
            codes.append(error.code.name)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(timeout=20)
        assert codes == ["UNAVAILABLE", "UNAVAILABLE"]
    finally:
        new.release()
    assert server.process.wait(timeout=30) == 0
