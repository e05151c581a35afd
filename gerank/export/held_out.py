"""Requests that a run has not learned from: pages of its log that validated it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract
from gerank.data.exposure_log import ExposureLog
from gerank.train.log_of_run import check_log
from gerank.train.pages import as_requests, split_pages
from gerank.train.run_folder import RunFolder

_MOST_REQUESTS = 4096


def held_out_requests(folder: RunFolder) -> RerankBatch | None:
    """Pages that validated a run, as greedy requests with default weights; None without its log.

    Raises:
        RunError: The log that lies there now is none that the run can judge.
    """
    settings = folder.config.data
    if not settings.log.exists():
        return None
    log = ExposureLog.read(settings.log, settings.memory_mb)
    check_log(folder, log)
    rows = split_pages(log, settings).validation[:_MOST_REQUESTS]
    return requests_of_log(log, rows, folder.contract, settings.slots) if len(rows) else None


def requests_of_log(
    log: ExposureLog, rows: NDArray[np.int64], contract: RequestContract, slots: int
) -> RerankBatch:
    """Pages of a log as greedy requests with default weights.

    Args:
        log: Has the contract's schema.
        rows: [E]. The pages.
        contract: Names the weights.
        slots: N.
    """
    defaults = torch.tensor([weight.default for weight in contract.weights.values()])
    weights = defaults.float().expand(len(rows), -1)
    return as_requests(log.batch(rows, slots), weights, log.schema, slots=slots)
