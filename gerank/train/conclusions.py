"""What a finished run says of itself: its verdict and its warnings, out of run.json."""

from __future__ import annotations

from gerank.train.run_folder import RunError, RunFolder
from gerank.train.verdict import Judgement
from gerank.train.warnings import RunWarning


def verdict_of(folder: RunFolder) -> Judgement | None:
    """The verdict; None of a run that was trained with a reward of its own, which has none.

    Raises:
        RunError: The run did not come to its end.
    """
    facts = folder.facts
    if "verdict" in facts:
        return Judgement.from_json(facts["verdict"])
    evaluator_began = any((folder.path / "checkpoints").glob("evaluator*"))
    if evaluator_began:
        raise RunError(f"{folder.path} has no verdict: training has not ended; resume the run")
    return None


def warnings_of(folder: RunFolder) -> list[RunWarning]:
    """What training found to warn of; empty of a run without an evaluator."""
    return [RunWarning(**document) for document in folder.facts.get("warnings", [])]
