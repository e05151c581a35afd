"""What the cells of one comparison share: pages, their split, and the folder of the results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages
from gerank.compare.cells import rows_of
from gerank.compare.config import ComparatorConfig, CompareConfig
from gerank.compare.identity import identity, known_then
from gerank.compare.tuning import Usable, trials, usable
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema_difference import schema_differences
from gerank.data.simulator import SimulatorTruth
from gerank.train import warnings
from gerank.train.choices import Validation
from gerank.train.device import chosen_device
from gerank.train.pages import PageSplit, split_pages
from gerank.train.run_folder import RunFolder
from gerank.train.warnings import RunWarning
from gerank.train.writing import write_text


class CompareError(ValueError):
    """A comparison that cannot begin or go on; the message says why."""


@dataclass(frozen=True)
class Workspace:
    """A comparison and its pages.

    Attributes:
        config: All settings, with every row named, and grids without values that the pages lack
            something for.
        out: Its folder.
        log: Pages to learn from.
        test: Pages to be compared on, of other people.
        truth: Belongs to the test pages, where they are simulated.
        lacking: Row -> what the pages lack for values of its grid, which are not tried.
    """

    config: CompareConfig
    out: Path
    log: ExposureLog
    test: ExposureLog
    truth: SimulatorTruth | None
    lacking: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, config: CompareConfig, test: Path, out: Path) -> Workspace:
        """Reads the pages.

        Raises:
            ExposureLogError: A log cannot be read.
            CompareError: The logs do not fit each other.
        """
        log = ExposureLog.read(config.data.log, config.data.memory_mb)
        pages = ExposureLog.read(test, config.data.memory_mb)
        truth = SimulatorTruth.read(test) if (test / "truth.npz").exists() else None
        if truth is not None and not np.array_equal(truth.page_ids, pages.page_ids):
            raise CompareError(f"{test}: the truth is of other pages than the log")
        _check_pages(config, log, pages)
        found = {name: _usable(name, row, config, log) for name, row in rows_of(config).items()}
        rows = {name: each.row for name, each in found.items()}
        lacking = {name: each.lacking for name, each in found.items() if each.lacking}
        return cls(dataclasses.replace(config, comparators=rows), out, log, pages, truth, lacking)

    @cached_property
    def split(self) -> PageSplit:
        """Which pages teach, choose settings, and teach the judges."""
        split = split_pages(self.log, self.config.data)
        for part in ("train", "validation"):
            if not len(getattr(split, part)):
                raise CompareError(
                    f"data.log: its {len(self.log)} pages leave none for {part}; more people, or "
                    "smaller shares for the other parts, are needed"
                )
        return split

    @cached_property
    def warnings(self) -> list[RunWarning]:
        """What may be wrong with the pages that teach, and with the settings."""
        taught = self.log.select(self.split.train)
        found = [
            warnings.one_class_feedback(int((taught.clicks > 0).sum()), len(taught.clicks)),
            warnings.too_few_to_compare(len(taught)),
            warnings.too_few_resamples(self.config.resamples, len(rows_of(self.config)) - 1),
        ]
        return [warning for warning in found if warning is not None]

    @property
    def pages(self) -> Pages:
        """What every comparator learns from."""
        data = self.config.data
        parts = self.split.train, self.split.validation
        return Pages(self.log, *parts, data.slots, data.score or None, self.device)

    @cached_property
    def device(self) -> torch.device:
        """Where networks learn and judge."""
        return chosen_device(self.config.train.device)

    @property
    def judges(self) -> RunFolder:
        """The run of evaluator and judges."""
        return RunFolder.open(self.judges_folder, self.device)

    @property
    def judges_folder(self) -> Path:
        """Where they lie."""
        return self.out / "judges"

    @property
    def test_rows(self) -> NDArray[np.int64]:
        """All test pages."""
        return np.arange(len(self.test))

    def begin(self, *, resume: bool) -> None:
        """Writes what identifies the comparison, or compares it with what the folder holds.

        Rows of the table may be added, left out or trained with more seeds when a comparison is
        resumed; all else must be as it was.

        Raises:
            CompareError: The folder holds a comparison and `resume` is unset, or it is another one.
        """
        path = self.out / "compare.json"
        now = identity(self.config, self.log, self.test)
        if not path.exists():
            write_text(path, json.dumps(now, indent=2) + "\n")
            return
        if not resume:
            raise CompareError(
                f"{self.out} holds a comparison already: pass --resume or another --out"
            )
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            then = known_then(now, before)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CompareError(f"{path} is damaged: {error!r}") from None
        for name, row in then["rows"].items():
            if name in before["rows"] and row != before["rows"][name]:
                raise CompareError(
                    f"{self.out}: comparators.{name} was {json.dumps(before['rows'][name])} and is "
                    f"{json.dumps(row)} now; choose another --out, or another name"
                )
        for key, value in then.items():
            if key != "rows" and value != before.get(key):
                raise CompareError(
                    f"{self.out}: {key} was {json.dumps(before.get(key))} and is "
                    f"{json.dumps(value)} now; choose another --out"
                )
        rows = before["rows"] | now["rows"]
        write_text(path, json.dumps(now | {"rows": rows}, indent=2) + "\n")


def _usable(name: str, row: ComparatorConfig, config: CompareConfig, log: ExposureLog) -> Usable:
    try:
        found = usable(name, row, log.schema, config.data.score or None)
        trials(name, found.row, config.tuning.budget, config.seed)
    except Exception as error:  # code of one's own may raise anything
        told = "its `lacks` or `conflict` failed"
        raise CompareError(f"comparators.{name}: {told}: {error!r}") from error
    return found


def _check_pages(config: CompareConfig, log: ExposureLog, test: ExposureLog) -> None:
    if not len(test):
        raise CompareError("the test log has no pages")
    different = schema_differences(log.schema, test.schema)
    if different:
        raise CompareError(f"the test log is not of the schema of data.log: {'; '.join(different)}")
    if not (log.clicks > 0).any():
        raise CompareError(
            f"data.log: none of its {len(log.clicks)} shown slots is clicked, so that neither "
            "re-rankers nor judges can learn anything"
        )
    if config.data.validation is Validation.TIME:
        return  # tomorrow's pages are of the same people
    shared = set(map(str, log.person_ids)) & set(map(str, test.person_ids))
    if shared:
        raise CompareError(
            f"the test log shares {len(shared)} people with data.log, such as {min(shared)!r}: how "
            'well models do for other people is to be known (data.validation = "time" allows it)'
        )
