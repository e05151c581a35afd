"""What every comparator without a network promises, and what its paper says on small numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.click_rate import ClickRate
from gerank.baselines.comparator import Comparator, UnfitPagesError
from gerank.baselines.dpp import Dpp, log_det_gain
from gerank.baselines.lambdamart import LambdaMart
from gerank.baselines.logged import LoggedPage
from gerank.baselines.logistic_regression import LogisticRegressionOrder
from gerank.baselines.mmr import Mmr, marginal_relevance
from gerank.baselines.relevance import scaled_within
from gerank.baselines.rule_pipeline import RulePipeline
from gerank.baselines.similarity import Similarity
from gerank.baselines.slotwise import SlotwiseComparator, decode, fixed
from gerank.baselines.upstream_score import UpstreamScore
from gerank.data.simulator import SimulatorConfig, simulate
from gerank.train.orders import score_slates
from tests.baselines.pages import in_another_order, names_of, pages_of, tiny_pages, wide_log
from tests.data.exposure_logs import with_random_above
from tests.data.request_cases import CONTRACT
from tests.nn.batches import random_batch
from tests.ops.rule_checks import RequestRules, slate_findings
from tests.train.tiny import CANDIDATES, SLOTS

SLOTWISE: list[type[SlotwiseComparator]] = [
    UpstreamScore,
    ClickRate,
    LogisticRegressionOrder,
    LambdaMart,
    Mmr,
    Dpp,
    RulePipeline,
]
FAST: dict[str, dict[str, Any]] = {"lambdamart": {"trees": 50, "leaves": 4, "least": 20}}
every = pytest.mark.parametrize("kind", SLOTWISE, ids=lambda kind: kind.name)


def fitted(kind: type[Comparator], pages: Any = None, **settings: Any) -> Any:
    comparator = kind(FAST.get(kind.name, {}) | settings)
    comparator.fit(tiny_pages() if pages is None else pages)
    return comparator


@every
def test_slates_are_distinct_candidates_and_nothing_from_above_comes_again(
    kind: type[SlotwiseComparator], seed: int
) -> None:
    log = with_random_above(wide_log(seed, pages=80), seed)
    comparator = fitted(kind, pages_of(log))
    rows = np.arange(80)[::-1].copy()
    slates = comparator.slates(log, rows, 5)
    keys = log.slots_above(rows).above_dedup_keys
    for slate, above in zip(slates.tolist(), keys.tolist(), strict=True):
        chosen = [place for place in slate if place >= 0]
        free = set(range(8)) - set(above)
        assert len(set(chosen)) == len(chosen) == min(5, len(free))
        assert set(chosen) <= free


@every
def test_places_in_the_log_say_nothing(kind: type[SlotwiseComparator], seed: int) -> None:
    log = wide_log(seed, pages=80)
    other = in_another_order(log, seed)
    rows = np.arange(80)
    first, second = (
        names_of(each, fitted(kind, pages_of(each)).slates(each, rows, 5)) for each in (log, other)
    )
    agree = np.mean([one == two for one, two in zip(first, second, strict=True)])
    assert (
        agree == 1.0 if kind is not LambdaMart else agree > 0.9
    )  # histograms add in another order


@every
def test_clicks_follow_what_it_puts_first(kind: type[SlotwiseComparator]) -> None:
    """Every comparator beats chance where items differ in what they attract."""
    log, truth = simulate(SimulatorConfig(1500, candidates=8, slots=4, seed=3, items=40, sellers=8))
    comparator = fitted(kind, pages_of(log, slots=4))
    rows = np.arange(1200, 1500)
    reached = truth.expected_clicks(rows, comparator.slates(log, rows, 4)).mean().item()
    shuffled = torch.from_numpy(
        np.random.default_rng(0).permuted(np.tile(np.arange(8), (300, 1)), axis=1)
    )
    assert reached > 1.1 * truth.expected_clicks(rows, shuffled[:, :4]).mean().item()


def test_a_decode_keeps_the_rules_of_its_requests(seed: int) -> None:
    for offset in range(3):
        batch = random_batch(seed + offset, requests=40)
        rng = np.random.default_rng(seed + offset)
        scores, ranks = (
            rng.random(batch.candidate_mask.shape),
            torch.arange(batch.candidate_mask.size(1)),
        )
        slates, relaxed = decode(
            batch, CONTRACT.schema, fixed(scores), ranks.expand(batch.candidate_mask.shape)
        )
        columns = (
            batch.candidate_mask,
            batch.candidate_ids[..., list(CONTRACT.schema.flag_columns)] > 0,
            batch.candidate_ids[..., list(CONTRACT.schema.group_columns)],
            *(batch.pins, batch.dedup_keys, batch.spacing, batch.quotas, batch.slots),
        )
        for row in range(40):
            rules = RequestRules(*(column[row].tolist() for column in columns))
            assert slate_findings(rules, slates[row].tolist(), relaxed[row].tolist()) == []


def test_a_decode_takes_the_highest_score_and_breaks_ties_by_rank() -> None:
    pages = tiny_pages()
    batch = fitted(UpstreamScore).requests(pages.log, np.arange(2), SLOTS)
    ranks = torch.tensor([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]])
    scores = np.array([[0.0] * 6, [0.0, 3.0, 1.0, 3.0, 0.0, 2.0]])
    slates, _ = decode(batch, pages.log.schema, fixed(scores), ranks)
    assert slates.tolist() == [[5, 4, 3], [1, 3, 5]]


def test_the_logged_page_is_what_was_shown() -> None:
    pages = tiny_pages()
    rows = np.array([7, 3])
    slates = fitted(LoggedPage).slates(pages.log, rows, SLOTS)
    assert torch.equal(slates, pages.log.batch(rows).slates)
    assert fitted(LoggedPage).slates(pages.log, rows, 5)[:, SLOTS:].eq(-1).all()


def test_the_upstream_score_is_the_sort_that_training_reports() -> None:
    pages = tiny_pages()
    rows = np.arange(len(pages.log))
    wanted = score_slates(pages.log, "ctr_score", SLOTS)
    assert torch.equal(fitted(UpstreamScore).slates(pages.log, rows, SLOTS), wanted)


def test_click_rates_by_hand() -> None:
    """Clicks over those that the slots led to expect, each with the prior added."""
    pages = tiny_pages()
    comparator = fitted(ClickRate, pages, prior=1.5)
    batch = pages.log.batch(pages.train)
    rate = batch.clicks.mean(0)
    for item in np.unique(np.asarray(pages.log.candidate_names).astype(str))[:8]:
        came = due = 1.5
        for row in pages.train:
            first, names = pages.log.candidate_offsets[row], pages.log.candidate_names
            for slot, place in enumerate(batch.slates[row].tolist()):
                if names[first + place] == item:
                    came += batch.clicks[row, slot].item()
                    due += rate[slot].item()
        assert comparator._rates.get(item, 1.0) == pytest.approx(came / due)


def test_an_unseen_item_has_the_rate_of_the_log() -> None:
    pages = tiny_pages()
    comparator = fitted(ClickRate, pages)
    comparator._rates = {}
    assert (comparator.scores(pages.log, np.arange(3))(np.empty((3, 0), np.int64)) == 1).all()


def test_mmr_by_hand() -> None:
    """0.7 r - 0.3 max similarity to what was chosen: Carbonell and Goldstein's formula."""
    relevance = np.array([[1.0, 0.8, 0.2]])
    alike = np.array([[[1.0, 0.9, 0.1], [0.9, 1.0, 0.4], [0.1, 0.4, 1.0]]])
    none = np.empty((1, 0), np.int64)
    np.testing.assert_allclose(marginal_relevance(relevance, alike, none, 0.7), 0.7 * relevance)
    after_first = marginal_relevance(relevance, alike, np.array([[0]]), 0.7)
    np.testing.assert_allclose(after_first, [[0.7 - 0.3, 0.56 - 0.27, 0.14 - 0.03]])
    after_both = marginal_relevance(relevance, alike, np.array([[0, 1]]), 0.7)
    np.testing.assert_allclose(after_both[0, 2], 0.14 - 0.3 * 0.4)
    empty_slot = marginal_relevance(relevance, alike, np.array([[0, -1]]), 0.7)
    np.testing.assert_allclose(empty_slot, after_first)


