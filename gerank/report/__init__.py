"""What was found, as web pages of one file: they load nothing, run nothing, and can be printed."""

from __future__ import annotations

from gerank.report.page import Drawing, Mood, Paragraph, Section, report_page

__all__ = ["Drawing", "Mood", "Paragraph", "Section", "report_page"]
