"""Training runs side by side: what they were, what came out, and in which settings they differ."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gerank.train.conclusions import verdict_of
from gerank.train.report import Cell, Table
from gerank.train.run_folder import RunError, RunFolder

Value = str | float | bool | None
"""What is known of a run under a name; a number is a number."""


@dataclass(frozen=True)
class RunSummary:
    """A run in a line.

    Attributes:
        path: Its folder.
        figures: Name -> what came out: `finished`, `verdict`, gains and bounds by judge, ...
        settings: Dotted key -> its value, defaults written out.
    """

    path: Path
    figures: dict[str, Value]
    settings: dict[str, Value]

    def to_json(self) -> dict[str, Any]:
        """The run's folder, figures and settings; numbers are numbers."""
        return {"run": str(self.path), "figures": self.figures, "settings": self.settings}


def find_runs(folders: Sequence[Path]) -> list[RunSummary]:
    """The runs that lie in some folders or below them, the oldest first.

    Raises:
        RunError: A folder does not exist, or a run in it cannot be read.
    """
    found: dict[Path, RunSummary] = {}
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder} is no folder")
        for file in sorted(folder.rglob("run.json")):
            if (file.parent / "config.toml").exists():
                found[file.parent.resolve()] = summary_of(RunFolder.open(file.parent))
    return sorted(found.values(), key=lambda run: (_written(run.path), str(run.path)))


def summary_of(folder: RunFolder) -> RunSummary:
    """What a run's own files say of it."""
    facts = folder.facts
    log = facts.get("log") or {}
    figures: dict[str, Value] = {
        "written": datetime.fromtimestamp(_written(folder.path), UTC).isoformat(timespec="seconds"),
        "finished": folder.finished,
        "pages": log.get("pages"),
        "people": log.get("people"),
        "reading": facts.get("reading", {}).get("chosen"),
        "warnings": len(facts.get("warnings", ())),
    }
    judgement = verdict_of(folder, unfinished=True)
    figures["verdict"] = None if judgement is None else str(judgement.verdict)
    if judgement is not None:
        figures["outside_support"] = judgement.outside
        for opinion in judgement.opinions:
            figures[f"{opinion.name}: gain"] = opinion.gain
            figures[f"{opinion.name}: lower bound"] = opinion.low
            figures[f"{opinion.name}: better"] = opinion.better
    return RunSummary(folder.path, figures, dict(_flat(dataclasses.asdict(folder.config), "")))


def run_tables(runs: Sequence[RunSummary]) -> list[Table]:
    """What came out of every run, and the settings in which they differ, where any do."""
    tables = [_table("Runs", runs, [run.figures for run in runs])]
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    differ = [key for key in keys if len({_cell(run.settings.get(key)) for run in runs}) > 1]
    if differ:
        settings = [{key: run.settings.get(key) for key in differ} for run in runs]
        tables.append(_table("Settings in which they differ", runs, settings))
    return tables


def frame_of(runs: Sequence[RunSummary]) -> Any:
    """The runs as a `pandas.DataFrame`: a row each, its folder as the index.

    Figures have their names, settings theirs behind `settings.`.

    Raises:
        ImportError: pandas is not installed.
    """
    import pandas

    rows = [
        run.figures | {f"settings.{key}": value for key, value in run.settings.items()}
        for run in runs
    ]
    return pandas.DataFrame(rows, index=pandas.Index([str(run.path) for run in runs], name="run"))


def _written(run: Path) -> float:
    """When a run last changed what it says of itself, in seconds since 1970."""
    return (run / "run.json").stat().st_mtime


def _table(title: str, runs: Sequence[RunSummary], rows: list[dict[str, Value]]) -> Table:
    """A line per figure and a column per run: runs have more figures than a line has room for."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = tuple((name, *(_cell(row.get(name)) for row in rows)) for name in names)
    return Table(title, ("", *(str(run.path) for run in runs)), cells)


def _cell(value: Value) -> Cell:
    return str(value).lower() if isinstance(value, bool) else value


def _flat(table: dict[str, Any], where: str) -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        name = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            yield from _flat(value, name)
        elif isinstance(value, (bool, int, float)):
            yield name, value
        else:
            yield name, value if isinstance(value, str) else _text(value)


def _text(value: object) -> str:
    return str(value) if isinstance(value, Path) else json.dumps(value)
