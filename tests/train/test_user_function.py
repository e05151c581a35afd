"""Functions that users wrote: found by their path, watched at every call."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gerank.train.config import UtilityConfig
from gerank.train.setting_rules import ConfigError
from gerank.train.user_function import UtilityError
from gerank.train.utilities import build_utilities
from tests.train.judged_pages import SCHEMA, by_hand

SHOP = '''
import torch

def mean_score(judged, power=1.0):
    """Not differentiable in anything that learns."""
    return judged.feature("ctr_score").pow(power).mean(-1)

def too_short(judged):
    return judged.slot_click.sum((1, 2))

def counts(judged):
    return judged.slot_mask.sum(-1)

def text(judged):
    return "good"

def not_a_number(judged):
    result = judged.slot_click.sum(-1)
    result[1, 0] = float("nan")
    return result

def score_by_slot(judged):
    return judged.feature("ctr_score")

def too_wide(judged):
    return judged.slot_click.unsqueeze(-1)

def no_number_in_a_slot(judged):
    return judged.feature("ctr_score").where(judged.slates < 2, float("inf"))

def no_float32(judged):
    return judged.slot_click.sum(-1).double() + 3e39

def on_meta(judged):
    return torch.empty(judged.slates.shape[:2], device="meta")

def sparse(judged):
    return judged.slot_click.sum(-1).to_sparse()

def leaves(judged):
    raise SystemExit(3)

class Mute(BaseException):
    def __str__(self):
        raise ValueError

def is_mute(judged):
    raise Mute

def fails(judged):
    return deeper(judged)

def deeper(judged):
    return judged.slot_click.view(7, 7)

price = 3
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "script.py").write_text("raise SystemExit('usage: script.py LOG')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("shop", "broken", "script"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def answer(path: str, **options: object) -> torch.Tensor:
    (function,) = build_utilities({"mine": UtilityConfig(utility=path, options=options)}, SCHEMA)
    judged = by_hand([[[0, 1]], [[1, 2]]], ctr_score=[[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]])
    return function(judged)


def test_a_function_is_called_with_its_options() -> None:
    assert answer("shop:mean_score").tolist() == [[pytest.approx(0.2)], [pytest.approx(0.5)]]
    expected = [[pytest.approx((0.01 + 0.09) / 2)], [pytest.approx((0.16 + 0.36) / 2)]]
    assert answer("shop:mean_score", power=2.0).tolist() == expected


def test_a_function_of_whole_slates_is_credited_at_the_last_slot() -> None:
    (function,) = build_utilities({"mine": UtilityConfig(utility="shop:mean_score")}, SCHEMA)
    judged = by_hand([[[0, 1, -1]], [[1, -1, -1]]], ctr_score=[[0.25, 0.5], [0.25, 0.75]])
    assert function(judged).tolist() == [[0.25], [0.25]]
    assert function.by_slot(judged).tolist() == [[[0, 0, 0.25]], [[0, 0, 0.25]]]


def test_a_function_may_say_what_each_slot_adds() -> None:
    (function,) = build_utilities({"mine": UtilityConfig(utility="shop:score_by_slot")}, SCHEMA)
    judged = by_hand([[[0, -1, 1]]], ctr_score=[[0.25, 0.5]])
    assert function.by_slot(judged).tolist() == [[[0.25, 0, 0.5]]]
    assert function(judged).tolist() == [[0.75]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("shop:", "'shop:' is not of the form package.module:function"),
        (":mean", "':mean' is not of the form package.module:function"),
        ("shp:mean_score", "module 'shp' does not import: ModuleNotFoundError: No module named"),
        ("broken:f", r"module 'broken' does not import: .*no_such_package.* at .*broken\.py:1"),
        ("script:f", "module 'script' does not import: SystemExit: usage: script.py LOG"),
        ("shop:means_score", "'means_score' is missing in module 'shop'"),
        ("shop:price", "'price' is 3, not a function in module 'shop'"),
    ],
)
def test_what_is_no_function_is_named_before_training(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"reward\.mine\.utility: .*{message}"):
        answer(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "too_short",
            r"answered the shape \[2\], not \[B, G\] = \[2, 1\] or \[B, G, N\] = \[2, 1, 2\]",
        ),
        ("too_wide", r"answered the shape \[2, 1, 2, 1\], not \[B, G\]"),
        ("counts", "answered torch.int64, not floating point"),
        ("text", "answered a str, not a tensor"),
        (
            "no_number_in_a_slot",
            r"answered inf for slot 1 of slate \[1, 2\] of page 1 of its batch",
        ),
        ("no_float32", r"answered inf for slate \[0, 1\] of page 0 of its batch"),
        ("on_meta", r"answered a tensor of layout torch\.strided on device meta, not .* on cpu"),
        ("sparse", r"answered a tensor of layout torch\.sparse_coo on device cpu, not .*strided"),
        ("leaves", r"failed at .*shop\.py:41: SystemExit: 3"),
        ("is_mute", r"failed at .*shop\.py:\d+: Mute: it cannot say what"),
        ("fails", r"failed at .*shop\.py:54: RuntimeError: "),
        ("not_a_number", r"answered nan for slate \[1, 2\] of page 1 of its batch"),
    ],
)
def test_what_is_no_utility_is_named_when_it_is_answered(name: str, message: str) -> None:
    where = rf"utility 'mine' \(shop:{name}( at .*shop\.py:\d+)?\) {message}"
    with pytest.raises(UtilityError, match=where) as caught:
        answer(f"shop:{name}")
    assert "shop.py:" in str(caught.value)
