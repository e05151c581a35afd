from __future__ import annotations

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.train.run_folder import RunFolder
from gerank.train.shuffle_control import shuffle_control, shuffled_clicks
from gerank.train.verdict import Verdict
from tests.train.tiny import tiny_log
from tests.train.uniform_log import uniform_log


def test_pages_of_one_length_keep_their_clicks_together_and_nothing_else_moves(seed: int) -> None:
    log = uniform_log(seed, candidates=(1, 6))
    shuffled = shuffled_clicks(log, seed)
    lengths = np.diff(log.slate_offsets)
    before, after = (
        np.add.reduceat(each.clicks, log.slate_offsets[:-1]) for each in (log, shuffled)
    )
    for length in np.unique(lengths):
        alike = lengths == length
        assert sorted(before[alike]) == sorted(after[alike])
    assert not np.array_equal(before, after)
    assert shuffled.slates is log.slates
    np.testing.assert_array_equal(shuffled.clicks, shuffled_clicks(log, seed).clicks)


def test_the_number_of_clicks_says_nothing_of_the_page(seed: int) -> None:
    log = uniform_log(seed, pages=3000, candidates=(4, 4), click_rate=0.0)
    popular = log.candidate["score"].reshape(-1, 4).mean(1) > 0
    log.clicks[:] = np.repeat(popular, 4)
    clicked = shuffled_clicks(log, seed).clicks.reshape(-1, 4).mean(1)
    assert abs(np.corrcoef(popular, clicked)[0, 1]) < 0.08


def test_clicks_fall_on_every_slot_alike(seed: int) -> None:
    log = uniform_log(seed, pages=3000, candidates=(4, 4), click_rate=0.0)
    log.clicks[log.slate_offsets[:-1]] = 1.0  # always the top slot
    rates = shuffled_clicks(log, seed).clicks.reshape(-1, 4).mean(0)
    assert abs(rates - 0.25).max() < 0.04


def test_the_control_finds_nothing_and_leaves_the_run_alone(run: RunFolder) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    log = ExposureLog.read(run.config.data.log)
    judgement = shuffle_control(run, log, tiny_log(60, seed=1)[0])
    assert judgement.verdict is Verdict.NOTHING_TO_LEARN
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
