from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.data.batch import ExposureBatch
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.structured import StructuredShape
from gerank.train.config import UtilityConfig
from gerank.train.feedback import EvaluatorFeedback, TrueFeedback
from gerank.train.judged import on_slates
from gerank.train.reward import SlotReward, UtilityReward, reward_statistics
from gerank.train.setting_rules import ConfigError
from tests.train.tiny import SLOTS, tiny_log
from tests.train.uniform_log import uniform_log

NAMES = ["clicks", "page_click", "seller_diversity", "category_diversity"]


def reward_of(seed: int, names: list[str]) -> UtilityReward:
    torch.manual_seed(seed)
    schema = tiny_log(1)[0].schema
    evaluator = Evaluator(schema, EvaluatorShape(StructuredShape(SLOTS, "examination")))
    reward = {name: UtilityConfig() for name in names}
    return UtilityReward(EvaluatorFeedback(evaluator), schema, reward)


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
    found, judged = reward(rows, pages, slates), reward.judge(rows, pages, slates)
    assert torch.equal(judged.slot_mask, slates >= 0)
    assert not judged.slot_click[:, 1, -1].any()
    torch.testing.assert_close(found[..., 0], judged.slot_click.sum(-1))
    assert torch.equal(found[..., 1], judged.page_click)
    sellers = log.candidate["seller"].reshape(20, -1)
    for page in range(20):
        for g in range(2):
            shown = [sellers[page, c] for c in slates[page, g].tolist() if c >= 0]
            assert found[page, g, 2].item() == pytest.approx(len(set(shown)) / len(shown))


def test_what_slots_add_is_asked_of_the_feedback_once_and_sums_to_the_utilities(seed: int) -> None:
    log, _ = tiny_log(20, seed)
    rows, pages = np.arange(20), log.batch(np.arange(20))
    slates = pages.slates.unsqueeze(1).repeat(1, 2, 1)
    slates[:, 1, 1] = -1
    watched = Watched()
    reward = UtilityReward(watched, log.schema, {name: UtilityConfig() for name in NAMES})
    by_slot = reward.by_slot(rows, pages, slates)
    assert len(watched.asked) == 1
    assert isinstance(reward, SlotReward)
    assert by_slot.shape == (*slates.shape, len(NAMES))
    torch.testing.assert_close(by_slot.sum(2), reward(rows, pages, slates))
    judged = reward.judge(rows, pages, slates)
    assert torch.equal(by_slot[..., 0], judged.slot_click)
    assert torch.equal(by_slot[..., -1, 1], judged.page_click)
    assert not by_slot[..., :-1, 1].any()


def test_values_of_candidates_follow_the_slate(seed: int) -> None:
    log, _ = tiny_log(5, seed)
    pages = log.batch(np.arange(5))
    slates = torch.tensor([[[3, -1, 0]]]).expand(5, -1, -1)
    groups = on_slates(pages.candidate_ids, slates, -1)
    for page in range(5):
        for column, feature in enumerate(log.schema.candidate_ids):
            values = log.candidate[feature.name].reshape(5, -1)[page]
            assert groups[page, 0, :, column].tolist() == [values[3], -1, values[0]]


def test_the_evaluator_is_frozen() -> None:
    feedback = reward_of(0, ["clicks"]).feedback
    assert isinstance(feedback, EvaluatorFeedback)
    assert not feedback.evaluator.training
    assert not any(parameter.requires_grad for parameter in feedback.evaluator.parameters())


@pytest.mark.parametrize("name", ["click", "brand_diversity", "seller", ""])
def test_an_unknown_utility_is_named_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reward_of(0, ["clicks", name])
    assert f"reward.{name}: no such utility" in str(caught.value)
    assert "page_click" in str(caught.value)
    assert "content_type_diversity" in str(caught.value)


class Watched:
    """Feedback of fixed clicks that remembers which slates it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[np.ndarray, torch.Tensor]] = []

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked.append((rows, slates))
        click = (slates.float() + 1) / 10
        return click, click.sum(-1)


def test_statistics_are_of_exposed_and_random_slates_of_real_candidates(seed: int) -> None:
    log = uniform_log(seed, pages=200, candidates=(2, 6), slots=4)
    feedback = Watched()
    reward = UtilityReward(feedback, log.schema, {"clicks": UtilityConfig()})
    found = reward_statistics(reward, log, np.arange(200), 3, seed)
    assert sorted(np.concatenate([rows for rows, _ in feedback.asked])) == list(range(200))
    parts = []
    for rows, slates in feedback.asked:
        sizes = np.diff(log.candidate_offsets)[rows]
        for page, size in enumerate(sizes.tolist()):
            shown = log.batch(rows[page : page + 1], 3).slates[0].tolist()
            assert [c for c in slates[page, 0].tolist() if c >= 0] == [c for c in shown if c >= 0]
            for slate in slates[page, 1:].tolist():
                chosen = [candidate for candidate in slate if candidate >= 0]
                assert len(set(chosen)) == len(chosen) == min(3, size)
                assert max(chosen) < size
        parts.append(((slates.float() + 1) / 10).sum(-1).numpy())
    clicks = np.concatenate(parts)
    assert found.exposed.item() == pytest.approx(clicks[:, 0].mean(), rel=1e-4)
    expected = np.sqrt(clicks.var(axis=1, ddof=1).mean())
    assert found.scale.item() == pytest.approx(expected, rel=1e-4)


def test_statistics_see_open_gates() -> None:
    log, _ = tiny_log(200)
    options = {"flag": "fresh", "share_target": 0.01, "gate": "batch"}
    flow = {"flow": UtilityConfig(utility="flow_control", options=options)}
    reward = UtilityReward(Watched(), log.schema, flow)
    rows = np.arange(200)
    pages = log.batch(rows)
    assert not reward(rows, pages, pages.slates.unsqueeze(1)).any()  # the batch hits the target
    found = reward_statistics(reward, log, rows, SLOTS, 0)
    assert -1 < found.exposed.item() < 0
    assert 0 < found.scale.item() < 1


def test_the_truth_as_feedback_is_the_simulators(seed: int) -> None:
    log, truth = tiny_log(20, seed)
    rows, pages = np.arange(20), log.batch(np.arange(20))
    slates = pages.slates.unsqueeze(1)
    names = {"clicks": UtilityConfig(), "page_click": UtilityConfig()}
    found = UtilityReward(TrueFeedback(truth), log.schema, names)(rows, pages, slates)
    torch.testing.assert_close(found[..., 0], truth.expected_clicks(rows, slates))
    click = truth.click_probability(rows, slates)
    torch.testing.assert_close(found[..., 1], 1 - (1 - click).prod(-1))
