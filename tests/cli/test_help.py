from __future__ import annotations

import pytest

from tests.cli.command import done, run
from tests.cli.command import gerank as command

COMMANDS = [
    ("demo",),
    ("simulate",),
    ("convert", "ranklens"),
    ("import",),
    ("inspect",),
    ("train",),
    ("evaluate",),
    ("compare",),
    ("runs",),
    ("export",),
    ("calibrate",),
    ("info",),
    ("verify",),
    ("serve",),
    ("rerank",),
]
OPTIONS = {
    "simulate": ["--pages", "--out", "--candidates", "--slots", "--seed", "--users", "--logging"],
    "convert": ["--out", "--features-from"],
    "import": ["--map", "--out", "--guess", "--skip-bad", "--where", "--config", "--memory"],
    "inspect": ["--json", "--config", "--requests"],
    "train": ["--out", "--resume", "--init"],
    "evaluate": ["--data", "--slates", "--shuffle-control", "--json"],
    "compare": ["--data", "--out", "--slates", "--resume", "--json"],
    "runs": ["--json"],
    "export": ["--out", "--presets", "--policy", "--force"],
    "calibrate": ["--data", "--out"],
    "info": ["--json"],
    "serve": ["--model", "--port"],
    "rerank": ["--model", "--server", "--input", "--output"],
}


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_commands_help_has_an_example_of_itself_and_its_options(
    names: tuple[str, ...],
) -> None:
    text = done(*names, "--help")
    assert f"Example:  gerank {' '.join(names)}" in text
    for option in OPTIONS.get(names[0], []):
        assert option in text


def test_the_help_lists_every_command() -> None:
    text = done("--help")
    for names in COMMANDS:
        assert names[0] in text


def test_the_module_is_the_command() -> None:
    result = run("--help")
    assert result.code == 0
    assert "simulate" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("teach",),
        ("train",),
        ("train", "a.toml", "--epochs", "3"),
        ("simulate", "--pages", "ten", "--out", "x"),
        ("simulate", "--pages", "0", "--out", "x"),
        ("simulate", "--pages", "5", "--slots", "21", "--out", "x"),
        ("simulate", "--pages", "5", "--candidates", "5000", "--out", "x"),
        ("serve", "--model", "m", "--port", "70000"),
        ("rerank", "--input", "a", "--output", "b"),
        ("import",),
        ("import", "a.parquet"),
        ("import", "a.parquet", "--map", "m.toml"),
        ("import", "a.parquet", "--guess", "--out", "x"),
        ("inspect",),
        ("inspect", "x", "--requests", "1", "--json"),
        ("rerank", "--input", "a", "--output", "b", "--model", "m", "--server", "s"),
        ("convert", "movielens"),
        ("demo", "--pages", "10"),
        ("export", "run", "--out", "m", "--policy", "evaluator"),
        ("evaluate", "run", "--data", "d", "--shuffle-control", "--slates", "s"),
        ("compare", "a.toml"),
        ("compare", "a.toml", "--data", "d", "--slates", "file"),
        ("compare", "a.toml", "--data", "d", "--slates", "a=f", "--slates", "a=g"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_how(arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.code == 2
    assert "Usage: gerank" in result.err
    assert "Traceback" not in result.err


def test_a_size_that_does_not_fit_is_named_with_its_value() -> None:
    result = command("simulate", "--pages", 5, "--slots", 21, "--out", "x")
    assert "slots is 21, above candidates = 20" in result.err
