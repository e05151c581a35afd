"""The control page in a real browser, end to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from tests.cli.command import start
from tests.studio.browser import CHROMIUM, DRIVER, OpenPage, chromium, running_studio
from tests.studio.conftest import Feed
from tests.studio.feed import SLOTS

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver on the PATH: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(feed: Feed) -> Iterator[str]:
    with running_studio("--model", feed.model, "--data", feed.data) as opened:
        yield opened


@pytest.fixture
def page(driver: webdriver.Chrome, address: str) -> OpenPage:
    return OpenPage(driver, address)


@needs_chromium
def test_a_moved_weight_changes_the_slate(page: OpenPage) -> None:
    before, after = page.slate("before"), page.slate("after")
    assert len(after) == SLOTS
    page.drag("clicks", 0.0)
    page.wait_for(lambda: page.slate("after") != after)
    assert page.slate("before") == before
    page.wait_for(lambda: 0 <= float(page.text("#utilities tbody td")) <= 0.02)


@needs_chromium
def test_a_moved_rule_changes_the_slate_and_is_told(page: OpenPage) -> None:
    assert "No rule" in page.text("#rules")
    page.drag("content_type: window", 1.0)
    page.wait_for(lambda: "spacing" in page.text("#rules"))
    assert "relaxed" in page.text("#rules")
    assert page.all("#heat td.spacing")


@needs_chromium
def test_a_click_on_the_map_pins_and_another_unpins(page: OpenPage) -> None:
    candidate = next(c for c in range(14) if c not in page.slate("after"))
    cell = f'#heat td[data-cell="2 {candidate}"]'
    page.all(cell)[0].click()
    page.wait_for(lambda: page.slate("after")[2] == candidate)
    page.wait_for(lambda: "slot 2 pinned" in page.text("#rules"))
    page.all(cell)[0].click()
    page.wait_for(lambda: candidate not in page.slate("after")[2:3])


@needs_chromium
def test_another_page_of_the_log_is_shown(page: OpenPage) -> None:
    items = page.text("#before")
    [number] = page.all('input[aria-label="page"]')
    number.send_keys(Keys.ARROW_UP)
    page.wait_for(lambda: page.text("#before") != items)
    assert page.driver.get_log("browser") == []


@needs_chromium
def test_a_preset_moves_the_controls(page: OpenPage) -> None:
    page.all('[aria-label="preset"]')[0].click()
    page.wait_for(lambda: len(page.all(".q-menu .q-item")) == 2)
    page.all(".q-menu .q-item")[1].click()
    page.wait_for(lambda: len(page.slate("after")) == 5)
    assert page.slider("seller_diversity").get_attribute("aria-valuenow") == "2"
    assert page.slider("category: window").get_attribute("aria-valuenow") == "3"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_an_error(feed: Feed, end: signal.Signals) -> None:
    with start("studio", "--model", feed.model, "--port", 0) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("studio on http://127.0.0.1:")
        process.send_signal(end)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""
