from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.train.logged_clicks import PageValues, clicks_table, ndcg_table, page_values
from gerank.train.orders import exposed_slates
from tests.train.uniform_log import uniform_log

WIDTH = 4


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
        "generator": random_order(log, seed),
        "other": random_order(log, seed + 1),
    }
    source = torch.Generator().manual_seed(seed)
    predictions = {
        name: torch.rand(order.shape, generator=source) * (order >= 0)
        for name, order in slates.items()
    }
    return slates, predictions


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
            assert values[name].ips[page] == pytest.approx(ips, abs=1e-5)
            assert values[name].doubly_robust[page] == pytest.approx(robust, abs=1e-5)
            assert values[name].snips[0][page] == pytest.approx(ips, abs=1e-5)
            expected = weight / np.mean(lengths)
            assert values[name].snips[1][page] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("slots", [None, 2])
def test_the_logged_policys_value_is_its_clicks_by_every_estimator(
    seed: int, slots: int | None
) -> None:
    log = uniform_log(seed, slots=slots, candidates=(1, 6))
    slates, predictions = judged(log, seed)
    logged = page_values(slates, predictions, log)["logged"]
    clicks = [sum(click for _, click, _ in logged_page(log, page)) for page in range(len(log))]
    np.testing.assert_allclose(logged.ips, clicks)
    np.testing.assert_allclose(logged.doubly_robust, clicks, atol=1e-5)
    numerators, denominators = logged.snips
    assert numerators.sum() / denominators.sum() == pytest.approx(np.mean(clicks))


def test_ndcg_is_that_of_a_direct_loop_and_of_whole_pages_only(seed: int) -> None:
    log = uniform_log(seed, candidates=(1, 6), slots=4)
    slates, _ = judged(log, seed)
    values = page_values(slates, None, log)
    for page, size in enumerate(np.diff(log.candidate_offsets)):
        clicks = {candidate: click for candidate, click, _ in logged_page(log, page)}
        best = sum(1 / math.log2(n + 2) for n in range(int(sum(clicks.values()))))
        for name, order in slates.items():
            if size > 4 or best == 0:
                assert math.isnan(values[name].ndcg[page])
                continue
            gain = sum(
                clicks[candidate] / math.log2(n + 2)
                for n, candidate in enumerate(order[page].tolist())
                if candidate >= 0
            )
            assert values[name].ndcg[page] == pytest.approx(gain / best)


def test_folds_are_put_together_page_by_page(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    whole = page_values(slates, predictions, log)["generator"]
    parts = []
    for rows in (np.arange(0, 20), np.arange(20, 60)):
        part = ({n: t[rows] for n, t in of.items()} for of in (slates, predictions))
        parts.append(page_values(*part, log.select(rows))["generator"])
    joined = PageValues.concatenate(parts)
    np.testing.assert_array_equal(joined.ips, whole.ips)
    np.testing.assert_array_equal(joined.snips, whole.snips)
    np.testing.assert_array_equal(joined.doubly_robust, whole.doubly_robust)
    np.testing.assert_array_equal(joined.ndcg, whole.ndcg)


def test_a_fold_without_a_click_model_leaves_no_doubly_robust_estimate(seed: int) -> None:
    log = uniform_log(seed)
    slates, predictions = judged(log, seed)
    parts = [page_values(slates, given, log)["other"] for given in (predictions, None)]
    joined = PageValues.concatenate(parts)
    assert joined.doubly_robust is None
    assert len(joined.ips) == 2 * len(log)


def test_tables_have_a_row_per_policy_and_paired_gains(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    clicks = clicks_table(values, log.person_ids, WIDTH)
    ndcg = ndcg_table(values, log.person_ids, WIDTH)
    assert [row[0] for row in clicks.rows] == [row[0] for row in ndcg.rows] == list(slates)
    for row in clicks.rows:
        ips = values[row[0]].ips
        assert str(row[1]).startswith(f"{ips.mean():.4f} [")
        assert len(row) == len(clicks.columns) == 4
    kept = ~np.isnan(values["generator"].ndcg)
    assert f"{int(kept.sum())} pages with a click" in ndcg.title
    gains = {row[0]: row[2] for row in ndcg.rows}
    assert gains["generator"] is None
    paired = values["generator"].ndcg[kept] - values["other"].ndcg[kept]
    assert str(gains["other"]).startswith(f"{paired.mean():.4f} [")


def test_a_policy_without_overlap_or_click_model_has_blank_cells(seed: int) -> None:
    log = uniform_log(seed, candidates=(WIDTH, WIDTH))
    shown = exposed_slates(log, WIDTH)
    never = {"logged": shown, "generator": shown.roll(1, 1)}
    table = clicks_table(page_values(never, None, log), log.person_ids, WIDTH)
    assert table.rows[1] == ("generator", "0.0000 [0.0000, 0.0000]", None, None)


def test_one_person_has_means_without_intervals(seed: int) -> None:
    log = uniform_log(seed, people=1, candidates=(WIDTH, WIDTH))
    slates, predictions = judged(log, seed)
    values = page_values(slates, predictions, log)
    logged = clicks_table(values, log.person_ids, WIDTH).rows[0]
    assert logged[1:] == (f"{values['logged'].ips.mean():.4f}",) * 3
