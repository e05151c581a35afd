from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.metrics.intervals import Interval
from gerank.metrics.overlap import CanTell
from gerank.train.logged_click_tables import clicks_table, propensity_gap, ranking_table
from gerank.train.logged_clicks import PageValues, WeightedValues, page_values
from gerank.train.orders import exposed_slates
from gerank.train.report import Table
from tests.train.uniform_log import uniform_log

WIDTH = 4
LOGGED = "log_propensity"


def random_order(log: ExposureLog, seed: int) -> Tensor:
    """[E, N] another random order of every page."""
    rng = np.random.default_rng(seed)
    slates = np.full((len(log), WIDTH), -1)
    for page, size in enumerate(np.diff(log.candidate_offsets)):
        slates[page, : min(size, WIDTH)] = rng.permutation(size)[:WIDTH]
    return torch.from_numpy(slates)


def judged(log: ExposureLog, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    slates = {
        "logged": exposed_slates(log, WIDTH),
        "generator": random_order(log, seed + 1),  # `seed` itself drew the logged slates
        "other": random_order(log, seed + 2),
    }
    source = torch.Generator().manual_seed(seed)
    predictions = {
        name: torch.rand(order.shape, generator=source) * (order >= 0)
        for name, order in slates.items()
    }
    return slates, predictions


def weighted(values: PageValues) -> WeightedValues:
    assert values.weighted is not None
    return values.weighted


def clicks_of(values: dict[str, PageValues], log: ExposureLog) -> Table:
    table = clicks_table(values, log.person_ids, WIDTH)
    assert table is not None
    return table


def logged_page(log: ExposureLog, page: int) -> list[tuple[int, float, float]]:
    """(candidate, click, propensity) of the first slots."""
    first, last = log.slate_offsets[page : page + 2]
    columns = (log.slates, log.clicks, log.placement_propensity)
    return list(zip(*(c[first:last][:WIDTH].tolist() for c in columns), strict=True))


@pytest.mark.parametrize("slots", [None, 2])
def test_estimates_are_those_of_direct_loops(seed: int, slots: int | None) -> None:
    """Also where fewer slots were shown than a policy would fill: the rest is cut."""
    log = uniform_log(seed, slots=slots, candidates=(2, 6))
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    lengths = [len(logged_page(log, page)) for page in range(len(log))]
    for name in ("generator", "other"):
        for page in range(len(log)):
            ips = robust = weight = 0.0
            for n, (candidate, click, propensity) in enumerate(logged_page(log, page)):
                w = (slates[name][page, n].item() == candidate) / propensity
                q = predictions[name][page, n].item()
                ips += w * click
                weight += w
                robust += q + w * (click - q)
            found = weighted(values[name])
            assert found.ips[page] == pytest.approx(ips, abs=1e-5)
            assert found.doubly_robust is not None
            assert found.doubly_robust[page] == pytest.approx(robust, abs=1e-5)
            assert found.snips[0][page] == pytest.approx(ips, abs=1e-5)
            expected = weight / np.mean(lengths)
            assert found.snips[1][page] == pytest.approx(expected, abs=1e-5)


def test_clicks_are_weighed_by_choices_where_placements_are_unknown(seed: int) -> None:
    log = uniform_log(seed, candidates=(2, 6))
    unknown = np.full_like(log.placement_propensity, np.nan)
    log = dataclasses.replace(log, placement_propensity=unknown)
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    for page in range(len(log)):
        first, last = log.slate_offsets[page : page + 2]
        robust, weight = 0.0, 1.0
        shown = zip(log.slates[first:last], log.clicks[first:last], strict=True)
        for n, (candidate, click) in enumerate([*shown][:WIDTH]):
            agrees = slates["other"][page, n].item() == candidate
            weight *= agrees / np.exp(log.log_propensity[first + n])
            q = predictions["other"][page, n].item()
            robust += q + weight * (click - q)
        found = weighted(values["other"]).doubly_robust
        assert found is not None and found[page] == pytest.approx(robust, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("slots", [None, 2])
def test_the_logged_policys_value_is_its_clicks_by_every_estimator(
    seed: int, slots: int | None
) -> None:
    log = uniform_log(seed, slots=slots, candidates=(1, 6))
    slates, predictions = judged(log, seed)
    logged = weighted(page_values(slates, predictions, log)["logged"])
    clicks = [sum(click for _, click, _ in logged_page(log, page)) for page in range(len(log))]
    np.testing.assert_allclose(logged.ips, clicks)
    np.testing.assert_allclose(logged.doubly_robust, clicks, atol=1e-5)
    numerators, denominators = logged.snips
    assert numerators.sum() / denominators.sum() == pytest.approx(np.mean(clicks))


@pytest.mark.parametrize("slots", [None, 3])
def test_order_of_clicks_is_that_of_a_direct_loop(seed: int, slots: int | None) -> None:
    """Also where a page did not show all its candidates: those are worth nothing."""
    log = uniform_log(seed, candidates=(1, 6), slots=slots)
    slates, _ = judged(log, seed)
    values = page_values(slates, None, log)
    for page in range(len(log)):
        first, last = log.slate_offsets[page : page + 2]
        clicked = set(log.slates[first:last][log.clicks[first:last] > 0].tolist())
        best = sum(1 / math.log2(n + 2) for n in range(min(len(clicked), WIDTH)))
        for name, order in slates.items():
            if not clicked:
                assert math.isnan(values[name].ndcg[page])
                assert math.isnan(values[name].recall[page])
                continue
            slate = order[page].tolist()[: last - first]
            gain = sum(1 / math.log2(n + 2) for n, m in enumerate(slate) if m in clicked)
            assert values[name].ndcg[page] == pytest.approx(gain / best)
            share = len(clicked & set(slate)) / len(clicked)
            assert values[name].recall[page] == pytest.approx(share)


def test_unknown_propensities_leave_the_order_of_clicks_alone(seed: int) -> None:
    log = uniform_log(seed)
    slates, predictions = judged(log, seed)
    nothing = np.full_like(log.placement_propensity, np.nan)
    unknown = dataclasses.replace(log, placement_propensity=nothing, log_propensity=nothing)
    known, values = (page_values(slates, predictions, each) for each in (log, unknown))
    for name, page in values.items():
        assert page.weighted is None
        np.testing.assert_array_equal(page.ndcg, known[name].ndcg)
    assert clicks_table(values, log.person_ids, WIDTH) is None
    assert len(ranking_table(values, log.person_ids, WIDTH).rows) == len(slates)


def test_a_log_that_always_shows_the_same_estimates_nothing_of_other_slates(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    certain = dataclasses.replace(
        log,
        placement_propensity=np.ones_like(log.placement_propensity),
        log_propensity=np.zeros_like(log.log_propensity),
    )
    rows = {row[0]: row for row in clicks_of(page_values(slates, predictions, certain), log).rows}
    for name in ("generator", "other"):
        assert rows[name][1:4] == (None, None, None)
        assert rows[name][5:] == (pytest.approx(1 / WIDTH, abs=0.15), CanTell.OTHER_SLATES)
    assert isinstance(rows["logged"][2], Interval) and rows["logged"][5:] == (1.0, "yes")


def test_shorter_slates_are_estimated_by_the_slots_that_they_fill(seed: int) -> None:
    log = uniform_log(seed, 400, people=80, candidates=(WIDTH, WIDTH))
    slates, _ = judged(log, seed)
    slates["other"][:, 2:] = -1
    rows = {row[0]: row for row in clicks_of(page_values(slates, None, log), log).rows}
    _, ips, ratio, _, _, mean, told = rows["other"]
    assert told == CanTell.YES and mean == pytest.approx(1, abs=0.35)
    assert isinstance(ips, Interval) and isinstance(ratio, Interval)
    assert ratio.estimate == pytest.approx(ips.estimate / mean)


def test_pages_without_propensities_among_others_are_told(seed: int) -> None:
    log = uniform_log(seed)
    assert propensity_gap(log) is None
    missing = {name: np.copy(getattr(log, name)) for name in ("placement_propensity", LOGGED)}
    missing["placement_propensity"][0] = missing[LOGGED][0] = missing[LOGGED][-1] = math.nan
    gap = propensity_gap(dataclasses.replace(log, **missing))
    assert gap is not None and gap.rows == ((len(log), len(log) - 1),)
    nothing = {name: np.full_like(values, math.nan) for name, values in missing.items()}
    assert propensity_gap(dataclasses.replace(log, **nothing)) is None


def test_folds_are_put_together_page_by_page(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    whole = page_values(slates, predictions, log)["generator"]
    parts = []
    for rows in (np.arange(0, 20), np.arange(20, 60)):
        part = ({n: t[rows] for n, t in of.items()} for of in (slates, predictions))
        parts.append(page_values(*part, log.select(rows))["generator"])
    joined = PageValues.concatenate(parts)
    for name in ("ips", "snips", "doubly_robust", "weights", "target_slots"):
        ours, theirs = (getattr(weighted(each), name) for each in (joined, whole))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(joined.ndcg, whole.ndcg)
    np.testing.assert_array_equal(joined.recall, whole.recall)


def test_a_fold_without_a_click_model_leaves_no_doubly_robust_estimate(seed: int) -> None:
    log = uniform_log(seed)
    slates, predictions = judged(log, seed)
    parts = [page_values(slates, given, log)["other"] for given in (predictions, None)]
    joined = weighted(PageValues.concatenate(parts))
    assert joined.doubly_robust is None
    assert len(joined.ips) == 2 * len(log)


def test_tables_have_a_row_per_policy_and_paired_gains(seed: int) -> None:
    log = uniform_log(seed, 400, people=80, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    clicks, order = clicks_of(values, log), ranking_table(values, log.person_ids, WIDTH)
    assert [row[0] for row in clicks.rows] == [row[0] for row in order.rows] == list(slates)
    for row in clicks.rows:
        interval = row[1]
        assert isinstance(interval, Interval)
        assert interval.estimate == pytest.approx(weighted(values[str(row[0])]).ips.mean())
        assert len(row) == len(clicks.columns) == 7
        assert row[-1] == "yes"
    kept = ~np.isnan(values["generator"].ndcg)
    assert f"{int(kept.sum())} pages with a click" in order.title
    for place, name in ((2, "ndcg"), (4, "recall")):
        gains = {row[0]: row[place] for row in order.rows}
        assert gains["generator"] is None
        paired = getattr(values["generator"], name)[kept] - getattr(values["other"], name)[kept]
        gain = gains["other"]
        assert isinstance(gain, Interval)
        assert gain.estimate == pytest.approx(paired.mean())


def test_the_effective_pages_are_all_for_the_logged_policy_and_fewer_for_others(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    slates, _ = judged(log, seed)
    pages = {row[0]: row[4] for row in clicks_of(page_values(slates, None, log), log).rows}
    assert pages["logged"] == pytest.approx(len(log))
    matches = (slates["other"] == slates["logged"]).sum(1).double()  # equal weights
    assert pages["other"] == pytest.approx((matches.sum() ** 2 / (matches**2).sum()).item())


def test_a_policy_without_overlap_or_click_model_has_blank_cells(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    shown = exposed_slates(log, WIDTH)
    never = {"logged": shown, "generator": shown.roll(1, 1)}
    table = clicks_of(page_values(never, None, log), log)
    assert table.rows[1] == ("generator", None, None, None, 0.0, 0.0, CanTell.OTHER_SLATES)


def test_a_log_without_a_click_has_no_order_of_clicks(seed: int) -> None:
    log = uniform_log(seed, click_rate=0.0)
    table = ranking_table(page_values(judged(log, seed)[0], None, log), log.person_ids, WIDTH)
    assert "0 pages with a click" in table.title
    assert all(row[1:] == (None,) * 4 for row in table.rows)


def test_one_person_has_means_without_intervals(seed: int) -> None:
    log = uniform_log(seed, people=1, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    logged = clicks_of(values, log).rows[0]
    assert logged[1:4] == pytest.approx((weighted(values["logged"]).ips.mean(),) * 3)
