"""What every comparator with a network promises: it learns, and its slates keep the rules."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gerank.baselines.comparator import Comparator, Pages
from gerank.baselines.exact_k import ExactK
from gerank.baselines.network_comparator import NetworkComparator
from gerank.baselines.rerank_network import RerankNetwork
from gerank.data.batch import RerankBatch, Slates
from gerank.data.exposure_log import ExposureLog
from gerank.export.artifact import script
from tests.baselines.networks import WITH_NETWORK
from tests.baselines.small_problem import (
    FAST,
    SLOTS,
    any_click,
    names_of,
    pages_of,
    quality_log,
    replaced_places,
    settings_of,
    share_of_gap,
)
from tests.data.exposure_logs import random_log
from tests.data.request_cases import CONTRACT, MAX_SLOTS
from tests.nn.batches import doubled, random_batch, row
from tests.ops.rule_checks import RequestRules, slate_findings
from tests.train.uniform_log import uniform_log

OF_NETWORKS = [kind for kind in WITH_NETWORK if issubclass(kind, NetworkComparator)]
every = pytest.mark.parametrize("kind", WITH_NETWORK, ids=lambda kind: kind.name)
every_network = pytest.mark.parametrize("kind", OF_NETWORKS, ids=lambda kind: kind.name)
SHORT: dict[str, Any] = {"steps": 20, "evaluator_steps": 20, "min_steps": 10}
ENOUGH: dict[str, Any] = {
    "steps": 150,
    "batch_size": 32,
    "drawn_slates": 3,
    "evaluator_steps": 150,
    "min_steps": 250,
}


def fitted(
    kind: type[Comparator], log: ExposureLog, slots: int = SLOTS, *, seed: int = 3, **changes: Any
) -> Any:
    comparator = kind(settings_of(kind, **changes), seed=seed)
    comparator.fit(pages_of(log, slots))
    return comparator


def random_network(kind: type[NetworkComparator[Any]], seed: int) -> RerankNetwork:
    """A network over the features of `CONTRACT` whose every parameter matters."""
    torch.manual_seed(seed)
    comparator = kind(settings_of(kind))
    pages = Pages(random_log(0), np.arange(1), np.arange(1), MAX_SLOTS, "score")
    network: RerankNetwork = comparator.new_network(CONTRACT.schema, pages)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def rules_of(batch: RerankBatch) -> Iterator[RequestRules]:
    schema = CONTRACT.schema
    columns = (
        batch.candidate_mask,
        batch.candidate_ids[..., list(schema.flag_columns)] > 0,
        batch.candidate_ids[..., list(schema.group_columns)],
        batch.pins,
        batch.dedup_keys,
        batch.spacing,
        batch.quotas,
        batch.slots,
    )
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield RequestRules(*values)


def answer(network: RerankNetwork, batch: RerankBatch) -> Slates:
    with torch.inference_mode():
        return Slates(*network(*batch))


def test_names_are_distinct_and_every_module_names_its_paper_and_choices() -> None:
    assert len({kind.name for kind in WITH_NETWORK}) == len(WITH_NETWORK) == 11
    for kind in WITH_NETWORK:
        text = inspect.getdoc(inspect.getmodule(kind)) or ""
        assert all(part in text for part in ("The paper:", "It leaves open", "Chosen:")), kind.name
        assert kind.paper.rsplit(" ", 1)[-1] in text


@every
def test_the_quality_that_clicks_follow_is_learnt(kind: type[Comparator]) -> None:
    log, rows = quality_log(0, pages=600), np.arange(450, 600)
    slates = fitted(kind, log, **ENOUGH).slates(log, rows, SLOTS)
    assert slates.shape == (150, SLOTS)
    if kind is not ExactK:
        assert share_of_gap(log, rows, slates) > 0.7
        return
    # Its objective is a click anywhere, for which two good items are enough; a network that has
    # learnt nothing may reach it by luck, so three are asked.
    others = [fitted(kind, log, seed=seed, **ENOUGH).slates(log, rows, SLOTS) for seed in (4, 5)]
    shares = [share_of_gap(log, rows, each, any_click) for each in (slates, *others)]
    assert min(shares) > 0.9


@every
def test_slates_are_distinct_candidates_to_the_end_of_the_page(
    kind: type[Comparator], seed: int
) -> None:
    """And what stands above a page does not come again."""
    log = random_log(seed, pages=40, feeds=True)
    comparator = fitted(kind, log, slots=6, **SHORT)
    rows = np.arange(40)[::-1].copy()
    slates = comparator.slates(log, rows, 6)
    keys = log.slots_above(rows).above_dedup_keys
    for slate, above, place in zip(slates.tolist(), keys.tolist(), rows.tolist(), strict=True):
        chosen = [candidate for candidate in slate if candidate >= 0]
        free = set(range(np.diff(log.candidate_offsets)[place])) - set(above)
        assert len(set(chosen)) == len(chosen) == min(6, len(free))
        assert set(chosen) <= free
        assert slate == chosen + [-1] * (6 - len(chosen))


@every
def test_places_in_the_log_say_nothing_of_an_answer(kind: type[Comparator], seed: int) -> None:
    log = quality_log(seed, pages=80)
    other = replaced_places(log, seed)
    comparator, rows = fitted(kind, log, **SHORT), np.arange(80)
    found = [names_of(each, comparator.slates(each, rows, SLOTS)) for each in (log, other)]
    assert found[0] == found[1]


@every_network
def test_places_in_the_log_teach_nothing(kind: type[Comparator], seed: int) -> None:
    """They change nothing, not even which samples are drawn."""
    log = quality_log(seed, pages=80)
    rows = np.arange(80)
    found = [
        names_of(each, fitted(kind, each, **SHORT).slates(each, rows, SLOTS))
        for each in (log, replaced_places(log, seed))
    ]
    assert found[0] == found[1]


@every
@pytest.mark.parametrize("click_rate", [0.0, 0.3])
def test_the_least_schema_without_a_score_or_clicks_is_enough(
    kind: type[Comparator], click_rate: float, seed: int
) -> None:
    """Pages of one candidate or more, without users, ids, groups and flags."""
    log = uniform_log(seed, pages=40, candidates=(1, 4), click_rate=click_rate)
    comparator = kind(settings_of(kind, **SHORT))
    comparator.fit(Pages(log, np.arange(30), np.arange(30, 40), 3))
    slates = comparator.slates(log, np.arange(40), 3)
    for slate, count in zip(slates.tolist(), np.diff(log.candidate_offsets).tolist(), strict=True):
        chosen = slate[: min(3, count)]
        assert set(chosen) <= set(range(count)) and len(set(chosen)) == len(chosen)
        assert slate[len(chosen) :] == [-1] * (3 - len(chosen))


@every
def test_nothing_is_learnt_from_other_pages(kind: type[Comparator], seed: int) -> None:
    """Clicks of pages that are in neither part are turned over."""
    log = quality_log(seed, pages=80)
    other, found = log.clicks.copy(), []
    other[log.slate_offsets[60] :] = 1 - other[log.slate_offsets[60] :]
    for clicks in (log.clicks, other):
        comparator = kind(settings_of(kind, **SHORT))
        each = replace(log, clicks=clicks)
        comparator.fit(Pages(each, np.arange(50), np.arange(50, 60), SLOTS, "score"))
        found.append(comparator.slates(each, np.arange(80), SLOTS))
    assert torch.equal(*found)


@every
def test_one_seed_gives_one_comparator(kind: type[Comparator]) -> None:
    log = quality_log(1, pages=80)
    first, again = (fitted(kind, log, **SHORT).slates(log, np.arange(80), SLOTS) for _ in range(2))
    assert torch.equal(first, again)


@every_network
def test_slates_keep_the_rules_of_requests(kind: type[NetworkComparator[Any]], seed: int) -> None:
    network = random_network(kind, seed)
    for offset in range(3):
        batch = random_batch(seed + offset, requests=40)
        found = answer(network, batch)
        for rules, slate, bits in zip(
            rules_of(batch), found.slates.tolist(), found.relaxed.tolist(), strict=True
        ):
            assert slate_findings(rules, slate, bits) == []


@every_network
def test_scripted_equals_eager(kind: type[NetworkComparator[Any]], seed: int) -> None:
    network, batch = random_network(kind, seed), random_batch(seed)
    eager, scripted = answer(network, batch), Slates(*script(network)(*batch))
    assert torch.equal(eager.slates, scripted.slates)
    assert torch.equal(eager.relaxed, scripted.relaxed)
    torch.testing.assert_close(eager.log_prob, scripted.log_prob)


@every_network
def test_a_request_is_answered_alike_in_any_company(
    kind: type[NetworkComparator[Any]], seed: int
) -> None:
    network, batch = random_network(kind, seed).double(), doubled(random_batch(seed))
    together = answer(network, batch)
    for index in range(0, len(batch.slots), 5):
        alone = answer(network, row(batch, index))
        assert torch.equal(alone.slates[0], together.slates[index])


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match=r"midnn: no setting 'depth'; there are .*width"):
        WITH_NETWORK[1]({"depth": 3})


def test_the_grids_hold_what_the_tests_set() -> None:
    """A setting that was renamed would silently stay at its default in the tests above."""
    known = {name for kind in WITH_NETWORK for name in kind.grid}
    assert FAST.keys() | SHORT.keys() | ENOUGH.keys() <= known


@pytest.mark.parametrize(("train", "validation"), [(0, 5), (5, 0)])
def test_pages_of_both_parts_are_needed(train: int, validation: int) -> None:
    pages = Pages(quality_log(0, pages=10), np.arange(train), np.arange(validation), SLOTS)
    with pytest.raises(ValueError, match=f"midnn: {train} training and {validation} validation"):
        WITH_NETWORK[1]().fit(pages)
