"""`gerank rerank` where --input is a file: JSON lines in, JSON lines out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import track

from gerank.cli.console import err, out, say
from gerank.cli.server_access import credentials_from
from gerank.unknown_features import UnknownFeatures

Rerank = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
_AT_ONCE = 64


class InputError(ValueError):
    """The input cannot be answered; the message names its file and line, or what else is wrong."""


class BadLines:
    """Lines that cannot be answered: the first one is an error, or all of them are listed.

    Attributes:
        found: Number of each line, from 1, and what is wrong with it.
        listed: The file that lists them; None = the first one is an error.
    """

    def __init__(self, source: Path, listed: Path | None) -> None:
        self.found: list[tuple[int, str]] = []
        self.listed, self._source = listed, source

    def add(self, number: int, reason: str) -> None:
        """Raises InputError, unless bad lines are listed."""
        self.found.append((number, reason))
        if self.listed is None:
            raise InputError(self.first)

    @property
    def first(self) -> str:
        """The first bad line, with its file and number."""
        number, reason = min(self.found)
        return f"{self._source}:{number}: {reason}"

    def write_list(self) -> None:
        """Writes the list; one of an earlier run goes where there is nothing to list."""
        from gerank.data.whole_file import whole_file

        if self.listed is None:
            return
        if not self.found:
            self.listed.unlink(missing_ok=True)
            return
        with whole_file(self.listed) as draft:
            rows = ({"line": number, "reason": reason} for number, reason in sorted(self.found))
            draft.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        say(f"{len(self.found)} lines left out: {self.listed}", err)


def _list_beside(output: Path) -> Path:
    from gerank.data.whole_file import own_descriptor

    if own_descriptor(output) is not None or (output.exists() and not output.is_file()):
        raise InputError(f"--skip-bad: {output} is no regular file, beside which a list could be")
    return output.with_name(f"{output.name}.left_out.jsonl")


class Line(NamedTuple):
    """A line of the input, its number counted from 1."""

    number: int
    document: dict[str, Any]


def rerank_file(
    input_file: Path, output_file: Path, ask: AbstractContextManager[Rerank], *, skip_bad: bool
) -> None:
    """Asks for the slate of every line, writes them and says how many there are.

    Raises:
        InputError: A line cannot be answered and `skip_bad` is False; nothing is written.
    """
    from gerank.data.whole_file import own_descriptor, whole_file

    if output_file.exists() and output_file.samefile(input_file) and output_file.is_file():
        raise InputError(f"--output: {output_file} is the input too; name another file")
    bad = BadLines(input_file, _list_beside(output_file) if skip_bad else None)
    if bad.listed is not None and bad.listed.exists() and bad.listed.samefile(input_file):
        raise InputError(f"--skip-bad: {bad.listed} is the input too; name another --output")
    lines = _read(input_file, bad)
    with ask as rerank:
        answers = _answer(lines, rerank, bad)
    if bad.found and not answers:
        raise InputError(f"no line can be answered; {bad.first}")
    bad.write_list()
    with whole_file(output_file) as draft:
        draft.write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
    # A program that reads slates from standard output must find nothing else there.
    told_on = err if own_descriptor(output_file) == 1 else out
    say(f"{len(answers)} slates: {output_file}", told_on)


def _read(path: Path, bad: BadLines) -> list[Line]:
    lines = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            lines.append(Line(number, json.loads(line)))
        except (ValueError, RecursionError) as error:
            bad.add(number, f"not JSON: {error}")
    return lines


@contextmanager
def in_process(model: Path, unknown: UnknownFeatures) -> Iterator[Rerank]:
    """Answers by an artifact that is loaded here."""
    from gerank.data.request_check import parse_request
    from gerank.data.slate import slate_document
    from gerank.ranker import Ranker

    ranker = Ranker.load(model)

    def answer(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        requests = [parse_request(document, ranker.contract, unknown) for document in documents]
        slates = ranker.rank(requests)
        return [slate_document(*pair) for pair in zip(requests, slates, strict=True)]

    yield answer


@contextmanager
def by_server(
    server: str,
    authority: Path | None,
    token: Path | None,
    unknown: UnknownFeatures,
    model: str,
    version: str,
) -> Iterator[Rerank]:
    """Answers by a server, of which empty texts leave the choice of model and version to it."""
    from gerank.client import RerankClient

    credentials = credentials_from(authority)
    with RerankClient(
        server, credentials=credentials, token=token, unknown_features=unknown
    ) as client:
        yield functools.partial(client.rerank, model=model, version=version)


def _answer(lines: list[Line], ask: Rerank, bad: BadLines) -> list[dict[str, Any]]:
    starts = range(0, len(lines), _AT_ONCE)
    answers: list[dict[str, Any]] = []
    quiet = not err.is_terminal
    for start in track(starts, "rerank", console=err, transient=True, disable=quiet):
        answers += _answer_some(lines[start : start + _AT_ONCE], ask, bad)
    return answers


def _answer_some(some: list[Line], ask: Rerank, bad: BadLines) -> list[dict[str, Any]]:
    """Asks for many at once, and one by one where that fails, to name the request at fault."""
    from gerank.data.request import RequestError
    from gerank.engine import StatusError

    try:
        return ask([line.document for line in some])
    except (RequestError, StatusError):
        answers = []
        for line in some:
            try:
                answers += ask([line.document])
            except (RequestError, StatusError) as error:
                bad.add(line.number, str(error).removeprefix("requests[0]."))
        return answers
