"""Does a rule of spacing hold across the pages of an endless feed?

Feeds of three simulated pages are served by a trained generator, page after page, with one item of
a seller in any four slots. A page is asked for twice: alone, and with `above`, the last slots that
the same way of asking showed on the page before. What is counted are the repeats across the
boundary: items whose seller stands within the window on the page above. Those that remain with
`above` are told by the slate itself, under `unmet`: no other candidate was left.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, options, publish

import gerank
from gerank.data.exposure_log import ExposureLog
from gerank.data.log_requests import request_document
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.data.simulator.above import page_before
from gerank.export.from_run import export_run
from gerank.ranker import Ranker
from gerank.train.config import EvaluatorConfig, JudgeConfig
from gerank.train.config_toml import read_config
from gerank.train.train import train

PAGES, WINDOW = 3, 4
SPACING = [{"group": "seller", "window": WINDOW, "cap": 1}]
TOLD = ("seller", "category", "content_type", "cold_start", "fresh")
Document = dict[str, Any]


def trained(folder: Path, sellers: int, pages: int, *, quick: bool) -> Ranker:
    """A generator of simulated pages of that many sellers."""
    config = read_config(Path(str(files("gerank") / "configs" / "simulator.toml")))
    if quick:
        evaluator = EvaluatorConfig(compare_steps=50, steps=100, residual=False)
        judge = JudgeConfig(bootstraps=2, clone_steps=20, boosted=False)
        generator = replace(config.generator, epochs=1, min_steps=50)
        config = replace(config, evaluator=evaluator, judge=judge, generator=generator)
    log, _ = simulate(SimulatorConfig(pages, sellers=sellers, seed=0))
    run = train(config, folder / "run", log=log)
    export_run(run.path, folder / "model.gerank", force=True)
    return gerank.load(folder / "model.gerank")


def serve(ranker: Ranker, log: ExposureLog, before: np.ndarray, *, above: bool) -> Row:
    """Serves every feed from its first page on, and counts what repeats across boundaries."""
    shown: dict[int, list[Document]] = {}
    boundaries = repeats = told = 0
    for row in np.argsort(before >= 0, kind="stable"):  # a page comes after the one above it
        earlier = shown[int(before[row])][-(WINDOW - 1) :] if before[row] >= 0 else []
        document = request_document(log, int(row)) | {"spacing": SPACING}
        if above and earlier:
            document["above"] = [{name: slot[name] for name in TOLD} for slot in earlier]
        (slate,) = ranker.rank([document])
        shown[int(row)] = page = [document["candidates"][m] for m in slate.candidates]
        if not earlier:
            continue
        boundaries += 1
        seen = [slot["seller"] for slot in earlier]
        again = [n for n in range(WINDOW - 1) if page[n]["seller"] in seen[n:]]
        repeats += len(again)
        told += len({n for rule in slate.unmet for n in rule.slots} & set(again))
    return {
        "asked": "with above" if above else "alone",
        "boundaries": boundaries,
        "repeats": repeats,
        "repeats per boundary": repeats / boundaries,
        "of them told": told,
    }


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    pages, tests = (1000, 300) if arguments.quick else (12000, 3000)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for sellers in (20, 100):
            place = Path(folder) / str(sellers)
            place.mkdir()
            ranker = trained(place, sellers, pages, quick=arguments.quick)
            log, _ = simulate(SimulatorConfig(tests, sellers=sellers, seed=1, feed_pages=PAGES))
            log = replace(log, above=None)  # what is served stands above, not what was logged
            before = page_before(np.unique(log.person_ids, return_inverse=True)[1], PAGES)
            rows += [
                {"sellers": sellers} | serve(ranker, log, before, above=above)
                for above in (False, True)
            ]
    publish("feed_boundary", rows, arguments)


if __name__ == "__main__":
    main()
