"""An evaluation as one web page: the verdict in words, what it stands on drawn, every table."""

from __future__ import annotations

from gerank.report.exposure import exposure_section
from gerank.report.gains import gains_section
from gerank.report.page import Section, report_page
from gerank.report.prediction import prediction_section
from gerank.report.promises import promises_section
from gerank.report.slate_pages import slates_section
from gerank.report.summary import summary_section
from gerank.report.support import support_section
from gerank.report.training import training_section
from gerank.report.weights import weights_section
from gerank.train.evaluate import Evaluation


def evaluation_page(evaluation: Evaluation, title: str) -> str:
    """The page; sections that the run or the log has nothing for are left out.

    Args:
        evaluation: What `gerank.train.evaluate.evaluate` found.
        title: Names the run and the pages.
    """
    evidence = evaluation.evidence
    sections = (
        summary_section(evaluation),
        gains_section(evidence),
        promises_section(evidence),
        support_section(evidence),
        prediction_section(evidence),
        weights_section(evidence),
        exposure_section(evidence),
        slates_section(evidence),
        training_section(evidence.folder),
        Section("All tables of the evaluation", tables=evaluation.tables),
    )
    return report_page(title, [section for section in sections if section is not None])