def test_mmr_with_all_weight_on_relevance_is_the_sort_by_it() -> None:
    rows = np.arange(50)
    log = tiny_pages().log
    slates = fitted(Mmr, tradeoff=1.0, relevance="upstream_score").slates(log, rows, SLOTS)
    assert torch.equal(slates, fitted(UpstreamScore).slates(log, rows, SLOTS))


def kernel(relevance: np.ndarray, similarity: np.ndarray, theta: float) -> np.ndarray:
    """L_ij = q_i S_ij q_j, q = exp(theta r / (2 (1 - theta)))."""
    quality = np.exp(theta * relevance / (2 * (1 - theta)))
    matrix: np.ndarray = quality[:, None] * similarity * quality[None, :]
    return matrix


def test_the_gain_of_a_dpp_is_that_of_the_log_determinant(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((2, 5, 4))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    similarity = 0.5 * (1 + vectors @ vectors.transpose(0, 2, 1)) + 0.1 * np.eye(5)
    relevance, chosen = rng.random((2, 5)), np.array([[3, 1], [4, -1]])
    gains = log_det_gain(relevance, similarity, chosen, 0.6)
    for page in range(2):
        matrix = kernel(relevance[page], similarity[page], 0.6)
        base = [m for m in chosen[page].tolist() if m >= 0]
        before = np.linalg.slogdet(matrix[np.ix_(base, base)])[1]
        for new in set(range(5)) - set(base):
            more = [*base, new]
            after = np.linalg.slogdet(matrix[np.ix_(more, more)])[1]
            assert gains[page, new] == pytest.approx(after - before)


def test_a_dpp_prefers_two_that_are_unlike_to_two_that_are_alike() -> None:
    """The first two of r = (1, 0.9, 0.6) are nearly the same: theta says whether that matters."""
    similarity = np.array([[[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    relevance, first = np.array([[1.0, 0.9, 0.6]]), np.array([[0]])
    pairs = {
        theta: max(
            combinations(range(3), 2),
            key=lambda pair, theta=theta: np.linalg.det(
                kernel(relevance[0], similarity[0], theta)[np.ix_(pair, pair)]
            ),
        )
        for theta in (0.5, 0.95)
    }
    assert pairs == {0.5: (0, 2), 0.95: (0, 1)}
    for theta, pair in pairs.items():
        gains = log_det_gain(relevance, similarity, first, theta)[0]
        assert max((1, 2), key=lambda m: gains[m]) == pair[1]


def test_similarities_are_what_a_dpp_needs(seed: int) -> None:
    pages = pages_of(wide_log(seed))
    for kind in ("groups", "features"):
        alike = Similarity(kind, pages)(pages.log, np.arange(20))
        np.testing.assert_allclose(np.diagonal(alike, axis1=1, axis2=2), 1.0)
        assert alike.min() >= -1e-9 and alike.max() <= 1 + 1e-9
        assert np.linalg.eigvalsh(alike).min() > -1e-9


def test_relevance_is_scaled_among_the_real_candidates_of_a_page() -> None:
    values = np.array([[2.0, 4.0, 3.0], [5.0, 5.0, 0.0]])
    real = np.array([[True, True, True], [True, True, False]])
    np.testing.assert_allclose(scaled_within(values, real), [[0, 1, 0.5], [0, 0, 0]])


def test_an_absolute_spacing_pass_repeats_no_group_that_it_need_not(seed: int) -> None:
    log = wide_log(seed, pages=60)
    rows = np.arange(60)
    plain, spaced = (
        fitted(RulePipeline, pages_of(log), window=window).slates(log, rows, 5) for window in (0, 2)
    )

    def repeats(slates: torch.Tensor) -> int:
        places = log.candidate_offsets[:-1, None] + slates.numpy()
        groups = np.stack([log.candidate[key][places] for key in log.schema.groups], axis=-1)
        return int((groups[:, 1:] == groups[:, :-1]).sum())

    assert repeats(spaced) < repeats(plain)


def test_a_penalty_is_taken_per_repeat_in_the_window() -> None:
    pages = tiny_pages()
    rows = np.arange(1)
    comparator = fitted(RulePipeline, pages, window=3, penalty=0.3)
    keys = pages.log.batch(rows).candidate_ids[0][:, list(pages.log.schema.group_columns)].numpy()
    scores = comparator.scores(pages.log, rows)
    before, chosen = scores(np.empty((1, 0), np.int64)), np.array([[0, 1, 2]])
    wanted = [
        before[0, m] - 0.3 * sum((keys[m] == keys[c]).mean() for c in (1, 2))
        for m in range(CANDIDATES)
    ]
    np.testing.assert_allclose(scores(chosen)[0], wanted)


def test_a_quota_pass_reserves_slots_for_flagged_items(seed: int) -> None:
    log = wide_log(seed, pages=60)
    rows = np.arange(60)
    slates = fitted(RulePipeline, pages_of(log, slots=5), reserved=0.2).slates(log, rows, 5)
    for column in log.schema.flag_columns:
        flagged = log.batch(rows).candidate_ids[..., column]
        assert torch.equal(flagged.gather(1, slates).any(1), flagged.any(1))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (UpstreamScore, {}, "data.score names no feature"),
        (Mmr, {"relevance": "upstream_score"}, "data.score names no feature"),
        (RulePipeline, {"penalty": 0.1}, "penalty is 0.1, but window is 0"),
    ],
)
def test_what_pages_have_nothing_for_is_said(
    kind: type[Comparator], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnfitPagesError, match=message):
        fitted(kind, pages_of(tiny_pages().log, score=None), **settings)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match="mmr: no setting 'lambda'; there are tradeoff"):
        Mmr({"lambda": 0.5})
