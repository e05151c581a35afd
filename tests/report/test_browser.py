"""The page in a real browser, from a file, without a network."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver

from gerank.report import Drawing, Section, report_page
from tests.report.conftest import Reported
from tests.studio.browser import CHROMIUM, DRIVER, chromium

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver on the PATH: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium(1200, 900) as opened:
        opened.set_page_load_timeout(60)
        yield opened


def opened(driver: webdriver.Chrome, page: str, path: Path) -> list[str]:
    """What the console says of a page that is opened from a file."""
    path.write_text(page, encoding="utf-8")
    driver.get(path.as_uri())
    return [entry["message"] for entry in driver.get_log("browser")]


@pytest.mark.parametrize("kind", ["full", "plain", "rewarded"])
def test_it_opens_without_a_word_on_the_console(
    kind: str, request: pytest.FixtureRequest, driver: webdriver.Chrome, out: Path
) -> None:
    reported: Reported = request.getfixturevalue(kind)
    assert opened(driver, reported.page, out) == []
    assert driver.title == "a run on a log"
    count = "return document.querySelectorAll(arguments[0]).length"
    for element in ("svg", "table", "figure"):
        assert driver.execute_script(count, element) == reported.outline.count[element]


def test_nothing_is_wider_than_the_window_and_all_drawings_are_seen(
    full: Reported, driver: webdriver.Chrome, out: Path
) -> None:
    opened(driver, full.page, out)
    sizes = "const r = document.documentElement; return [r.scrollWidth, r.clientWidth]"
    width, window = driver.execute_script(sizes)
    assert width <= window
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('figure > svg')].map(svg => {"
        "const box = svg.getBoundingClientRect();"
        "return [box.width, box.height, svg.getBBox().width]})"
    )
    assert boxes
    for across, down, inner in boxes:
        assert 0 < across <= window and down > 50 and inner > 50


def test_it_loads_nothing_even_where_a_drawing_asked_for_it(
    driver: webdriver.Chrome, out: Path
) -> None:
    """What the other tests look for is seen where it is there."""
    asking = '<svg><image href="https://127.0.0.1:9/a.png" width="9" height="9"/></svg>'
    page = report_page("t", [Section("s", figures=[Drawing(asking, "A picture from elsewhere.")])])
    (said,) = opened(driver, page, out)
    assert "Content Security Policy" in said


def test_it_can_be_printed(full: Reported, driver: webdriver.Chrome, out: Path) -> None:
    opened(driver, full.page, out)
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    document = base64.b64decode(printed["data"])
    assert document.startswith(b"%PDF")
    assert document.count(b"/Type /Page\n") > 3
