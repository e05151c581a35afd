"""The token by which a client is let in, and the form of a file of tokens."""

from __future__ import annotations

from pathlib import Path


def tokens_of(text: str) -> list[str]:
    """The tokens of a file: one per line, but for empty lines and those that begin with #.

    Raises:
        ValueError: There is none, or one is not of visible ASCII characters; the message names the
            line, and no token.
    """
    tokens = []
    for number, line in enumerate(text.split("\n"), start=1):
        token = line.strip(" \t\r")
        if not token or token.startswith("#"):
            continue
        if not _is_token(token):
            rule = "must hold tokens of visible ASCII characters"
            raise ValueError(f"{rule}, got other ones in line {number}")
        tokens.append(token)
    if not tokens:
        raise ValueError("must hold a token per line, got none")
    return tokens


class BearerToken:
    """A token, or the file that holds one. Thread-safe; shows neither in its repr.

    Args:
        token: The token, or the path of its file.

    Raises:
        ValueError: The text is no token.
    """

    def __init__(self, token: str | Path) -> None:
        if isinstance(token, str) and not _is_token(token):
            raise ValueError("token: must be of visible ASCII characters")
        self._token = token

    def read(self) -> str:
        """The token, of a file the first one as it stands there now.

        Raises:
            OSError, ValueError: The file cannot be read or holds no token.
        """
        if isinstance(self._token, str):
            return self._token
        text = self._token.read_text(encoding="utf-8", errors="replace")
        try:
            return tokens_of(text)[0]
        except ValueError as error:
            raise ValueError(f"token: {self._token} {error}") from None


def _is_token(text: str) -> bool:
    return text != "" and all("!" <= character <= "~" for character in text)
