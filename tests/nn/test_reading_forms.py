"""Forms of reading are found by name or by path, and what is none is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gerank.nn.structured.readings import FORMS, reading_form
from tests.nn.own_reading import TopOnly


def test_a_form_is_found_by_its_name_or_its_path() -> None:
    assert [reading_form(name) for name in FORMS] == list(FORMS.values())
    assert reading_form("tests.nn.own_reading:TopOnly") is TopOnly


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("psychic", r"'psychic' is not one of examination, logit, hidden_reader, or package"),
        ("", r"'' is not one of"),
        (":TopOnly", r"':TopOnly' is not one of"),
        ("tests.nn.own_reading:", r"'tests.nn.own_reading:' is not one of"),
        ("no_such_module:Form", r"module 'no_such_module' does not import: .*No module named"),
        (".own_reading:TopOnly", r"module '.own_reading' does not import"),
        ("tests.nn.own_reading:Missing", r"names None, which is not a Reading"),
        ("tests.nn.own_reading:torch", r"which is not a Reading"),
        ("json:JSONDecoder", r"names <class 'json.decoder.JSONDecoder'>, which is not a Reading"),
    ],
)
def test_what_is_no_form_is_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reading_form(name)


def test_a_module_that_breaks_on_import_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_reading.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"'broken_reading' does not import: .*by zero"):
        reading_form("broken_reading:Form")
    sys.modules.pop("broken_reading", None)
