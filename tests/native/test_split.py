"""Traffic splits: which arm a call gets, that all servers agree, and that no call is lost."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from gerank.admin import Arm
from gerank.server_error import ServerError
from tests.exposures.reading import read_folder
from tests.native.admin_server import AdminServer, Callers, administered, answer, payload
from tests.native.metrics_client import await_page
from tests.native.test_gerank_server import METHOD, PROGRAM
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
ARMS = (Arm("control", "old-1", 70), Arm("new", "new-1", 25), Arm("same", "old-1", 5))
_MASK = 2**64 - 1


def hash_of(text: str) -> int:
    """FNV-1a and the final mixing of MurmurHash3, as admin.proto names them."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 & _MASK
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ state >> 33) * factor & _MASK
    return state ^ state >> 33


def arm_of(model: str, key: str, arms: tuple[Arm, ...] = ARMS) -> Arm:
    point = (hash_of(f"{model}/{key}") >> 32) * sum(arm.weight for arm in arms) >> 32
    for arm in arms:
        if point < arm.weight:
            return arm
        point -= arm.weight
    raise AssertionError


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("new"), "new")


@pytest.fixture
def server(old: StandIn, new: StandIn) -> Iterator[AdminServer]:
    with administered({"feed": old.path}, "--threads", 2) as running:
        running.client.load("feed", new.path, keep_current=True)
        yield running


@pytest.mark.parametrize("header", ["x-split-key", "x-request-id"])
@pytest.mark.parametrize("model", ["", "feed"])
def test_the_arm_is_the_one_that_the_documented_hash_gives(
    server: AdminServer, header: str, model: str
) -> None:
    assert server.client.split("feed", ARMS) == 100
    for i in range(200):
        arm = arm_of("feed", f"user-{i}")
        found = answer(server.channel, payload(model), ((header, f"user-{i}"),))
        assert found == (arm.version, arm.arm)


def test_the_key_goes_before_the_request_id(server: AdminServer) -> None:
    server.client.split("feed", ARMS)
    for i in range(50):
        metadata = (("x-request-id", f"request-{i}"), ("x-split-key", "sesame"))
        assert answer(server.channel, payload(), metadata)[1] == arm_of("feed", "sesame").arm


def test_without_a_key_calls_are_spread_by_weight(server: AdminServer) -> None:
    server.client.split("feed", (Arm("a", "old-1", 1), Arm("b", "new-1", 3)))
    found = Counter(answer(server.channel, payload())[1] for _ in range(400))
    assert 240 < found["b"] < 350 and found["a"] + found["b"] == 400  # five standard deviations


def test_arms_do_not_depend_on_which_calls_are_written_down() -> None:
    """A share of exposures is drawn by a hash of the request id, too: it must be another one."""
    keys = [f"request-{i}" for i in range(4000)]
    sampled = np.array([hash_of(key) >> 32 < 2**31 for key in keys])
    first = np.array([arm_of("feed", key, ARMS).arm == "control" for key in keys])
    assert abs(first[sampled].mean() - first[~sampled].mean()) < 0.08  # five standard deviations


def test_a_version_that_the_call_names_answers_and_no_arm_is_told(server: AdminServer) -> None:
    server.client.split("feed", (Arm("new", "new-1", 1),))
    assert answer(server.channel, payload("feed")) == ("new-1", "new")
    assert answer(server.channel, payload("feed", "old-1")) == ("old-1", "")
    assert answer(server.channel, payload("feed"), (("x-arm", "theirs"),)) == ("new-1", "new")
    server.client.split("feed", ())
    assert answer(server.channel, payload("feed")) == ("old-1", "")
    assert answer(server.channel, payload("feed"), (("x-arm", "theirs"),)) == ("old-1", "theirs")


