"""What a finished run says of itself: its verdict and its warnings, out of run.json."""

from __future__ import annotations

from gerank.train.run_folder import RunError, RunFolder
from gerank.train.verdict import Judgement
from gerank.train.warnings import RunWarning

_STAGES = ("evaluator", "judge", "clone", "generator")
"""The stages that leave a checkpoint of their best, in their order."""


def check_finished(folder: RunFolder, *, unfinished: bool = False) -> None:
    """Raises RunError unless training came to its end, or `unfinished` says that it need not."""
    if not unfinished and not folder.finished:
        raise RunError(
            f"{folder.path}: training has not ended: go on with `gerank train --resume`, or pass "
            "--unfinished to take it as far as it came"
        )


def check_stage(folder: RunFolder, stage: str) -> None:
    """Raises RunError where an unfinished run has nothing of a stage yet.

    Args:
        folder: The run.
        stage: `generator`, `clone`, or another one that leaves a checkpoint.
    """
    if folder.finished or folder.checkpoint(stage, "best").exists():
        return
    ended = [name for name in _STAGES if folder.checkpoint(name, "best").exists()]
    raise RunError(
        f"{folder.path}: training has not come to a checkpoint of the stage {stage!r}, only of "
        f"{', '.join(map(repr, ended)) or 'none'}: go on with `gerank train --resume`"
    )


def verdict_of(folder: RunFolder, *, unfinished: bool = False) -> Judgement | None:
    """The verdict; None of a run that was trained with a reward of its own, which has none.

    Args:
        folder: The run.
        unfinished: Whether it may be a run that has not come to its end, and so to no verdict.

    Raises:
        RunError: The run did not come to its end.
    """
    check_finished(folder, unfinished=unfinished)
    document = folder.facts.get("verdict")
    return None if document is None else Judgement.from_json(document)


def warnings_of(folder: RunFolder) -> list[RunWarning]:
    """What training found to warn of; empty of a run without an evaluator."""
    return [RunWarning(**document) for document in folder.facts.get("warnings", [])]
