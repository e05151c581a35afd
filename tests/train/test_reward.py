from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.train.config import ConfigError
from gerank.train.reward import EvaluatorReward, check_utilities, slate_groups
from tests.train.tiny import SLOTS, tiny_log

NAMES = ["clicks", "page_click", "seller_diversity", "category_diversity"]


def reward_of(seed: int, names: list[str]) -> EvaluatorReward:
    torch.manual_seed(seed)
    schema = tiny_log(1)[0].schema
    evaluator = Evaluator(schema, EvaluatorShape(SLOTS, 8, 2, 2))
    return EvaluatorReward(evaluator, schema, names)


def test_utilities_come_in_the_order_of_their_names(seed: int) -> None:
    log, _ = tiny_log(20, seed)
    rows = np.arange(20)
    pages = log.batch(rows)
    slates = pages.slates.unsqueeze(1)
    one_way = reward_of(seed, NAMES)(rows, pages, slates)
    other_way = reward_of(seed, NAMES[::-1])(rows, pages, slates)
    assert one_way.shape == (20, 1, 4)
    assert torch.equal(one_way, other_way.flip(-1))


def test_utilities_are_what_their_names_say(seed: int) -> None:
    log, _ = tiny_log(20, seed)
    rows = np.arange(20)
    pages = log.batch(rows)
    shorter = pages.slates.clone()
    shorter[:, -1] = -1
    slates = torch.stack([pages.slates, shorter], dim=1)
    reward = reward_of(seed, NAMES)
    found, judged = reward(rows, pages, slates), reward.judge(pages, slates)
    assert torch.equal(judged.slot_mask, slates >= 0)
    assert not judged.slot_click[:, 1, -1].any()
    torch.testing.assert_close(found[..., 0], judged.slot_click.sum(-1))
    assert torch.equal(found[..., 1], judged.page_click)
    sellers = log.candidate["seller"].reshape(20, -1)
    for page in range(20):
        for g in range(2):
            shown = [sellers[page, c] for c in slates[page, g].tolist() if c >= 0]
            assert found[page, g, 2].item() == pytest.approx(len(set(shown)) / len(shown))


def test_slate_groups_follow_the_slate(seed: int) -> None:
    log, _ = tiny_log(5, seed)
    pages = log.batch(np.arange(5))
    slates = torch.tensor([[[3, -1, 0]]]).expand(5, -1, -1)
    groups = slate_groups(pages, slates, list(log.schema.group_columns))
    for page in range(5):
        for key, name in enumerate(log.schema.groups):
            values = log.candidate[name].reshape(5, -1)[page]
            assert groups[page, 0, :, key].tolist() == [values[3], -1, values[0]]


def test_the_evaluator_is_frozen() -> None:
    reward = reward_of(0, ["clicks"])
    assert not reward.evaluator.training
    assert not any(parameter.requires_grad for parameter in reward.evaluator.parameters())


@pytest.mark.parametrize("name", ["click", "diversity", "brand_diversity", "seller", ""])
def test_an_unknown_utility_is_named_with_the_known_ones(name: str) -> None:
    schema = tiny_log(1)[0].schema
    for refuse in (check_utilities, lambda names, _: reward_of(0, names)):
        with pytest.raises(ConfigError) as caught:
            refuse(["clicks", name], schema)
        assert f"reward.{name}: no such utility" in str(caught.value)
        assert "page_click" in str(caught.value)
        assert "content_type_diversity" in str(caught.value)
