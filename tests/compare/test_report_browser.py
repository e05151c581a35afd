"""The page of a comparison in a real browser, from a file, without a network."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from gerank.report.comparison.page import comparison_page
from tests.compare.conftest import Compared
from tests.studio.browser import CHROMIUM, DRIVER, chromium

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver on the PATH: apt-get install chromium chromium-driver",
)


def test_it_opens_without_a_word_on_the_console_and_can_be_printed(
    compared: Compared, tmp_path: Path
) -> None:
    path = tmp_path / "comparison.html"
    path.write_text(comparison_page(compared.found, "a comparison on a log"), encoding="utf-8")
    with chromium(1200, 900) as driver:
        driver.get(path.as_uri())
        assert driver.get_log("browser") == []
        assert driver.title == "a comparison on a log"
        sizes = "const r = document.documentElement; return [r.scrollWidth, r.clientWidth]"
        width, window = driver.execute_script(sizes)
        assert width <= window
        boxes = driver.execute_script(
            "return [...document.querySelectorAll('figure > svg')].map(svg => {"
            "const box = svg.getBoundingClientRect();"
            "return [box.width, box.height, svg.getBBox().width]})"
        )
        assert len(boxes) > 6
        for across, down, inner in boxes:
            assert 0 < across <= window and down > 50 and inner > 50
        printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    document = base64.b64decode(printed["data"])
    assert document.startswith(b"%PDF") and document.count(b"/Type /Page\n") > 3
