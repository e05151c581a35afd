"""Bad requests: one line that names line, field and value, and no answer is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import done
from tests.cli.conftest import Journey

Page = dict[str, Any]
Refused = Callable[..., str]


def without(page: Page, name: str) -> Page:
    return {key: value for key, value in page.items() if key != name}


def candidate(page: Page, **changes: Any) -> Page:
    """The third candidate changed; a value of None removes the feature."""
    entries = list(page["candidates"])
    entries[2] = {k: v for k, v in (entries[2] | changes).items() if v is not None}
    return page | {"candidates": entries}


def many(page: Page, count: int) -> Page:
    copies = [page["candidates"][0] | {"id": f"copy-{index}"} for index in range(count)]
    return page | {"candidates": copies}


BAD_PAGES: dict[str, tuple[Callable[[Page], object], str]] = {
    "unknown feature": (lambda p: candidate(p, prise=3), r"candidates\[2\]\.prise.*3"),
    "missing feature": (
        lambda p: candidate(p, popularity=None),
        r"candidates\[2\]\.?.*popularity",
    ),
    "NaN": (lambda p: candidate(p, popularity=float("nan")), r"candidates\[2\]\.popularity.*nan"),
    "infinity": (
        lambda p: candidate(p, popularity=float("inf")),
        r"candidates\[2\]\.popularity.*inf",
    ),
    "too large a number": (
        lambda p: candidate(p, popularity=1e300),
        r"candidates\[2\]\.popularity.*1e\+300",
    ),
    "a text for a number": (
        lambda p: candidate(p, popularity="high"),
        r"candidates\[2\]\.popularity.*'high'",
    ),
    "an unknown value": (lambda p: candidate(p, seller="nobody"), r"seller.*'nobody'"),
    "an id twice": (
        lambda p: candidate(p, id=p["candidates"][0]["id"]),
        r"candidates\[2\]\.id.*candidates\[0\]",
    ),
    "a missing user feature": (
        lambda p: p | {"user": without(p["user"], "intent")},
        r"user\.?.*intent",
    ),
    "an unknown user feature": (lambda p: p | {"user": p["user"] | {"age": 9}}, r"user\.age.*9"),
    "no candidates": (lambda p: p | {"candidates": []}, r"candidates.*\[1, 512\].*0"),
    "too many candidates": (lambda p: many(p, 513), r"candidates.*\[1, 512\].*513"),
    "too many slots": (lambda p: p | {"slots": 4}, r"slots.*\[1, 3\].*4"),
    "no slots": (lambda p: p | {"slots": 0}, r"slots.*\[1, 3\].*0"),
    "a pin on a missing candidate": (lambda p: p | {"pins": {"0": "nobody"}}, r"pins\.0.*'nobody'"),
    "a pin twice": (
        lambda p: p | {"pins": {"0": p["candidates"][1]["id"], "2": p["candidates"][1]["id"]}},
        r"pins\.2.*slot 0 pins this candidate",
    ),
    "a pin outside": (
        lambda p: p | {"pins": {"3": p["candidates"][0]["id"]}},
        r"pins\.3.*\[0, 2\].*3",
    ),
    "an unknown weight": (lambda p: p | {"weights": {"click": 1.0}}, r"weights\.click.*'?clicks"),
    "a weight out of range": (
        lambda p: p | {"weights": {"clicks": 2.5}},
        r"weights\.clicks.*\[0, 2\].*2\.5",
    ),
    "an unknown group": (
        lambda p: p | {"spacing": [{"group": "brand", "window": 2, "cap": 1}]},
        r"spacing\[0\]\.group.*'brand'",
    ),
    "an unknown flag": (
        lambda p: p | {"quotas": [{"flag": "old", "min": 1}]},
        r"quotas\[0\]\.flag.*'old'",
    ),
    "an unknown key": (lambda p: p | {"slot": 3}, r"slot.*3"),
    "an unknown mode": (lambda p: p | {"mode": "best"}, r"mode.*'best'"),
    "a temperature of 0": (lambda p: p | {"temperature": 0}, r"temperature.*0"),
    "a negative seed": (lambda p: p | {"seed": -1}, r"seed.*-1"),
    "no id": (lambda p: without(p, "id"), r"\bid\b.*missing"),
    "no object": (lambda p: [p], r"must be an object"),
}


def ask(refused: Refused, journey: Journey, folder: Path, content: bytes) -> str:
    """The message about a file of requests, whose name and line it must begin with."""
    source, target = folder / "pages.jsonl", folder / "slates.jsonl"
    source.write_bytes(content)
    target.write_text("old")
    message = refused(
        "rerank", "--model", journey.model, "--input", source, "--output", target
    ).rstrip("\n")
    assert "\n" not in message
    assert message.startswith(f"{source}:")
    return message.removeprefix(f"{source}:")


@pytest.mark.parametrize(("spoil", "words"), BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_bad_request_is_named_by_line_field_and_value(
    journey: Journey,
    refused: Refused,
    pages: list[Page],
    tmp_path: Path,
    spoil: Callable[[Page], object],
    words: str,
) -> None:
    """The good requests around it are not answered either."""
    documents = [pages[0], spoil(pages[0]), pages[1]]
    content = "\n" + "".join(f"{json.dumps(document)}\n" for document in documents)
    message = ask(refused, journey, tmp_path, content.encode())
    assert message.startswith("3: ")
    assert re.search(words, message), message


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 1',
        b"hello",
        b"\xff\xfe\x00",
        b"\x1f\x8b\x08 gzip",
        b"[" * 100_000,
        b"1" * 10_000,
    ],
)
def test_a_line_that_is_no_json_is_named(
    journey: Journey, refused: Refused, pages: list[Page], tmp_path: Path, line: bytes
) -> None:
    content = json.dumps(pages[0]).encode() + b"\n" + line + b"\n"
    assert ask(refused, journey, tmp_path, content).startswith("2: not JSON: ")


def test_a_missing_requests_file_is_named(
    journey: Journey, refused: Refused, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.jsonl"
    target = tmp_path / "s.jsonl"
    message = refused("rerank", "--model", journey.model, "--input", gone, "--output", target)
    assert str(gone) in message


def test_the_file_of_requests_is_not_replaced_by_its_answers(
    journey: Journey, refused: Refused, pages: list[Page], tmp_path: Path
) -> None:
    source = tmp_path / "pages.jsonl"
    source.write_text(json.dumps(pages[0]))
    same = tmp_path / "link.jsonl"
    same.symlink_to(source)
    for target in (source, same):
        message = refused("rerank", "--model", journey.model, "--input", source, "--output", target)
        assert "is the input too" in message
    assert json.loads(source.read_text()) == pages[0]


def test_all_keys_are_listed_where_none_is_near(
    journey: Journey, refused: Refused, pages: list[Page], tmp_path: Path
) -> None:
    content = json.dumps(pages[0] | {"zzz": 1}).encode()
    message = ask(refused, journey, tmp_path, content)
    assert "known are ['above', 'candidates'," in message and "'weights']" in message


def test_bad_lines_can_be_left_out_and_are_listed(
    journey: Journey, pages: list[Page], tmp_path: Path
) -> None:
    lines = [
        json.dumps(pages[0]),
        '{"id": 1',
        json.dumps(pages[1] | {"slots": 99}),
        json.dumps(pages[1]),
    ]
    source, target = tmp_path / "pages.jsonl", tmp_path / "slates.jsonl"
    source.write_text("\n".join(lines))
    words = ("rerank", "--model", journey.model, "--input", source, "--output", target)
    done(*words, "--skip-bad")
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    assert [answer["id"] for answer in answers] == [pages[0]["id"], pages[1]["id"]]
    listed = tmp_path / "slates.jsonl.left_out.jsonl"
    bad = [json.loads(line) for line in listed.read_text().splitlines()]
    assert [entry["line"] for entry in bad] == [2, 3]
    assert bad[0]["reason"].startswith("not JSON")
    assert "slots" in bad[1]["reason"]
    source.write_text(lines[0])
    done(*words, "--skip-bad")
    assert not listed.exists()


def test_where_all_lines_are_bad_nothing_is_written(
    journey: Journey, refused: Refused, pages: list[Page], tmp_path: Path
) -> None:
    source, target = tmp_path / "pages.jsonl", tmp_path / "slates.jsonl"
    source.write_text(json.dumps(pages[0] | {"slots": 99}))
    words = ("rerank", "--model", journey.model, "--input", source, "--output", target)
    message = refused(*words, "--skip-bad")
    assert "no line can be answered" in message
    assert ":1: " in message
    assert not target.exists()


def test_the_list_of_bad_lines_does_not_replace_the_requests_either(
    journey: Journey, refused: Refused, pages: list[Page], tmp_path: Path
) -> None:
    source = tmp_path / "slates.jsonl.left_out.jsonl"
    source.write_text(json.dumps(pages[0]))
    words = ("rerank", "--model", journey.model, "--input", source)
    message = refused(*words, "--output", tmp_path / "slates.jsonl", "--skip-bad")
    assert "is the input too" in message
    done(*words, "--output", tmp_path / "slates.jsonl")
    assert json.loads(source.read_text()) == pages[0]
    message = refused(*words, "--output", "/dev/stdout", "--skip-bad")
    assert "--skip-bad: /dev/stdout is no regular file" in message
