"""Takes the picture of a report that the README shows: its beginning, small, in three columns.

Example:  gerank evaluate runs/first --data data/test --report report.html
          python tools/report_screenshot.py --report report.html
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the browser of the tests

from tests.studio.browser import chromium

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "report.png"
_WIDTH, _HEIGHT, _ZOOM = 1560, 1130, 0.5
_RULES = (
    f"body {{ zoom: {_ZOOM}; max-width: none; margin: 1rem 1.5rem; columns: 3; column-gap: 3rem; "
    f"column-fill: auto; height: {(_HEIGHT - 175) / _ZOOM:.0f}px }}",
    "nav { display: none }",
    "html { overflow: hidden }",
)


def main() -> None:
    """Opens the page without a network, and takes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=_PICTURE)
    arguments = parser.parse_args()
    with chromium(_WIDTH, _HEIGHT) as driver:
        driver.get(arguments.report.resolve().as_uri())
        for rule in _RULES:
            append = (
                "const s = document.styleSheets[0]; s.insertRule(arguments[0], s.cssRules.length)"
            )
            driver.execute_script(append, rule)
        driver.save_screenshot(str(arguments.out))
    print(arguments.out)


if __name__ == "__main__":
    main()
