"""Every utility that a TOML can name, on pages small enough to check by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gerank.train.config import UtilityConfig
from gerank.train.judged import JudgedSlates
from gerank.train.setting_rules import ConfigError
from gerank.train.utilities import KINDS, build_utilities
from tests.train.judged_pages import SCHEMA, by_hand


def utility(name: str, kind: str = "", **options: Any) -> Any:
    (function,) = build_utilities({name: UtilityConfig(utility=kind, options=options)}, SCHEMA)
    return function


def values(function: Any, judged: JudgedSlates) -> list[list[float]]:
    found: Tensor = function(judged)
    assert found.shape == judged.slates.shape[:2]
    assert found.dtype == torch.float32
    return [[pytest.approx(value) for value in row] for row in found.tolist()]


def test_clicks_and_page_click_by_hand() -> None:
    judged = by_hand([[[2, 0], [1, -1]]], click=[[0.5, 0.2, 0.9]])
    assert values(utility("clicks"), judged) == [[0.9 + 0.5, 0.2]]
    assert values(utility("page_click"), judged) == [[1 - (1 - 0.9) * (1 - 0.5), 0.2]]
    assert values(utility("traffic", "clicks"), judged) == [[0.9 + 0.5, 0.2]]


def test_further_feedback_by_hand() -> None:
    judged = by_hand(
        [[[2, 0], [1, -1]]],
        click=[[0.5, 0.2, 0.9]],
        purchase=[[0.1, 0.2, 0.5]],
        dwell=[[30.0, 2.0, 10.0]],
    )
    assert values(utility("expected.purchase"), judged) == [[0.5 + 0.1, 0.2]]
    assert values(utility("any.purchase"), judged) == [[1 - (1 - 0.5) * (1 - 0.1), 0.2]]
    assert values(utility("expected.dwell"), judged) == [[10.0 + 30.0, 2.0]]
    assert values(utility("reading", "expected", feedback="dwell"), judged) == [[40.0, 2.0]]
    assert utility("any.purchase").by_slot(judged)[0, 0].tolist() == [
        pytest.approx(0.5),
        pytest.approx((1 - 0.5) * 0.1),
    ]
    for mine, other in (("expected.click", "clicks"), ("any.click", "page_click")):
        assert values(utility(mine), judged) == values(utility(other), judged)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("expected.purchas", r"feedback: the log has no 'purchas'; it has click, purchase, dwell"),
        ("any.dwell", "feedback: 'dwell' is of kind amount; .* take expected.dwell"),
    ],
)
def test_feedback_that_the_log_lacks_or_that_is_no_flag_is_named(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^reward\.{name}\.options\.{words}"):
        utility(name)


def test_diversity_by_hand_of_any_group_and_window() -> None:
    judged = by_hand([[[0, 1, 2, 3]]], seller=[[4, 5, 4, 4]], category=[[1, 1, 1, 2]])
    assert values(utility("seller_diversity"), judged) == [[2 / 4]]
    assert values(utility("mix", "diversity", group="category"), judged) == [[2 / 4]]
    near = utility("mix", "diversity", group="seller", window=1)
    assert values(near, judged) == [[3 / 4]]
    assert values(utility("seller_diversity", window=1), judged) == [[3 / 4]]


def test_group_ordering_by_hand() -> None:
    types = ("product", "video", "live", "article")
    judged = by_hand([[[0, 1, 2]]], content_type=[[types.index(t) for t in types[:3]]])
    table = {"live": 2.0, "video": 1.0}  # and 0 for products
    function = utility("order", "group_ordering", group="content_type", priority=table)
    # Product, video, live: no pair is in order.
    assert values(function, judged) == [[0.0]]
    last = utility("order", "group_ordering", group="content_type", priority=table, otherwise=3)
    # Now the product comes first, as it should: two of three pairs.
    assert values(last, judged) == [[2 / 3]]


def flow(gate: str, **options: Any) -> Any:
    return utility("flow", "flow_control", gate=gate, **options)


def test_flow_control_by_hand_in_both_forms() -> None:
    # Page 0 shows the flag in one of two slots, page 1 in none: the batch in a quarter.
    judged = by_hand([[[0, 1]], [[1, 2]]], fresh=[[1, 0, 0], [1, 0, 0]])
    for target, batch, page in ((0.3, [[0], [-1]], [[0], [-1]]), (0.2, [[0], [0]], [[0], [-1]])):
        assert values(flow("batch", flag="fresh", share_target=target), judged) == batch
        assert values(flow("page", flag="fresh", share_target=target), judged) == page
    # The same by group and value, and by position: slot 0 is position 1.
    judged = by_hand([[[0, 1]], [[1, 2]]], category=[[3, 0, 0], [3, 0, 0]])
    books = SCHEMA.candidate_ids[1].values[3]
    assert SCHEMA.candidate_ids[1].name == "category"
    named = flow("page", group="category", value=books, share_target=0.3)
    numbered = flow("page", group="category", value=3, share_target=0.3)
    assert values(named, judged) == values(numbered, judged) == [[0], [-1]]
    low = flow("page", group="category", value=books, position_target=1.0)
    assert values(low, judged) == [[-1], [0]]


def test_every_slate_of_a_request_is_gated_with_its_like_and_statistics_see_no_gate() -> None:
    from dataclasses import replace

    # Column 0 of the batch has a share of 1/2, column 1 of 0.
    judged = by_hand([[[0, 1], [1, 2]], [[0, 2], [2, 1]]], fresh=[[1, 0, 0], [1, 0, 0]])
    function = flow("batch", flag="fresh", share_target=0.4)
    assert values(function, judged) == [[0, -1], [0, -1]]
    crowded = by_hand([[[0, 1]], [[1, 2]]], fresh=[[1, 1, 1], [0, 0, 0]])
    half = flow("batch", flag="fresh", share_target=0.4)
    assert values(half, crowded) == [[0], [0]]
    assert values(half, replace(crowded, gated=False)) == [[0], [-1]]


def test_err_ia_by_hand_takes_intents_from_the_candidate_set() -> None:
    # Three of four candidates are of seller 1: P(1) = 3/4, P(2) = 1/4.
    judged = by_hand([[[0, 3, 1]]], seller=[[1, 1, 1, 2]], click=[[0.4, 0.6, 0.0, 0.5]])
    expected = 3 / 4 * (0.4 + (1 - 0.4) * 0.6 / 3) + 1 / 4 * 0.5 / 2
    assert values(utility("found", "err_ia", group="seller"), judged) == [[expected]]


def test_intra_list_distance_by_hand_standardises_within_the_candidate_set() -> None:
    # z-scores of (0, 1, 2) are (-a, 0, a): the outer two lie opposite, the middle half way.
    judged = by_hand([[[0, 2], [0, 1]]], popularity=[[0.0, 1.0, 2.0]])
    function = utility("spread", "intra_list_distance", features=["popularity"])
    assert values(function, judged) == [[1.0, 0.5]]
    assert values(utility("spread", "intra_list_distance"), judged) == [[1.0, 0.5]]


BAD_OPTIONS = [
    ("diversity", {}, r"missing key 'reward\.it\.options\.group'"),
    ("diversity", {"group": "brand"}, r"options\.group: 'brand' is not one of seller, category"),
    ("diversity", {"group": "seller", "windw": 1}, r"unknown key .*windw'; did you mean 'window'"),
    ("diversity", {"group": "seller", "window": -1}, r"options\.window: -1 is not >= 0"),
    ("diversity", {"group": 3}, r"options\.group: 3 is not of type str"),
    ("flow_control", {"share_target": 0.1}, r"options\.flag: give either it or group and value"),
    ("flow_control", {"flag": "fresh"}, r"share_target: neither it nor position_target"),
    ("flow_control", {"flag": "fresh", "share_target": 1.5}, r"share_target: 1.5 is not in 0..1"),
    ("flow_control", {"flag": "frsh", "share_target": 0.1}, r"flag: 'frsh' is not one of cold"),
    (
        "flow_control",
        {"group": "category", "value": "boks", "share_target": 0.1},
        r"value: feature 'category': unknown value 'boks'",
    ),
    (
        "flow_control",
        {"flag": "fresh", "share_target": 0.1, "gate": "door"},
        r"gate: 'door' is not one of batch, page",
    ),
    (
        "group_ordering",
        {"group": "category", "priority": {"boks": 1}},
        r"priority: feature 'category': unknown value 'boks'",
    ),
    ("group_ordering", {"group": "category", "priority": {"books": "x"}}, r"priority\.books: 'x'"),
    ("intra_list_distance", {"features": ["sales"]}, r"features: 'sales' is not one of ctr_score"),
    ("intra_list_distance", {"features": "sales"}, r"features: 'sales' is not an array"),
    ("clicks", {"window": 3}, r"unknown key 'reward\.it\.options\.window'"),
]


@pytest.mark.parametrize(("kind", "options", "message"), BAD_OPTIONS)
def test_a_bad_option_is_named_with_its_key_and_value(
    kind: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        utility("it", kind, **options)


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"reward\.it\.utility: 'divrsity': no such utility") as e:
        utility("it", "divrsity")
    for kind in KINDS:
        assert kind in str(e.value)


OPTIONS: dict[str, dict[str, Any]] = {
    "diversity": {"group": "seller"},
    "flow_control": {"flag": "fresh", "share_target": 0.3, "position_target": 2.0},
    "group_ordering": {"group": "category", "priority": {"books": 2.0, "toys": 1.0}},
    "err_ia": {"group": "category"},
    "expected": {"feedback": "dwell"},
    "any": {"feedback": "purchase"},
}
WHOLE = ("page_click", "flow_control")
"""Kinds that give no credit to single slots."""


def random_pages(seed: int) -> JudgedSlates:
    """30 pages of 6 candidates, two slates of 4 slots each, a fifth of them empty."""
    source = torch.Generator().manual_seed(seed)
    slates = torch.rand(30, 2, 6, generator=source).argsort(-1)[..., :4]
    slates[torch.rand(slates.shape, generator=source) < 0.2] = -1
    columns = {
        name: torch.randint(0, 4 if name != "fresh" else 2, (30, 6), generator=source).tolist()
        for name in ("seller", "category", "fresh")
    }
    click = torch.rand(30, 6, generator=source).tolist()
    style = torch.randn(30, 6, generator=source).tolist()
    columns |= {
        name: (torch.rand(30, 6, generator=source) * most).tolist()
        for name, most in (("purchase", 1), ("dwell", 60))
    }
    return by_hand(slates.tolist(), click=click, popularity=style, **columns)


def test_every_kind_keeps_its_range_on_random_pages(seed: int) -> None:
    judged = random_pages(seed)
    for name, kind in KINDS.items():
        found = utility("it", name, **OPTIONS.get(name, {}))(judged)
        slots = judged.slates.size(-1)
        low, high = (slots if end == "N" else float(end) for end in kind.range.split(".."))
        assert found.min() >= low, name
        assert found.max() <= high + 1e-6, name
        assert found.unique().numel() > 1, name


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_slots_add_is_the_utility(seed: int, kind: str) -> None:
    judged = random_pages(seed)
    function = utility("it", kind, **OPTIONS.get(kind, {}))
    value, by_slot = function(judged), function.by_slot(judged)
    assert by_slot.shape == judged.slates.shape
    assert by_slot.dtype == value.dtype == torch.float32
    torch.testing.assert_close(by_slot.sum(-1), value)
    assert (not by_slot[..., :-1].any()) is (kind in WHOLE)
    if kind in WHOLE:
        assert torch.equal(by_slot[..., -1], value)
    elif kind != "group_ordering":  # whose slates of fewer than two have a 1 at the last slot
        assert not by_slot[~judged.slot_mask].any()


def test_credit_by_slot_by_hand() -> None:
    judged = by_hand(
        [[[0, -1, 1, 2]]], seller=[[4, 4, 5]], click=[[0.5, 0.25, 0.125]], fresh=[[1, 0, 0]]
    )
    found = {
        name: utility(name, **OPTIONS.get(name, {})).by_slot(judged)[0, 0].tolist()
        for name in ("clicks", "diversity", "flow_control")
    }
    assert found["clicks"] == [0.5, 0, 0.25, 0.125]
    assert found["diversity"] == [pytest.approx(1 / 3), 0, 0, pytest.approx(1 / 3)]
    assert found["flow_control"] == [0, 0, 0, 0]  # a third is above the target
    types = ("product", "product", "live")
    judged = by_hand(
        [[[0, -1, 1, 2]]], content_type=[[("product", "video", "live").index(t) for t in types]]
    )
    order = utility("order", "group_ordering", group="content_type", priority={"live": 1})
    # There are three pairs: the two products are in order, the live should have come before both.
    assert order.by_slot(judged)[0, 0].tolist() == [0, 0, pytest.approx(1 / 3), 0]


def test_the_documentation_lists_every_kind_with_its_range_and_options() -> None:
    text = (Path(__file__).parents[2] / "docs" / "control.md").read_text()
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.range} |" in text
        for option in kind.options.__dataclass_fields__:
            assert re.search(rf"`{name}`.*`{option}`", text), (name, option)
