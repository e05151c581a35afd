"""A comparison as one web page: who is above whom in words, what that stands on, every table."""

from __future__ import annotations

from gerank.compare.compare import Comparison
from gerank.report.comparison.differences import differences_section
from gerank.report.comparison.distance import distance_section
from gerank.report.comparison.exposure import exposure_section
from gerank.report.comparison.off_policy import off_policy_section
from gerank.report.comparison.promised_gains import promised_gains_section
from gerank.report.comparison.slate_pages import slates_section
from gerank.report.comparison.summary import summary_section
from gerank.report.comparison.training_time import training_time_section
from gerank.report.comparison.tuning import tuning_section
from gerank.report.page import Section, report_page


def comparison_page(comparison: Comparison, title: str) -> str:
    """The page; sections that the comparison or the log has nothing for are left out.

    It is made of the cells alone: nothing is trained.

    Args:
        comparison: What `gerank.compare.compare.compare` found.
        title: Names the configuration and the pages.
    """
    sections = (
        summary_section(comparison),
        differences_section(comparison),
        promised_gains_section(comparison),
        distance_section(comparison),
        off_policy_section(comparison),
        exposure_section(comparison),
        slates_section(comparison),
        tuning_section(comparison),
        training_time_section(comparison),
        Section("All tables of the comparison", tables=comparison.tables),
    )
    return report_page(title, [section for section in sections if section is not None])
