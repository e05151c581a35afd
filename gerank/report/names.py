"""Names out of logs and runs, as a page and a figure can hold them."""

from __future__ import annotations

import re

_NO_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 30


def legible(text: str) -> str:
    """The text, with a mark in place of control characters and of bytes that are no text."""
    return _NO_CHARACTERS.sub("\ufffd", text)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A name of at most `longest` characters on one line; what is too much is left out inside."""
    line = " ".join(legible(text).split())
    if len(line) <= longest:
        return line
    half = longest // 2
    return f"{line[: half - 1]}\N{HORIZONTAL ELLIPSIS}{line[len(line) - half :]}"
