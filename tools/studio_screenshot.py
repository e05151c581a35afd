"""Takes the picture of the control page that the README shows.

Example:  python tools/studio_screenshot.py --model model.gerank --data data/test
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the browser of the tests

from tests.studio.browser import OpenPage, chromium, running_studio

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "studio.png"
_CANDIDATE_IN_SLOT_2 = "#heat tbody tr:nth-child(14) td:nth-of-type(3)"


def main() -> None:
    """Moves a rule and a weight, pins a candidate, and takes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=_PICTURE)
    arguments = parser.parse_args()
    studio = running_studio("--model", arguments.model, "--data", arguments.data)
    with studio as address, chromium(1440, 1030) as driver:
        page = OpenPage(driver, address)
        page.drag("seller: window", 0.5)
        page.drag("seller_diversity", 0.6)
        page.wait_for(lambda: "spacing" in page.text("#rules"))
        page.all(_CANDIDATE_IN_SLOT_2)[0].click()
        page.wait_for(lambda: "slot 2 pinned" in page.text("#rules"))
        driver.save_screenshot(str(arguments.out))
    print(arguments.out)


if __name__ == "__main__":
    main()
