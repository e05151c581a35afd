"""A log of served feeds tells what stood above the pages, and training sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.contract import RequestContract
from gerank.data.exposure_log import ExposureLog
from gerank.data.joining import join_exposures
from gerank.data.log_requests import request_document
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.train.train import train
from tests.data.served import record, write_feedback, write_folder
from tests.train.tiny import CANDIDATES, SLOTS, tiny_config

PAGES, FEED_PAGES = 240, 3


def simulated_feeds() -> ExposureLog:
    config = SimulatorConfig(
        PAGES, CANDIDATES, SLOTS, 0, items=60, sellers=6, feed_pages=FEED_PAGES, pages_per_person=6
    )
    return simulate(config)[0]


def served_feeds(log: ExposureLog, folder: Path) -> ExposureLog:
    """The same pages, as a server's records and their feedback tell them."""
    contract = RequestContract(log.schema, 512, 128, {})
    rows = range(len(log))
    slates = log.slates.reshape(-1, SLOTS).tolist()
    records = [
        record(
            str(log.page_ids[row]),
            request_document(log, row),
            time=row,
            slates=[slates[row]],
            contract=contract,
        )
        for row in rows
    ]
    clicks = log.clicks.reshape(-1, SLOTS)
    told = [f"{log.page_ids[row]},{slot},1" for row, slot in np.argwhere(clicks > 0)]
    feedback = write_feedback(folder / "clicks.csv", "request_id,slot,click", *told)
    exposures = write_folder(folder / "served", records, {"v-1": contract})
    join_exposures([exposures], [feedback], folder / "joined")
    return ExposureLog.read(folder / "joined")


def keys_not_shown_again(log: ExposureLog) -> NDArray[np.int64]:
    """The candidates that stand above their page, but for those that the page shows again.

    A request for a logged page leaves these out, see `request_document`.
    """
    assert log.above is not None
    keys = log.above.dedup_keys
    page = np.repeat(np.arange(len(log)), np.diff(log.above.offsets))
    again = (log.slates.reshape(-1, SLOTS)[page] == keys[:, None]).any(1)
    return np.where(again, -1, keys)


def weights_from(log: ExposureLog, folder: Path) -> dict[str, Tensor]:
    """What a generator has learnt from a log."""
    run = train(tiny_config(folder / "unread"), folder, log=log)
    return run.load_generator().state_dict()


@pytest.mark.timeout(300)
def test_training_from_a_log_of_served_feeds_sees_what_stood_above(tmp_path: Path) -> None:
    log = simulated_feeds()
    served = served_feeds(log, tmp_path)
    assert log.above is not None and served.above is not None
    assert np.array_equal(served.above.offsets, log.above.offsets)
    assert np.array_equal(served.above.dedup_keys, keys_not_shown_again(log))
    assert (served.above.dedup_keys >= 0).any()
    for name, values in log.above.features.items():
        assert np.array_equal(served.above.features[name], values)

    below = weights_from(served, tmp_path / "below")
    alone = weights_from(replace(served, above=None), tmp_path / "alone")
    assert any(not torch.equal(below[name], alone[name]) for name in below)
