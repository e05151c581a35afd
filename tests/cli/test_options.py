"""Every option of every command: described, and its numbers within ranges that messages tell."""

from __future__ import annotations

import functools
import inspect
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
import typer
from typer.models import ArgumentInfo, OptionInfo

from gerank.cli import app
from gerank.engine import Engine, EngineOptions, StatusError
from gerank.option_table import number_range, option_table
from gerank.version import __version__
from gerank_server import OptionError, ServerOptions
from gerank_server.native import is_built, library_path
from tests.cli.command import done, gerank, run

PROGRAM = library_path().parent / "gerank-server"
BEYOND = (-7, 2**51)
needs_program = pytest.mark.skipif(not is_built(), reason="the native front is not built")


class Parameter(NamedTuple):
    """An option or an argument of a command, as its function declares it."""

    path: tuple[str, ...]
    flag: str
    kinds: tuple[type, ...]
    declared: OptionInfo | ArgumentInfo
    required: bool


def parameters(group: typer.Typer, path: tuple[str, ...] = ()) -> Iterator[Parameter]:
    if group.registered_callback is not None:
        yield from _of_function(group.registered_callback.callback, path)
    for command in group.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield from _of_function(command.callback, (*path, name))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None and inner.name is not None
        yield from parameters(inner.typer_instance, (*path, inner.name))


def _of_function(function: Any, path: tuple[str, ...]) -> Iterator[Parameter]:
    # The names that its module imports for the type checker alone are in no signature.
    hints = get_type_hints(function, include_extras=True)
    for name, given in inspect.signature(function).parameters.items():
        kind, declared = get_args(hints.get(name, given.annotation))
        said = (declared.default, *(declared.param_decls or ()), "--" + name.replace("_", "-"))
        flag = next(word for word in said if isinstance(word, str) and word.startswith("--"))
        kinds = get_args(kind) or (kind,)
        required = given.default is inspect.Parameter.empty
        yield Parameter(path, flag, kinds, declared, required)


PARAMETERS = list(parameters(app))
NUMBERS = [found for found in PARAMETERS if {int, float} & {*found.kinds}]
RANGES = {
    name: number_range(name)
    for name, option in option_table().items()
    if type(option.default) is int
}
SERVE = [found for found in PARAMETERS if found.path == ("serve",)]


def _id(found: Parameter) -> str:
    return " ".join((*found.path, found.flag))


def test_the_commands_were_walked() -> None:
    assert {("serve",), ("rerank",), ("convert", "ranklens")} <= {p.path for p in PARAMETERS}
    assert len(NUMBERS) >= 15


@pytest.mark.parametrize("found", PARAMETERS, ids=_id)
def test_every_option_has_a_description(found: Parameter) -> None:
    assert len(found.declared.help or "") >= 8


@pytest.mark.parametrize("found", NUMBERS, ids=_id)
def test_a_number_out_of_its_range_is_refused_by_name_with_the_range(
    found: Parameter, tmp_path: Path
) -> None:
    for value in (-7, 2**51 if found.flag != "--seed" else 10**30):
        low = _refused(found, value, tmp_path)
    if low > 0:
        _refused(found, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _refused(found: Parameter, value: int, folder: Path) -> float:
    """The lowest number that would have been taken, as the message tells."""
    result = gerank(*found.path, found.flag, value, *_others(found, folder))
    words = " ".join(result.err.replace("│", " ").split())
    assert result.code == 2
    shown = value if int in found.kinds else float(value)
    rule = r"must be an? (?:integer|number) in \[(\S+), \S+\], got "
    told = re.search(f"Invalid value for '{found.flag}': {rule}{re.escape(str(shown))} ", words)
    assert told is not None, words
    assert f"({told[1]} to " in " ".join((found.declared.help or "").split())
    return float(told[1])


def _others(but: Parameter, folder: Path) -> Iterator[str]:
    for other in PARAMETERS:
        if other.path == but.path and other.required and other != but:
            if not isinstance(other.declared, ArgumentInfo):
                yield other.flag
            yield "5" if other in NUMBERS else str(folder / "x")


def test_both_programs_tell_their_version() -> None:
    assert done("--version") == f"gerank {__version__}\n"
    assert run("--version").out == f"gerank {__version__}\n"


@needs_program
def test_the_program_tells_its_version() -> None:
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout) == (0, f"gerank-server {__version__}\n")


@functools.cache
def _help_of_the_program() -> str:
    told = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0
    return told.stdout


@needs_program
def test_gerank_serve_has_all_options_of_gerank_server() -> None:
    native_flags = set(re.findall(r"^  (--[a-z-]+)", _help_of_the_program(), flags=re.MULTILINE))
    python_flags = {option.flag for option in SERVE} | {"--no-reflection"}  # of --reflection
    # An address is a host and a port there; --version is that of `gerank`; --help is always there.
    assert native_flags - {"--address", "--version", "--help"} <= python_flags
    assert native_flags >= {"--model", "--threads", "--max-queries", "--max-message-bytes"}


@needs_program
def test_the_program_describes_every_option_with_its_range() -> None:
    for name, (low, high) in RANGES.items():
        flag = "--" + name.replace("_", "-")
        line = re.search(
            rf"^  {flag} +\S.*, {low} to {high} \[\d+\]$", _help_of_the_program(), re.M
        )
        assert line is not None, flag


@needs_program
@pytest.mark.parametrize(
    ("name", "value"),
    [("threads", 0), ("max_batch", -7), ("max_delay_us", -7)]
    + [(name, high + 1) for name, (_, high) in RANGES.items()],
)
def test_the_program_refuses_a_number_by_name(name: str, value: int) -> None:
    option = name
    words = [str(PROGRAM), "--model", "no.gerank", "--" + option.replace("_", "-"), str(value)]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60)
    low, high = RANGES[name]
    expected = f"error: {option}: must be an integer in [{low}, {high}], got {value}\n"
    assert (refused.returncode, refused.stderr) == (1, expected)


@pytest.mark.parametrize("value", [*BEYOND, 2.5, True])
@pytest.mark.parametrize("name", RANGES)
def test_the_options_of_a_server_in_python_are_refused_by_name(name: str, value: object) -> None:
    low, high = RANGES[name]
    with pytest.raises(OptionError) as caught:
        ServerOptions(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"{name}: must be an integer in [{low}, {high}], got {value!r}"


@pytest.mark.parametrize("value", BEYOND)
@pytest.mark.parametrize("name", EngineOptions().numbers())
def test_the_options_of_an_engine_are_refused_by_name(name: str, value: int) -> None:
    low, high = RANGES[name]
    with pytest.raises(StatusError) as caught:
        Engine(EngineOptions(**{name: value}))
    assert str(caught.value) == f"{name}: must be an integer in [{low}, {high}], got {value}"


@pytest.mark.parametrize("value", [10**30, 2.5, "8", True, None], ids=repr)
def test_an_option_of_an_engine_that_is_no_integer_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^workers: must be a 64-bit integer, got {value!r}$"):
        EngineOptions(workers=value)


@pytest.mark.parametrize("value", [math.nan, "5", True], ids=repr)
def test_a_timeout_of_an_engine_that_is_no_number_is_named(value: Any) -> None:
    with Engine() as engine, pytest.raises(ValueError, match=f"^timeout_s: .* got {value!r}$"):
        engine.rank([], timeout_s=value)
