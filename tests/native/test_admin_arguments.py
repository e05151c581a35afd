"""`AdminClient` and `gerank admin` name an argument that no message can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gerank.admin import AdminClient, Arm, MalformedArgumentError
from tests.cli.command import gerank

_WEIGHT = r"arms\[0\]\.weight: must be an integer in \[1, 1000000\], got "
CASES: list[tuple[Callable[[AdminClient], Any], str]] = [
    (lambda client: client.split("feed", [Arm("a", "v", 2**40)]), f"{_WEIGHT}{2**40}"),
    (lambda client: client.split("feed", [Arm("a", "v", -1)]), f"{_WEIGHT}-1"),
    (lambda client: client.split("feed", [Arm("a", "v", "x")]), f"{_WEIGHT}'x'"),  # type: ignore[arg-type]
    (lambda client: client.split("feed", [Arm("a", "v", 1.5)]), f"{_WEIGHT}1.5"),  # type: ignore[arg-type]
    (
        lambda client: client.split("feed", [Arm("a", 3, 1)]),  # type: ignore[arg-type]
        r"arms\[0\]\.version: must be a string, got 3",
    ),
    (
        lambda client: client.split("feed", [("a", "v", 1)]),  # type: ignore[list-item]
        r"arms\[0\]: must be an Arm, got \('a', 'v', 1\)",
    ),
    (lambda client: client.retire(3), "name: must be a string, got 3"),  # type: ignore[arg-type]
    (lambda client: client.retire("feed", 3), "version: must be a string, got 3"),  # type: ignore[arg-type]
    (lambda client: client.make_current("\ud800"), "name: must be Unicode, got '.ud800'"),
    (lambda client: client.load("feed", 3), "path: must be a path, got 3"),  # type: ignore[arg-type]
    (
        lambda client: client.load("feed", "f", keep_old="yes"),  # type: ignore[arg-type]
        "keep_old: must be true or false, got 'yes'",
    ),
]


@pytest.mark.parametrize(("call", "message"), CASES)
def test_an_argument_that_no_message_holds_is_named(
    call: Callable[[AdminClient], Any], message: str
) -> None:
    with (
        AdminClient("localhost:1", 1) as client,
        pytest.raises(MalformedArgumentError, match=f"^{message}"),
    ):
        call(client)


@pytest.mark.parametrize("weight", ["-1", "1.5", "99999999999", "0", "²", "x"])
def test_the_command_tells_the_range_of_a_weight(weight: str) -> None:
    result = gerank("admin", "split", "feed", f"new=feed-8:{weight}", "--address", "localhost:1")
    assert result.code == 1
    told = f"arm new: the weight must be an integer in [1, 1000000], got {weight!r}"
    assert told in result.err


@pytest.mark.parametrize(
    "command",
    [
        ("admin", "list", "--address", "localhost:1"),
        ("rerank", "--server", "localhost:1", "--input", "pages.jsonl", "--output", "slates.jsonl"),
    ],
    ids=lambda command: command[0],
)
def test_a_file_of_authorities_that_cannot_be_read_is_told_with_its_option(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pages.jsonl").write_text("{}\n")
    result = gerank(*command, "--tls-ca", "nofile")
    assert result.code == 1
    assert "--tls-ca: nofile cannot be read: No such file or directory" in result.err
