"""`gerank inspect --html`: one well-formed page with warnings, charts and tables, and no script."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.data.schema import Feature, FeatureKind
from tests.cli.command import done
from tests.report.outline import self_contained
from tests.train.tiny import tiny_log

HOSTILE = '<script src="x">&"'


def test_the_page_holds_what_the_terminal_tells_and_nothing_of_a_log_is_code(
    tmp_path: Path,
) -> None:
    log, _ = tiny_log(pages=200)
    hostile = Feature(HOSTILE, FeatureKind.DENSE)
    renamed = replace(log.schema, candidate=(hostile, *log.schema.candidate[1:]))
    first = log.schema.candidate[0].name
    columns = {HOSTILE if n == first else n: v for n, v in log.candidate.items()}
    saldo = np.linspace(-3, 2, len(log.slates)).astype(np.float32)
    replace(
        log,
        schema=replace(renamed, feedback=(FurtherFeedback("saldo", FeedbackKind.AMOUNT),)),
        candidate=columns,
        feedback={"saldo": saldo},
    ).write(tmp_path / "log")
    told = done("inspect", tmp_path / "log", "--html", tmp_path / "page.html")
    assert str(tmp_path / "page.html") in told.replace("\n", "")
    outline = self_contained((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert outline.count["svg"] == 2  # clicks and saldo
    assert outline.count["rect"] == 2 * 3
    assert outline.count["table"] == 5
    text = "".join(outline.text)
    assert HOSTILE in text
    assert "too few pages" in text
    assert "slots shown per page" in text
