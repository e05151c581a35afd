"""The seed of every random input: fresh in each run, printed, and repeatable."""

from __future__ import annotations

import os
import random
import zlib

import pytest

BASE_SEED = int(os.environ.get("GERANK_TEST_SEED", random.SystemRandom().randrange(2**31)))


def pytest_report_header() -> str:
    return f"random inputs: GERANK_TEST_SEED={BASE_SEED} repeats them"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `random` the tests that draw their inputs: `make test-seeds` repeats those."""
    for item in items:
        if isinstance(item, pytest.Function) and "seed" in item.fixturenames:
            item.add_marker(pytest.mark.random)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test's own, the same again for the same GERANK_TEST_SEED."""
    return (BASE_SEED + zlib.crc32(request.node.nodeid.encode())) % 2**31
