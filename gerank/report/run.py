"""A run's folder explains itself: RUN/run.html says what the run is and what each file is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gerank.report.page import Mood, Paragraph, Section, report_page
from gerank.train.conclusions import verdict_of, warnings_of
from gerank.train.run_description import PAGE, facts_table, files_table, run_sentences
from gerank.train.run_folder import RunFolder
from gerank.train.verdict import Verdict
from gerank.train.writing import write_text

_NO_CURVES = (
    "The curves of the training are drawn where matplotlib is: pip install 'gerank[report]', and "
    "then the same `gerank train` with --resume writes this page anew. Their numbers are in "
    "metrics.csv."
)


def write_run_page(folder: RunFolder) -> Path:
    """Writes RUN/run.html, whole or not at all, and says where it lies.

    Raises:
        OSError: It cannot be written; it is named.
        RunError: A file of the run is damaged.
    """
    path = folder.path / PAGE
    write_text(path, run_page(folder))
    return path


def run_page(folder: RunFolder) -> str:
    """The page of a run, finished or not."""
    sections = (
        Section("What this is", (*run_sentences(folder), *_conclusions(folder))),
        _training(folder),
        Section("Files of this folder", tables=[files_table(folder.path)]),
        Section("How it came about", tables=[facts_table(folder)]),
    )
    title = f"Training run {folder.path.resolve().name}"
    return report_page(title, [section for section in sections if section is not None])


def _conclusions(folder: RunFolder) -> list[Paragraph]:
    """The verdict with its reasons, and the warnings."""
    judgement = verdict_of(folder, unfinished=True)
    said = []
    if judgement is not None:
        mood = Mood.FINE if judgement.verdict is Verdict.BETTER else Mood.WARNING
        text = " ".join(judgement.reasons)
        said.append(Paragraph(text, f"verdict: {judgement.verdict}", mood))
    return said + [
        Paragraph(f"{warning.text} {warning.advice}", warning.name, Mood.WARNING)
        for warning in warnings_of(folder)
    ]


def _training(folder: RunFolder) -> Section | None:
    if importlib.util.find_spec("matplotlib") is None:
        return Section("Training", (_NO_CURVES,))
    from gerank.report.training import training_section  # it draws with matplotlib

    return training_section(folder)