def test_a_call_that_fails_names_its_arm_too(server: AdminServer, new: StandIn) -> None:
    server.client.split("feed", (Arm("new", "new-1", 1),))
    new.fail(True)
    try:
        with pytest.raises(grpc.RpcError) as caught:
            server.channel.unary_unary(METHOD)(payload(), timeout=20)
        assert dict(caught.value.trailing_metadata())["x-arm"] == "new"
    finally:
        new.fail(False)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ((Arm("a", "old-1", 0),), r"INVALID_ARGUMENT: arms\[0\].weight: must be an integer in"),
        ((Arm("a", "old-1", 1_000_001),), r"INVALID_ARGUMENT: arms\[0\].weight: must be"),
        ((Arm("a b", "old-1", 1),), r"INVALID_ARGUMENT: arms\[0\].arm: must be 1 to 128"),
        ((Arm("a", "old-1", 1), Arm("a", "new-1", 1)), r"INVALID_ARGUMENT: arms\[1\].arm: another"),
        ((Arm("a", "", 1),), r"INVALID_ARGUMENT: arms\[0\].version: must be a published version"),
        ((Arm("a", "x", 1),), "NOT_FOUND: no version of model 'feed' 'x' is published"),
        (tuple(Arm(f"a{i}", "old-1", 1) for i in range(101)), "INVALID_ARGUMENT: arms: must be at"),
    ],
)
def test_what_is_no_split_is_refused_and_the_one_before_stays(
    server: AdminServer, arms: tuple[Arm, ...], message: str
) -> None:
    server.client.split("feed", (Arm("new", "new-1", 1),))
    with pytest.raises(ServerError, match=message):
        server.client.split("feed", arms)
    assert answer(server.channel, payload()) == ("new-1", "new")


def test_a_version_in_a_split_stays_whatever_is_loaded_or_made_current(
    server: AdminServer, old: StandIn, tmp_path: Path
) -> None:
    server.client.split("feed", (Arm("a", "old-1", 1), Arm("b", "new-1", 1)))
    with pytest.raises(ServerError, match="FAILED_PRECONDITION: 'new-1' is in the split"):
        server.client.retire("feed", "new-1")
    third = StandIn(tmp_path, "third")
    loaded = server.client.load("feed", third.path)
    assert loaded.previous_version == "old-1" and loaded.previous_published
    assert server.client.make_current("feed", "new-1").previous_version == "third-1"
    for i in range(40):
        assert answer(server.channel, payload(), (("x-split-key", str(i)),))[0] != "third-1"
    listed = {each.version: each.arms for each in server.client.models().models}
    assert listed == {
        "old-1": (Arm("a", "old-1", 1),),
        "new-1": (Arm("b", "new-1", 1),),
        "third-1": (),
    }
    server.client.split("feed", ())
    server.client.retire("feed", "old-1")
    assert answer(server.channel, payload()) == ("new-1", "")


def test_arms_are_counted_and_written_down(old: StandIn, new: StandIn, tmp_path: Path) -> None:
    options = ("--metrics-address", "127.0.0.1:0", "--exposures", tmp_path)
    with administered({"feed": old.path}, *options) as server:
        assert server.metrics != ""
        server.client.load("feed", new.path, keep_old=True)
        server.client.split("feed", ARMS)
        for i in range(60):
            answer(server.channel, payload(), (("x-split-key", f"user-{i}"), ("x-arm", "theirs")))
        expected = Counter(arm_of("feed", f"user-{i}") for i in range(60))
        for arm in ARMS:
            labels = {"model": "feed", "arm": arm.arm, "version": arm.version}
            await_page(
                server.metrics,
                lambda page, labels=labels, arm=arm: (
                    page("gerank_arm_queries_total", outcome="answered", **labels) == expected[arm]
                ),
            )
        new.fail(True)
        with pytest.raises(grpc.RpcError):
            server.client.split("feed", (Arm("new", "new-1", 1),))
            answer(server.channel, payload())
        new.fail(False)
        labels = {"model": "feed", "arm": "new", "version": "new-1"}
        page = await_page(
            server.metrics,
            lambda page: page("gerank_arm_queries_total", outcome="failed", **labels) == 1,
        )
        answered = page("gerank_arm_queries_total", outcome="answered", **labels)
        assert answered == expected[ARMS[1]], "the counts of an arm that stays go on"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
    written = Counter((each.arm, each.model_version) for each in read_folder(tmp_path))
    assert written == {(arm.arm, arm.version): count for arm, count in expected.items()}


def test_no_call_is_lost_while_models_are_swapped_split_and_retired(
    server: AdminServer, old: StandIn, new: StandIn
) -> None:
    client = server.client
    with Callers(server.channel, payload()) as callers:
        for _ in range(5):
            client.split("feed", (Arm("a", "old-1", 1), Arm("b", "new-1", 1)))
            client.make_current("feed", "new-1")
            client.split("feed", (Arm("b", "new-1", 1),))
            client.retire("feed", "old-1")
            client.load("feed", old.path, keep_old=True)
            client.split("feed", ())
            client.retire("feed", "new-1")
            client.load("feed", new.path, keep_current=True)
    assert callers.failures == []
    assert set(callers.versions) == {"old-1", "new-1"} and len(callers.versions) > 20
