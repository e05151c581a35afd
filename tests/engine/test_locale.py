"""A host that writes numbers as Germans do: the engine's messages stay as they are everywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment

SCRIPT = """
import locale
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
locale.setlocale(locale.LC_ALL, "de_DE")
assert locale.localeconv()["decimal_point"] == ","
for weight in (0.9, 1e-7):
    try:
        parse_request(valid_document() | {"weights": {"diversity": weight}}, CONTRACT)
    except RequestError as error:
        print(error)
"""


def test_numbers_in_messages_have_a_point_in_every_locale(tmp_path: Path) -> None:
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("this machine cannot make the locale")
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment() | {"LOCPATH": str(tmp_path), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.splitlines() == [
        "weights.diversity: must be a number in [0.1, 0.7], got 0.9",
        "weights.diversity: must be a number in [0.1, 0.7], got 1e-07",
    ], result.stderr
