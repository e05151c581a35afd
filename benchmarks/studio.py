"""From a slider of the control page to the new slate on screen, in a real headless Chromium.

The clock is the browser's: from the event of the key that moves the slider until the frame with the
new slate was drawn. In `single` each move waits until the page has come to rest. In `burst` five
moves come 50 ms apart, as a hand drags, timed from the last of them to the last change. The model
is not trained: its size is what costs time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Row, options, progress, publish
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the browser of the tests

from gerank.nn.generator import GeneratorShape
from tests.studio.browser import OpenPage, chromium, running_studio
from tests.studio.feed import write_log, write_model

_SIZES = ((20, 10), (100, 10))
_REST_S, _BURST, _BETWEEN_S = 0.25, 5, 0.05
_WATCH = """
window.pressed = 0; window.latency = 0;
addEventListener('keydown', event => { window.pressed = event.timeStamp; }, true);
new MutationObserver(() => {
  const pressed = window.pressed;
  requestAnimationFrame(() => setTimeout(() => {
    window.latency = performance.now() - pressed;
  }));
}).observe(document.getElementById('slates'), {subtree: true, childList: true, attributes: true});
document.querySelector('[role=slider][aria-label="clicks"] [tabindex]').focus();
"""


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    moves = 40 if arguments.quick else 100
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        progress(len(_SIZES) * moves * 2, "moves") as step,
    ):
        for candidates, slots in _SIZES:
            place = Path(folder) / str(candidates)
            schema = write_log(place, seed=0, candidates=candidates, slots=slots)
            model = place / "model.gerank"
            shape = GeneratorShape(utilities=2, controllable=True)
            write_model(model, schema, candidates=candidates, slots=slots, shape=shape)
            with running_studio("--model", model, "--data", place) as address, chromium() as driver:
                page = OpenPage(driver, address)
                driver.execute_script(_WATCH)
                for name, keys in (("single", 1), ("burst", _BURST)):
                    latencies = []
                    for move in range(moves):
                        latencies.append(latency_ms(page, move, keys))
                        step()
                    rows.append(row(name, candidates, slots, latencies))
    publish("studio", rows, arguments)


def latency_ms(page: OpenPage, move: int, keys: int) -> float:
    """Moves the weight of clicks by `keys` steps, back and forth, and waits until all is quiet."""
    key = Keys.ARROW_LEFT if (move // 4) % 2 else Keys.ARROW_RIGHT
    page.driver.execute_script("window.latency = 0")
    for _ in range(keys):
        ActionChains(page.driver, duration=0).send_keys(key).perform()
        if keys > 1:
            time.sleep(_BETWEEN_S)
    time.sleep(_REST_S)
    page.wait_for(lambda: page.driver.execute_script("return window.latency") > 0)
    latency: float = page.driver.execute_script("return window.latency")
    return latency


def row(name: str, candidates: int, slots: int, latencies: list[float]) -> Row:
    median, p95, worst = np.percentile(latencies, [50, 95, 100])
    return {
        "moves": name,
        "M": candidates,
        "N": slots,
        "count": len(latencies),
        "median_ms": float(median),
        "p95_ms": float(p95),
        "max_ms": float(worst),
        "load_average": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
