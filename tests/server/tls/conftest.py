"""Certificates that the tests of TLS share within a file, and the ear at stderr."""

from __future__ import annotations

import pytest

from tests.server.tls.certificates import Authority, Identity
from tests.server.tls.serving import Heard


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "house")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers"), "stranger")


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Identity:
    return authority.issue()


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Heard:
    return Heard(capfd)
