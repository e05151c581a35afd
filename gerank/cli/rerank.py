"""`gerank rerank`: a file of requests in, a file of slates out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.progress import track

from gerank.cli.console import err, out, say
from gerank.cli.server_access import TlsAuthority, TokenFile, credentials_from
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


def rerank(
    input_file: Annotated[Path, typer.Option("--input", help="JSON lines, one request each.")],
    output_file: Annotated[Path, typer.Option("--output", help="JSON lines, one slate each.")],
    model: Annotated[Path | None, typer.Option(help="Answer in this process.")] = None,
    server: Annotated[str, typer.Option(help="Ask a server, host:port.")] = "",
    model_name: Annotated[
        str, typer.Option(help="Which of the server's models; its first if unset.")
    ] = "",
    version: Annotated[
        str, typer.Option(help="Which version of it; the current one, or a split's, if unset.")
    ] = "",
    token_file: TokenFile = None,
    tls_ca: TlsAuthority = None,
    unknown_features: Annotated[
        UnknownFeatures, typer.Option(help="What becomes of those that the model lacks.")
    ] = UnknownFeatures.REFUSE,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave bad lines out; OUTPUT.left_out.jsonl lists them."),
    ] = False,
) -> None:
    """Re-rank pages with an artifact, or by a running server. Nothing is written on an error.

    Example:  gerank rerank --model model.gerank --input pages.jsonl --output slates.jsonl
    """
    if (model is None) is (not server):
        raise typer.BadParameter("give one of --model and --server")
    for option, value in (
        ("--model-name", model_name),
        ("--version", version),
        ("--token-file", token_file),
        ("--tls-ca", tls_ca),
    ):
        if value and not server:
            raise typer.BadParameter(f"{option} is of no use without --server, got '{value}'")
    from gerank.data.whole_file import own_descriptor, whole_file

    if output_file.exists() and output_file.samefile(input_file) and output_file.is_file():
        raise InputError(f"--output: {output_file} is the input too; name another file")
    bad = BadLines(input_file, _list_beside(output_file) if skip_bad else None)
    if bad.listed is not None and bad.listed.exists() and bad.listed.samefile(input_file):
        raise InputError(f"--skip-bad: {bad.listed} is the input too; name another --output")
    lines = _read(input_file, bad)
    if model is not None:
        answers = _answer(lines, _local(model, unknown_features), bad)
    else:
        from gerank.client import RerankClient

        with RerankClient(
            server,
            credentials=credentials_from(tls_ca),
            token=token_file,
            unknown_features=unknown_features,
        ) as client:
            ask = functools.partial(client.rerank, model=model_name, version=version)
            answers = _answer(lines, ask, bad)
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


def _local(model: Path, unknown: UnknownFeatures) -> Rerank:
    from gerank.data.request_check import parse_request
    from gerank.data.slate import slate_document
    from gerank.ranker import Ranker

    ranker = Ranker.load(model)

    def answer(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        requests = [parse_request(document, ranker.contract, unknown) for document in documents]
        slates = ranker.rank(requests)
        return [slate_document(*pair) for pair in zip(requests, slates, strict=True)]

    return answer


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
