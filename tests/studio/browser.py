"""A real Chromium without a window, and a control page to open in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.cli.command import start

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_WAIT_S = 30


@contextmanager
def chromium(width: int = 1420, height: int = 1000) -> Iterator[webdriver.Chrome]:
    """A window of the given size; the sandbox does not work for root, as which containers run."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--window-size={width},{height}")
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def running_studio(*arguments: object) -> Iterator[str]:
    """`gerank studio` in a process of its own; its address."""
    with start("studio", "--port", 0, *arguments) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("studio on "), process.stderr and process.stderr.read()
            yield line.split()[-1]
        finally:
            process.kill()


class OpenPage:
    """The control page in a browser."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        driver.get(address)
        self.wait_for(lambda: bool(self.slate("after")) and bool(self.all("#heat td")))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def slate(self, name: str) -> list[int]:
        """Candidate per slot, read in one go: a table may be replaced between two reads."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map(r => +r.dataset.candidate)"
        )
        candidates: list[int] = self.driver.execute_script(script, f"#{name} tr[data-candidate]")
        return candidates

    def text(self, selector: str) -> str:
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        text: str = self.driver.execute_script(script, selector)
        return text

    def slider(self, name: str) -> WebElement:
        [slider] = self.all(f'[role=slider][aria-label="{name}"]')
        return slider

    def drag(self, name: str, share: float) -> None:
        """Drags a slider's thumb with the mouse, to a share of its track."""
        track = self.slider(name)
        width = track.size["width"] - 1
        low, high, now = (
            float(track.get_attribute(f"aria-value{end}") or 0) for end in ("min", "max", "now")
        )
        start, end = (round(width * (place - 0.5)) for place in ((now - low) / (high - low), share))
        moves = ActionChains(self.driver).move_to_element_with_offset(track, start, 0)
        moves.click_and_hold().move_by_offset(end - start, 0).release().perform()

    def wait_for(self, condition: Any) -> None:
        WebDriverWait(self.driver, _WAIT_S, poll_frequency=0.05).until(lambda _: condition())
