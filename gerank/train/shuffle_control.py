"""A negative control: a log whose clicks say nothing must teach nothing."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.train.choices import Device
from gerank.train.judge_run import judge_run
from gerank.train.run_folder import RunFolder
from gerank.train.train import train
from gerank.train.verdict import Judgement


def shuffled_clicks(log: ExposureLog, seed: int) -> ExposureLog:
    """The same pages with feedback that says nothing of its items, their slots or their people.

    Clicks are dealt out anew among the shown slots of a page, and pages that show equally many
    slots swap them; further feedback stays with its click. Without the swap something would be
    left to learn: pages of attractive candidates have more clicks, so that items would still tell
    how many clicks a page has.
    """
    rng = np.random.default_rng(seed)
    lengths = np.diff(log.slate_offsets)
    taken_from = np.arange(len(log))
    for length in np.unique(lengths):
        alike = np.flatnonzero(lengths == length)
        taken_from[alike] = rng.permutation(alike)
    pages = np.repeat(np.arange(len(log)), lengths)
    within = np.lexsort((rng.random(len(pages)), pages))  # a random order inside every page
    slot = np.arange(len(pages)) - log.slate_offsets[:-1][pages]
    places = within[log.slate_offsets[:-1][taken_from[pages]] + slot]
    further = {name: values[places] for name, values in log.feedback.items()}
    return replace(log, clicks=log.clicks[places], feedback=further)


def shuffle_control(folder: RunFolder, log: ExposureLog, test: ExposureLog) -> Judgement:
    """Trains a run like `folder` anew on shuffled clicks, and judges it; `folder` is left alone.

    It computes on the device of `folder`.

    Args:
        folder: Its configuration is taken.
        log: What it was trained on; its clicks are shuffled.
        test: Pages to judge on.
    """
    with tempfile.TemporaryDirectory() as place:
        shuffled = shuffled_clicks(log, folder.config.seed)
        settings = replace(folder.config.train, device=Device(folder.device.type))
        config = replace(folder.config, train=settings)
        control = train(config, Path(place) / "shuffled", log=shuffled)
        return judge_run(control, test)
