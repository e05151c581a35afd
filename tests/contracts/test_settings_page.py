"""docs/settings.md is what the dataclasses say, and every key of them has its meaning there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "write_settings", ROOT / "tools/write_settings.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_written_anew_when_a_setting_changes() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == writer().page(), "run python tools/write_settings.py"


def test_every_key_has_a_value_and_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|(.*)\|(.*)\|$", writer().page(), flags=re.MULTILINE)
    assert len(rows) > 100
    for name, value, _, meaning in rows:
        assert meaning.strip(), name
        assert value.strip() != "any" or name in ("priority",), name
