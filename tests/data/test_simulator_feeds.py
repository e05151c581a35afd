"""Endless feeds: which page stands above which, and what is seen across the border."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, UserKind, simulate
from gerank.data.simulator.above import page_before
from tests.data.exposure_logs import assert_same
from tests.data.simulated_logs import all_rows, shown, table


def test_every_group_of_a_persons_pages_is_a_feed() -> None:
    person = np.array([4, 2, 4, 4, 2, 4, 4, 9])
    assert page_before(person, 1).tolist() == [-1] * 8
    assert page_before(person, 2).tolist() == [-1, -1, 0, -1, 1, 3, -1, -1]
    assert page_before(person, 3).tolist() == [-1, -1, 0, 2, 1, -1, 5, -1]


def test_the_last_items_of_the_page_before_stand_above(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(200, seed=seed, feed_pages=3))
    assert truth.above is not None
    last: dict[str, int] = {}
    visits: dict[str, int] = {}
    for page, person in enumerate(log.person_ids.tolist()):
        visit = visits.get(person, 0)
        if visit % 3 == 0:
            assert not truth.above.shown[page].any()
        else:
            before, slate = last[person], shown(log)[last[person], -3:]
            assert truth.above.shown[page].all()
            assert truth.above.seller[page].tolist() == table(log, "seller")[before, slate].tolist()
            expected = truth.attraction[before, torch.from_numpy(slate)]
            assert torch.equal(truth.above.attraction[page], expected)
        last[person], visits[person] = page, visit + 1
    assert (log.timestamps == np.arange(200)).all()


def test_the_log_tells_what_stood_above_as_the_truth_does(tmp_path: Path, seed: int) -> None:
    simulated, truth = simulate(SimulatorConfig(200, items=60, seed=seed, feed_pages=3))
    simulated.write(tmp_path)
    log = ExposureLog.read(tmp_path)
    assert_same(log, simulated)
    pages = log.batch(all_rows(log))
    assert truth.above is not None
    assert torch.equal(pages.above_mask, truth.above.shown)
    columns = [f.name for f in log.schema.candidate_ids]
    for name in ("seller", "category", "content_type"):
        told = pages.above_ids[..., columns.index(name)]
        assert torch.equal(told[truth.above.shown], getattr(truth.above, name)[truth.above.shown])
    names, again = table_of_names(log), 0
    assert log.above is not None
    for page in range(len(log)):
        keys = log.above.dedup_keys[slice(*log.above.offsets[page : page + 2])].tolist()
        if keys:
            before = max(row for row in range(page) if log.person_ids[row] == log.person_ids[page])
            above = names[before, shown(log)[before, -3:]]
            place = {name: m for m, name in enumerate(names[page])}
            assert keys == [place.get(name, -1) for name in above]
            again += sum(key >= 0 for key in keys)
    assert again > 20


def test_pages_that_stand_alone_tell_of_nothing_above(seed: int) -> None:
    assert simulate(SimulatorConfig(20, seed=seed))[0].above is None


def table_of_names(log: ExposureLog) -> NDArray[Any]:
    """[E, M] names of the candidates."""
    return np.asarray(log.candidate_names).reshape(len(log), -1)


@pytest.mark.parametrize("kind", UserKind)
def test_a_page_sees_across_the_border_only_where_one_is(kind: UserKind, seed: int) -> None:
    log, feed = simulate(SimulatorConfig(200, sellers=3, seed=seed, users=kind, feed_pages=4))
    alone = SimulatorTruth(**{**vars(feed), "above": None})
    slates = torch.from_numpy(shown(log))
    difference = feed.click_probability(all_rows(log), slates) - alone.click_probability(
        all_rows(log), slates
    )
    assert feed.above is not None
    later = feed.above.shown.any(1)
    assert 0 < later.sum() < 200
    assert difference[~later].abs().max() < 1e-6
    assert difference[later, 0].abs().max() > 0.01


def test_selected_pages_keep_what_stood_above_them(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(60, seed=seed, feed_pages=3, pages_per_person=10))
    rows = np.array([50, 3, 59, 50])
    slates = torch.from_numpy(shown(log)[rows])
    expected = truth.click_probability(rows, slates)
    torch.testing.assert_close(truth.select(rows).click_probability(np.arange(4), slates), expected)


def test_pages_shorter_than_the_memory_stand_above_whole(seed: int) -> None:
    _, truth = simulate(SimulatorConfig(50, 8, 2, seed, feed_pages=2))
    assert truth.above is not None
    assert truth.above.shown.shape == (50, 2)
